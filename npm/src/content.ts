/**
 * What a file *is* by its first bytes, and what is to be known of it: that it is cut off, or an animation. Browsers decode both in
 * silence, and give no reason where they do not decode. As the library's `data/faces/format.rs` and `warnings.rs`.
 */

const CUT_OFF = "is cut off: what is missing of the picture is gray, faces in it are not found";
const FIRST_FRAME = "is an animation: only its first frame is used";

const text = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));

/** The kind of a file, in words with an article. */
export function kindOf(bytes: Uint8Array): string {
  const begins = (...start: number[]): boolean => start.every((byte, at) => bytes[at] === byte);
  if (bytes.length === 0) return "empty";
  if (begins(0xff, 0xd8, 0xff)) return "a JPEG picture";
  if (begins(0x89, 0x50, 0x4e, 0x47)) return "a PNG picture";
  if (text(bytes, 0, 4) === "GIF8") return "a GIF picture";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return "a WebP picture";
  if (text(bytes, 0, 2) === "BM") return "a BMP picture";
  if (begins(0x49, 0x49, 0x2a, 0) || begins(0x4d, 0x4d, 0, 0x2a)) return "a TIFF picture";
  if (text(bytes, 4, 8) === "ftyp") {
    const brands = text(bytes, 8, Math.min(bytes.length, 64));
    if (/avi[fs]/.test(brands)) return "an AVIF picture";
    if (/hei[cxms]|hev[cx]|mif1|msf1/.test(brands)) return "a HEIC picture";
    return "a video";
  }
  const isVideo = begins(0x1a, 0x45, 0xdf, 0xa3) || begins(0, 0, 1, 0xba) || begins(0, 0, 1, 0xb3)
    || (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "AVI ");
  return isVideo ? "a video" : "not a picture by its content";
}

/** What a user should know of a file that was decoded. */
export function warningOf(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = kindOf(bytes);
  try {
    if (kind === "a JPEG picture") return isWholeJpeg(view) ? undefined : CUT_OFF;
    const animated = (kind === "a GIF picture" && hasSecondFrame(view)) || (kind === "a PNG picture" && isAnimatedPng(view))
      || (kind === "a WebP picture" && text(bytes, 12, 16) === "VP8X" && (view.getUint8(20) & 2) !== 0);
    return animated ? FIRST_FRAME : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The file ends too early; what else that means is the decoder's to say.
    return kind === "a JPEG picture" ? CUT_OFF : undefined;
  }
}

/**
 * Whether the end of the image comes before the end of the file. (ITU-T T.81, annex B: within coded data a byte 255 is followed by 0
 * or by a restart marker; other markers but for the first and last have a length.)
 */
function isWholeJpeg(view: DataView): boolean {
  for (let at = 0; ;) {
    while (view.getUint8(at) !== 0xff) at += 1;
    while (view.getUint8(at) === 0xff) at += 1;
    const marker = view.getUint8(at);
    at += 1;
    if (marker === 0xd9) return true;
    const isBare = marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8);
    if (!isBare) at += Math.max(2, view.getUint16(at));
  }
}

/** GIF89a, sections 17 to 27. */
function hasSecondFrame(view: DataView): boolean {
  const colors = (flags: number): number => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  let at = 13 + colors(view.getUint8(10));
  for (let frames = 0; ;) {
    const block = view.getUint8(at);
    if (block === 0x2c) {
      frames += 1;
      if (frames === 2) return true;
      at += 11 + colors(view.getUint8(at + 9));
    } else if (block === 0x21) {
      at += 2;
    } else {
      return false;
    }
    // Blocks, each with its length before it, up to one of none.
    for (let length = view.getUint8(at); ; length = view.getUint8(at)) {
      at += 1 + length;
      if (length === 0) break;
    }
  }
}

/** Whether the chunk `acTL` comes before the pixels. */
function isAnimatedPng(view: DataView): boolean {
  for (let at = 8; ; at += view.getUint32(at) + 12) {
    const chunk = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    if (chunk === "acTL") return true;
    if (chunk === "IDAT" || chunk === "IEND") return false;
  }
}
