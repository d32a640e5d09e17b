/**
 * The *appearance* of a face, by which two people who pass each other are told apart: a small picture of it. As the library's
 * `inference/tracking/appearance.rs`.
 */
import { angleOf, centreOf, type DetectedFace, sideOf } from "./detected_face.js";
import type { Picture } from "./picture.js";
import { windowOf } from "./reshaping.js";

/** The side of the small picture, in pixels. */
const PIXELS = 16;
/** How much of a newer look enters the kept one. */
const RENEWED = 0.1;

/** A small upright picture of a face, its brightness and contrast taken out. */
export class Appearance {
  /** The same in sides of the face: hair and collar tell people apart, too. */
  static readonly FACES = 1.4;

  private constructor(private readonly values: Float64Array) {}

  static of(picture: Picture, face: DetectedFace): Appearance {
    const window = { centre: centreOf(face), side: sideOf(face) * Appearance.FACES, angle: angleOf(face) };
    const { data } = windowOf(picture, window, PIXELS);
    const values = new Float64Array((data.length / 4) * 3);
    for (let from = 0, to = 0; from < data.length; from += 4) {
      for (let channel = 0; channel < 3; channel += 1, to += 1) values[to] = data[from + channel]!;
    }
    return new Appearance(normalized(values));
  }

  /** How different two faces look: one less their correlation, `0..=2`. */
  difference(other: Appearance): number {
    return 1 - this.values.reduce((sum, value, at) => sum + value * other.values[at]!, 0);
  }

  /** The look with some of a newer one in it. */
  renewed(newer: Appearance): Appearance {
    return new Appearance(normalized(this.values.map((old, at) => old + RENEWED * (newer.values[at]! - old))));
  }
}

/** Values with a mean of 0 and a length of 1. */
function normalized(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const centred = values.map((value) => value - mean);
  const length = Math.sqrt(centred.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? centred.map((value) => value / length) : centred;
}
