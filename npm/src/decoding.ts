/** *Decoding* in browsers, off the main thread: from what the page gave to upright pixels. */
import { kindOf, warningOf } from "./content.js";
import { DuchenneError } from "./errors.js";
import { type Picture, pictureIn, type Pixels, pictureOf } from "./recognition/picture.js";

/** What goes to the worker. */
export type Given =
  | { readonly kind: "file"; readonly file: Blob }
  | { readonly kind: "bitmap"; readonly bitmap: ImageBitmap }
  | { readonly kind: "pixels"; readonly pixels: Pixels };

export interface Decoded {
  readonly picture: Picture;
  readonly warning?: string | undefined;
}

/** Colours as they are stored, as the program takes them. */
export const AS_STORED: ImageBitmapOptions = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

export async function decoded(given: Given): Promise<Decoded> {
  switch (given.kind) {
    case "pixels": return { picture: pictureOf(given.pixels) };
    case "bitmap": return { picture: drawn(given.bitmap) };
    case "file": return fromFile(given.file);
  }
}

async function fromFile(file: Blob): Promise<Decoded> {
  const named = "name" in file && file.name ? `\`${String(file.name)}\`` : "the picture";
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, AS_STORED);
  } catch {
    throw new DuchenneError("picture", await reason(file, named));
  }
  const picture = drawn(bitmap);
  const warning = warningOf(new Uint8Array(await file.arrayBuffer()));
  return warning === undefined ? { picture } : { picture, warning };
}

async function reason(file: Blob, named: string): Promise<string> {
  let kind: string;
  try {
    kind = kindOf(new Uint8Array(await file.slice(0, 64).arrayBuffer()));
  } catch {
    return `${named} cannot be read any more: was the file moved or changed?`;
  }
  if (kind === "a video") return `${named} is a video, expected a picture; \`follow\` takes videos`;
  if (!kind.startsWith("a")) return `${named} is ${kind}, expected a JPEG, PNG, WebP, GIF, BMP or AVIF picture`;
  if (/HEIC|TIFF|AVIF/.test(kind)) return `${named} is ${kind}, which this browser does not decode; export it as PNG or JPEG`;
  return `${named} is ${kind} that is damaged or incomplete`;
}

let canvas: OffscreenCanvas | null = null;

/** The pixels of a bitmap, which is closed. */
function drawn(bitmap: ImageBitmap): Picture {
  const { width, height } = bitmap;
  try {
    canvas ??= new OffscreenCanvas(1, 1);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("no canvas");
    context.globalCompositeOperation = "copy";
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return pictureIn(width, height, new Uint8Array(data.buffer));
  } catch {
    throw new DuchenneError("picture", `the picture has ${width} x ${height} pixels, more than this browser holds; scale it down first`);
  } finally {
    bitmap.close();
  }
}
