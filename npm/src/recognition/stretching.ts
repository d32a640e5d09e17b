/**
 * *Stretching* of pictures that are dark or faint: their gray levels are spread over the whole range, so that what was
 * learned from ordinary pictures finds its edges again. As the library's `data/faces/stretching.rs`.
 */
import { type Picture, round } from "./picture.js";

/** What the classifier's file says of it. */
export interface Stretching {
  /** Levels between the darkest and the lightest share below which a picture is stretched. */
  readonly below_levels: number;
  /** Share of pixels on either end that may be clipped. */
  readonly clipped_share: number;
  /** Pixels that are looked at, evenly spread. */
  readonly most_samples: number;
}

/** The picture with its levels spread over `0..=255` where they are few; else the picture itself. */
export function stretched(picture: Picture, how: Stretching): Picture {
  const [low, high] = levels(picture, how);
  if (high - low >= how.below_levels || high === low) return picture;
  const table = Uint8Array.from({ length: 256 }, (_, value) =>
    Math.min(255, Math.max(0, round(Math.fround(((value - low) * 255) / (high - low))))));
  const data = picture.data.map((value) => table[value]!);
  return { ...picture, data };
}

/** The darkest and the lightest level without a share of the pixels on either side; of colours the mean counts. */
function levels({ width, height, data }: Picture, how: Stretching): [number, number] {
  const counts = new Uint32Array(256);
  const step = Math.max(1, Math.ceil((width * height) / how.most_samples));
  let samples = 0;
  for (let at = 0; at < data.length; at += 4 * step) {
    const level = Math.floor((data[at]! + data[at + 1]! + data[at + 2]!) / 3);
    counts[level] = counts[level]! + 1;
    samples += 1;
  }
  const most = Math.floor(samples * how.clipped_share);
  const end = (level: number, by: number): number => {
    let passed = counts[level]!;
    while (passed <= most) {
      level += by;
      passed += counts[level]!;
    }
    return level;
  };
  return [end(0, 1), end(255, -1)];
}
