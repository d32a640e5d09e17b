/** *Alignment*: the square of a picture that shows a face as the data sets' crops do, the head upright. */
import { angleOf, centreOf, type DetectedFace, sideOf } from "./detected_face.js";
import { type Picture, round } from "./picture.js";
import { square, windowOf } from "./reshaping.js";

/** What the classifier's file says of it. */
export interface Crop {
  /** The side of a crop, in geometric means of the width and height of the detector's box. */
  readonly scale: number;
  /** Heads turned by fewer degrees stay as they are. */
  readonly upright_above_degrees: number;
}

/** The crop of a face, turned upright; beyond the edge of the picture the edge pixels go on. */
export function cropOf(picture: Picture, face: DetectedFace, how: Crop): Picture {
  const side = Math.max(1, round(sideOf(face) * how.scale));
  const centre = centreOf(face);
  const angle = angleOf(face);
  if (Math.abs(angle) > how.upright_above_degrees) return windowOf(picture, { centre, side, angle }, side);
  return square(picture, round(centre[0] - side / 2), round(centre[1] - side / 2), side);
}
