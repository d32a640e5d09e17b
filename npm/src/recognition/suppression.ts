/** *Non-maximum suppression*: of the boxes that a detector draws around one face, the surest stays. */

/** Left, top, width, height, in pixels. */
export type Area = readonly [number, number, number, number];

/** Keeps the surest of every group of boxes that meet in more than `most` of what they cover together, the surest first. */
export function suppressed<T extends { readonly area: Area; readonly score: number }>(boxes: T[], most: number): T[] {
  const kept: T[] = [];
  for (const candidate of [...boxes].sort((one, other) => other.score - one.score)) {
    if (kept.every((surer) => overlap(surer.area, candidate.area) <= most)) kept.push(candidate);
  }
  return kept;
}

/** The common area as a share of the area of both together. */
export function overlap(one: Area, other: Area): number {
  const across = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
  const down = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
  const common = Math.max(0, across) * Math.max(0, down);
  return common > 0 ? common / (one[2] * one[3] + other[2] * other[3] - common) : 0;
}
