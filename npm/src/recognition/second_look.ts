/**
 * The *second look*: faces of which the network is unsure, or that were found before, seen in a patch of their own that may be
 * turned. As the library's `inference/face_detection/second_look.rs`; patches of one size go through the network together.
 */
import { angleOf, centreOf, type DetectedFace, sideOf, withPoints } from "./detected_face.js";
import type { FaceDetector } from "./detection.js";
import type { Picture } from "./picture.js";
import { pointsOf, radians, type Window, windowOf } from "./reshaping.js";
import { suppressed } from "./suppression.js";

/** A face, and the direction in which it is looked for, in degrees clockwise. */
export interface Look {
  readonly face: DetectedFace;
  readonly angle: number;
}

/**
 * The faces with those that are not sure seen in the direction in which the network is surest of them: it finds heads that lie
 * or stand upside down, but then takes their chins for foreheads.
 */
export async function lookedAtAgain(
  detector: FaceDetector, picture: Picture, faces: readonly DetectedFace[],
): Promise<DetectedFace[]> {
  const { below_score, most_faces } = detector.network.constants.second_look;
  let left = most_faces;
  const seen: DetectedFace[] = [];
  for (const face of faces) {
    const isUnsure = face.score < below_score && left > 0;
    if (isUnsure) left -= 1;
    seen.push(isUnsure ? await surestView(detector, picture, face) : face);
  }
  return suppressed(seen, detector.network.constants.overlap);
}

/** A face as it is seen in the direction in which the network is surest of it. */
export async function surestView(detector: FaceDetector, picture: Picture, face: DetectedFace): Promise<DetectedFace> {
  const { below_score, settled_degrees, turns } = detector.network.constants.second_look;
  const surer = (one: Look | null, other: Look | null): Look | null =>
    one && other ? (other.face.score > one.face.score ? other : one) : one ?? other;
  const surestOf = async (first: number): Promise<Look | null> => {
    const angles = [0, 1, 2, 3].map((quarter) => first + 90 * quarter);
    const seen = await inPatches(detector, picture, face, angles);
    return seen.map((face, index) => face && { face, angle: angles[index]! }).reduce(surer, null);
  };
  // Between two quarters a head looks most upright to the network where it stands on its forehead.
  const quarter = await surestOf(0);
  const isSettled = quarter === null || quarter.face.score >= below_score;
  const view = isSettled ? quarter : surer(quarter, await surestOf(45));
  if (view === null) return face;
  let { face: seen, angle } = view;
  let best = seen.score > face.score ? seen : face;
  for (let turn = 0; turn < turns; turn += 1) {
    const told = angleOf(seen);
    const off = ((((told - angle + 180) % 360) + 360) % 360) - 180;
    if (Math.abs(off) < settled_degrees) break;
    angle = told;
    const [found] = await inPatches(detector, picture, seen, [angle]);
    if (!found) break;
    seen = found;
    if (seen.score > best.score) best = seen;
  }
  return best;
}

/** For each angle the face in the middle of a patch around an earlier one, turned so that a head turned by it is upright. */
async function inPatches(
  detector: FaceDetector, picture: Picture, face: DetectedFace, angles: readonly number[],
): Promise<(DetectedFace | null)[]> {
  const { patch } = detector.network.constants.second_look;
  const centre = centreOf(face);
  const found = await around(detector, picture, angles.map((angle) => ({ face, angle })), patch);
  return found.map((faces, index) => {
    const [sine, cosine] = [Math.sin(radians(angles[index]!)), Math.cos(radians(angles[index]!))];
    const isNear = (other: DetectedFace): boolean => {
      const [x, y] = [centreOf(other)[0] - centre[0], centreOf(other)[1] - centre[1]];
      // In the patch's own directions, in which it was found.
      return Math.max(Math.abs(x * cosine + y * sine), Math.abs(y * cosine - x * sine)) < sideOf(other) / 2;
    };
    const near = faces.filter(isNear);
    return near.length === 0 ? null : near.reduce((one, other) => (other.score >= one.score ? other : one));
  });
}

/**
 * For each look the faces in a patch around an earlier one, seen in `pixels x pixels` and turned so that a head turned by its
 * angle is upright. A face at the edge of the patch may be cut.
 */
export async function around(
  detector: FaceDetector, picture: Picture, looks: readonly Look[], pixels: number,
): Promise<DetectedFace[][]> {
  const { patch_faces } = detector.network.constants.second_look;
  const windows = looks.map(({ face, angle }): Window =>
    ({ centre: centreOf(face), side: sideOf(face) * patch_faces, angle }));
  const found = await detector.scan(windows.map((window) => windowOf(picture, window, pixels)));
  return found.map((faces, index) => {
    const window = windows[index]!;
    const point = pointsOf(window, pixels);
    return faces.map((face) => {
      const centre = point(centreOf(face));
      const [width, height] = [face.area[2] * (window.side / pixels), face.area[3] * (window.side / pixels)];
      const moved = withPoints(face, [centre[0] - width / 2, centre[1] - height / 2, width, height], point);
      const angle = Math.abs(angleOf(moved));
      if (angle < 45 || angle >= 135) return moved;
      // The box stands upright in the picture however the head lies.
      return { ...moved, area: [centre[0] - height / 2, centre[1] - width / 2, height, width] as const };
    });
  });
}
