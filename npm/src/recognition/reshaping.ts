/**
 * *Reshaping* of pictures: other sizes, parts, quarter turns, windows. As the library's `data/faces/reshaping.rs`, to the
 * bit where that computes in whole numbers.
 */
import { type Picture, round } from "./picture.js";

export type Point = readonly [number, number];

/** A turn of a picture by quarters, clockwise. */
export type Turn = "right" | "left" | "half";
export const TURNS: readonly Turn[] = ["right", "left", "half"];

/** Where a point of the turned picture was in the picture of this size. */
export function turnedBack(turn: Turn, [x, y]: Point, width: number, height: number): Point {
  if (turn === "right") return [y, height - x];
  return turn === "left" ? [width - y, x] : [width - x, height - y];
}

/** The picture turned by quarters. */
export function turned({ width, height, data }: Picture, turn: Turn): Picture {
  const upside = turn === "half";
  const [columns, rows] = upside ? [width, height] : [height, width];
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(columns * rows);
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const [column, row] = upside ? [width - 1 - x, height - 1 - y]
        : turn === "right" ? [y, height - 1 - x] : [width - 1 - y, x];
      to[y * columns + x] = from[row * width + column]!;
    }
  }
  return { width: columns, height: rows, data: new Uint8Array(to.buffer) };
}

/** The part that begins at `left`, `top`, which lies inside. */
export function part(picture: Picture, left: number, top: number, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    const start = ((top + row) * picture.width + left) * 4;
    data.set(picture.data.subarray(start, start + width * 4), row * width * 4);
  }
  return { width, height, data };
}

/** At another size: averaged where it shrinks, interpolated where it grows. */
export function resized(picture: Picture, width: number, height: number): Picture {
  if (width <= picture.width && height <= picture.height) {
    return averaged(picture, 0, 0, picture.width, picture.height, width, height);
  }
  const data = interpolated(picture.data, picture.width, picture.height, 4, width, height);
  return { width, height, data };
}

/** The upright square whose upper left corner is `x`, `y`; beyond the edge the edge pixels go on. */
export function square({ width, height, data }: Picture, x: number, y: number, side: number): Picture {
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(side * side);
  for (let row = 0; row < side; row += 1) {
    const start = Math.min(height - 1, Math.max(0, y + row)) * width;
    for (let column = 0; column < side; column += 1) {
      to[row * side + column] = from[start + Math.min(width - 1, Math.max(0, x + column))]!;
    }
  }
  return { width: side, height: side, data: new Uint8Array(to.buffer) };
}

/** A square part of a picture that may be turned. */
export interface Window {
  /** The middle, in pixels of the picture. */
  readonly centre: Point;
  /** The side, in pixels of the picture. */
  readonly side: number;
  /** How far it is turned, in degrees clockwise. */
  readonly angle: number;
}

export const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Where points of a window, shown in `pixels x pixels`, lie in the picture. */
export function pointsOf({ centre, side, angle }: Window, pixels: number): (point: Point) => Point {
  const scale = side / pixels;
  const [sine, cosine] = [Math.sin(radians(angle)) * scale, Math.cos(radians(angle)) * scale];
  return ([x, y]) => {
    const [across, along] = [x - pixels / 2, y - pixels / 2];
    return [centre[0] + across * cosine - along * sine, centre[1] + across * sine + along * cosine];
  };
}

/** What a window shows, in `pixels x pixels`; beyond the edge the edge pixels go on. */
export function windowOf(picture: Picture, window: Window, pixels: number): Picture {
  // A window of a large face is the mean of dozens of points a pixel: adding up rows first is cheaper.
  const factor = Math.floor(window.side / pixels);
  const shrunk = factor < 2 ? null : shrunkAround(picture, window, factor);
  return shrunk ? windowOf(shrunk[0], shrunk[1], pixels) : seen(picture, window, pixels);
}

/** The part that a window shows, shrunk by a whole factor, and the window in it; `null` where nothing is left. */
function shrunkAround(picture: Picture, window: Window, factor: number): [Picture, Window] | null {
  // The half diagonal reaches every corner, however the window is turned.
  const reach = window.side * Math.SQRT1_2 + factor;
  const range = (centre: number, size: number): [number, number] => {
    const first = Math.floor(Math.min(size, Math.max(0, centre - reach)));
    const end = Math.min(size, Math.max(0, Math.ceil(centre + reach)));
    return [first, Math.floor((end - first) / factor)];
  };
  const [left, columns] = range(window.centre[0], picture.width);
  const [top, rows] = range(window.centre[1], picture.height);
  if (columns === 0 || rows === 0) return null;
  const small = averaged(picture, left, top, columns * factor, rows * factor, columns, rows);
  const centre: Point = [(window.centre[0] - left) / factor, (window.centre[1] - top) / factor];
  return [small, { centre, side: window.side / factor, angle: window.angle }];
}

/** Bilinear where a window shows pixels in their own size or larger, else the mean over two by two points a pixel. */
function seen({ width, height, data }: Picture, window: Window, pixels: number): Picture {
  const inside = window.side > pixels ? [0.25, 0.75] : [0.5];
  const count = inside.length * inside.length;
  const scale = window.side / pixels;
  const [sine, cosine] = [Math.sin(radians(window.angle)) * scale, Math.cos(radians(window.angle)) * scale];
  const shown = new Uint8Array(pixels * pixels * 4);
  const middle = pixels / 2;
  for (let row = 0, to = 0; row < pixels; row += 1) {
    for (let column = 0; column < pixels; column += 1, to += 4) {
      let [red, green, blue] = [0, 0, 0];
      for (const down of inside) {
        const along = row + down - middle;
        for (const aside of inside) {
          const across = column + aside - middle;
          const x = Math.min(width - 1, Math.max(0, window.centre[0] + across * cosine - along * sine - 0.5));
          const y = Math.min(height - 1, Math.max(0, window.centre[1] + across * sine + along * cosine - 0.5));
          const [left, top] = [Math.floor(x), Math.floor(y)];
          const [right, lower] = [x - left, y - top];
          const next = left + 1 < width ? 4 : 0;
          const upper = (top * width + left) * 4;
          const below = top + 1 < height ? upper + width * 4 : upper;
          const w = (1 - right) * (1 - lower), e = right * (1 - lower), s = (1 - right) * lower, d = right * lower;
          red += data[upper]! * w + data[upper + next]! * e + data[below]! * s + data[below + next]! * d;
          green += data[upper + 1]! * w + data[upper + next + 1]! * e + data[below + 1]! * s + data[below + next + 1]! * d;
          blue += data[upper + 2]! * w + data[upper + next + 2]! * e + data[below + 2]! * s + data[below + next + 2]! * d;
        }
      }
      // What double precision leaves of a whole number must not fall below it.
      shown[to] = red / count + 0.5 + 1e-9;
      shown[to + 1] = green / count + 0.5 + 1e-9;
      shown[to + 2] = blue / count + 0.5 + 1e-9;
      shown[to + 3] = 255;
    }
  }
  return { width: pixels, height: pixels, data: shown };
}

/** Values of at most `side x side` pixels, evenly spread: green, which is near to the brightness. */
export function samples({ width, height, data }: Picture, side: number): Uint8Array {
  const [columns, rows] = [Math.min(side, width), Math.min(side, height)];
  const at = (index: number, parts: number, size: number): number =>
    Math.floor(((index * 2 + 1) * size) / (parts * 2));
  const values = new Uint8Array(columns * rows);
  for (let row = 0, to = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, to += 1) {
      values[to] = data[(at(row, rows, height) * width + at(column, columns, width)) * 4 + 1]!;
    }
  }
  return values;
}

/** A part of a picture shrunk: each pixel the mean of those that it stands for. */
function averaged(
  picture: Picture, left: number, top: number, width: number, height: number, columns: number, rows: number,
): Picture {
  const { data } = picture;
  if (columns === width && rows === height) {
    return width === picture.width && height === picture.height ? picture : part(picture, left, top, width, height);
  }
  const across = blocks(width, columns);
  const down = blocks(height, rows);
  const sums = new Uint32Array(width * 4);
  const means = new Uint8Array(columns * rows * 4);
  for (let row = 0, to = 0; row < rows; row += 1) {
    sums.fill(0);
    const [first, end] = [down[2 * row]!, down[2 * row + 1]!];
    for (let y = first; y < end; y += 1) {
      const start = ((top + y) * picture.width + left) * 4;
      for (let at = 0; at < sums.length; at += 1) sums[at] = sums[at]! + data[start + at]!;
    }
    for (let column = 0; column < columns; column += 1, to += 4) {
      const [begin, stop] = [across[2 * column]!, across[2 * column + 1]!];
      const count = (stop - begin) * (end - first);
      const half = Math.floor(count / 2);
      let [red, green, blue] = [half, half, half];
      for (let x = begin * 4; x < stop * 4; x += 4) {
        red += sums[x]!;
        green += sums[x + 1]!;
        blue += sums[x + 2]!;
      }
      means[to] = red / count;
      means[to + 1] = green / count;
      means[to + 2] = blue / count;
      means[to + 3] = 255;
    }
  }
  return { width: columns, height: rows, data: means };
}

/** The first and the end of the pixels that each of `parts`, at most `size`, stands for; in single precision. */
function blocks(size: number, parts: number): Uint32Array {
  const ratio = Math.fround(size / parts);
  const ranges = new Uint32Array(2 * parts);
  for (let index = 0; index < parts; index += 1) {
    const start = Math.fround(index * ratio);
    const first = Math.min(Math.ceil(start), size - 1);
    ranges[2 * index] = first;
    ranges[2 * index + 1] = Math.min(size, Math.max(first + 1, Math.ceil(Math.fround(start + ratio))));
  }
  return ranges;
}

/** Weights of the triangle filter, whose support grows where a side shrinks: for each place the first pixel and the weights. */
function triangle(size: number, length: number): [number, Float32Array][] {
  const ratio = Math.fround(size / length);
  const support = Math.max(1, ratio);
  return Array.from({ length }, (_, index) => {
    const at = Math.fround((index + 0.5) * ratio);
    const first = Math.min(size - 1, Math.max(0, Math.floor(at - support)));
    const end = Math.min(size, Math.max(first + 1, Math.ceil(at + support)));
    const weights = Float32Array.from({ length: end - first }, (_, offset) =>
      Math.max(0, 1 - Math.abs((first + offset - (at - 0.5)) / support)));
    const sum = weights.reduce((sum, weight) => sum + weight, 0);
    return [first, weights.map((weight) => weight / sum)];
  });
}

/**
 * Values of `channels` at another size by the triangle filter, which averages where it shrinks: the `image` crate's, with
 * which the training crops were made. Rows first, then columns.
 */
export function interpolated(
  data: Uint8Array, width: number, height: number, channels: number, columns: number, rows: number,
): Uint8Array {
  if (width === columns && height === rows) return data.slice();
  const stride = width * channels;
  const tall = new Float32Array(stride * rows);
  triangle(height, rows).forEach(([first, weights], row) => {
    const to = tall.subarray(row * stride, (row + 1) * stride);
    weights.forEach((weight, offset) => {
      const start = (first + offset) * stride;
      for (let at = 0; at < stride; at += 1) to[at] = to[at]! + data[start + at]! * weight;
    });
  });
  const result = new Uint8Array(columns * rows * channels);
  triangle(width, columns).forEach(([first, weights], column) => {
    for (let row = 0; row < rows; row += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 0;
        let from = row * stride + first * channels + channel;
        for (let offset = 0; offset < weights.length; offset += 1, from += channels) {
          sum += tall[from]! * weights[offset]!;
        }
        result[(row * columns + column) * channels + channel] = Math.min(255, Math.max(0, round(sum)));
      }
    }
  });
  return result;
}
