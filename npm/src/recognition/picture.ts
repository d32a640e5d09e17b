/**
 * A *picture* is upright pixels of 8 bits as a person would see them on white paper: red, green, blue and an unused
 * byte each, row by row, for that is what browsers decode to.
 *
 * As the library's `data/faces/picture.rs`.
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** `width * height * 4` bytes. */
  readonly data: Uint8Array;
}

/** Pixels as a canvas, or a decoder of the user's, gives them. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Rows of 8-bit values: gray (1 a pixel), red, green, blue (3), or with transparency after them (4). */
  readonly data: ArrayLike<number> & { readonly buffer?: ArrayBufferLike };
}

/** Rounds halves away from zero, as Rust does; `Math.round` rounds them up. */
export const round = (value: number): number => (value < 0 ? -Math.round(-value) : Math.round(value));

/** `value` at opacity `alpha` over white, rounded. */
const overWhite = (value: number, alpha: number): number =>
  Math.floor((value * alpha + 255 * (255 - alpha) + 127) / 255);

/** The picture in pixels of the user's, which stay as they are. */
export function pictureOf({ width, height, data }: Pixels): Picture {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new TypeError(`a picture of ${width} x ${height} pixels, expected whole numbers from 1 on`);
  }
  const pixels = width * height;
  const channels = data.length / pixels;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new TypeError(`${data.length} values for ${width} x ${height} pixels, expected 1, 3 or 4 a pixel`);
  }
  const rgba = new Uint8Array(pixels * 4);
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const [from, to] = [pixel * channels, pixel * 4];
    const alpha = channels === 4 ? data[from + 3]! : 255;
    for (let channel = 0; channel < 3; channel += 1) {
      const value = data[channels === 1 ? from : from + channel]!;
      rgba[to + channel] = alpha === 255 ? value : overWhite(value, alpha);
    }
  }
  return { width, height, data: rgba };
}

/** The same for pixels of four bytes that the caller has no more use for: they become the picture. */
export function pictureIn(width: number, height: number, data: Uint8Array): Picture {
  for (let at = 3; at < data.length; at += 4) {
    const alpha = data[at]!;
    if (alpha !== 255) {
      for (let value = at - 3; value < at; value += 1) data[value] = overWhite(data[value]!, alpha);
    }
  }
  return { width, height, data };
}

/** `0.299 R + 0.587 G + 0.114 B` in 16-bit fixed point, as Pillow rounds it: a byte a pixel. */
export function gray({ data }: Picture): Uint8Array {
  const luma = new Uint8Array(data.length / 4);
  for (let pixel = 0, at = 0; pixel < luma.length; pixel += 1, at += 4) {
    luma[pixel] = (19_595 * data[at]! + 38_470 * data[at + 1]! + 7_471 * data[at + 2]! + 0x8000) >> 16;
  }
  return luma;
}
