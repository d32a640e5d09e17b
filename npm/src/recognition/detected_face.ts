/** A face as the detector reports it: its box, how sure the detector is, and the *landmarks* in it. */
import type { Box, Landmarks } from "../answers.js";
import { round } from "./picture.js";
import type { Point } from "./reshaping.js";
import type { Area } from "./suppression.js";

export interface DetectedFace {
  /** The box that the detector drew, in pixels of the picture; it may reach over the edge. */
  readonly area: Area;
  /** `0..=1`: not a calibrated probability. */
  readonly score: number;
  /** The person's right eye, left eye, nose, right and left corner of the mouth. */
  readonly points: readonly [Point, Point, Point, Point, Point];
}

export const centreOf = ({ area: [left, top, width, height] }: DetectedFace): Point =>
  [left + width / 2, top + height / 2];

/** The geometric mean of its width and height. */
export const sideOf = ({ area }: DetectedFace): number => Math.sqrt(area[2] * area[3]);

/** With every landmark elsewhere. */
export function withPoints(face: DetectedFace, area: Area, change: (point: Point) => Point): DetectedFace {
  const [rightEye, leftEye, nose, rightMouth, leftMouth] = face.points;
  const points = [change(rightEye), change(leftEye), change(nose), change(rightMouth), change(leftMouth)] as const;
  return { area, score: face.score, points };
}

/** The face in a picture that is `across` times as wide and `down` times as high, and begins at `start`. */
export function scaled(face: DetectedFace, across: number, down: number, start: Point = [0, 0]): DetectedFace {
  const point = ([x, y]: Point): Point => [start[0] + x * across, start[1] + y * down];
  const [left, top, width, height] = face.area;
  const [x, y] = point([left, top]);
  return withPoints(face, [x, y, width * across, height * down], point);
}

/** The box in whole pixels, clipped to a picture of this size; `null` where nothing of it lies inside. */
export function bounds({ area }: DetectedFace, width: number, height: number): Box | null {
  const clip = (start: number, length: number, limit: number): [number, number] => {
    const first = round(start);
    const end = Math.min(limit, Math.max(0, first + Math.max(1, round(length))));
    return [Math.min(limit, Math.max(0, first)), end];
  };
  const [left, right] = clip(area[0], area[2], width);
  const [top, bottom] = clip(area[1], area[3], height);
  return left < right && top < bottom ? { x: left, y: top, width: right - left, height: bottom - top } : null;
}

/**
 * How far the head is turned in the picture's plane, in degrees clockwise: the mean of the line through the eyes, the line
 * through the corners of the mouth, and the line across that from the eyes to the mouth.
 */
export function angleOf({ points: [rightEye, leftEye, , rightMouth, leftMouth] }: DetectedFace): number {
  const middle = (one: Point, other: Point): Point => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
  const [eyes, mouth] = [middle(rightEye, leftEye), middle(rightMouth, leftMouth)];
  const right = leftEye[0] - rightEye[0] + leftMouth[0] - rightMouth[0] + mouth[1] - eyes[1];
  const down = leftEye[1] - rightEye[1] + leftMouth[1] - rightMouth[1] + eyes[0] - mouth[0];
  return (Math.atan2(down, right) * 180) / Math.PI;
}

const tenths = (value: number): number => Math.round(value * 10) / 10;

/** The angle and the landmarks as they are told: in tenths, finer than any detector sees. */
export function told(face: DetectedFace): { angle: number; landmarks: Landmarks } {
  const rounded = withPoints(face, face.area, ([x, y]) => [tenths(x), tenths(y)]);
  const [right_eye, left_eye, nose, right_mouth, left_mouth] = rounded.points;
  return { angle: tenths(angleOf(face)), landmarks: { right_eye, left_eye, nose, right_mouth, left_mouth } };
}

/**
 * Sorts faces into rows from top to bottom, each from left to right. A row is made of the faces whose centres lie above
 * the lower edge of its highest face.
 */
export function inReadingOrder(faces: DetectedFace[]): DetectedFace[] {
  let rest = [...faces].sort((one, other) => one.area[1] - other.area[1] || one.area[0] - other.area[0]);
  const ordered: DetectedFace[] = [];
  while (rest.length > 0) {
    const bottom = rest[0]!.area[1] + rest[0]!.area[3];
    const below = rest.findIndex((face) => centreOf(face)[1] >= bottom);
    const length = below < 0 ? rest.length : Math.max(1, below);
    ordered.push(...rest.slice(0, length).sort((one, other) => one.area[0] - other.area[0]));
    rest = rest.slice(length);
  }
  return ordered;
}
