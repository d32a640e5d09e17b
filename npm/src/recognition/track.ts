/** A *track*: a face over time. As the library's `inference/tracking/track.rs`. */
import type { Appearance } from "./appearance.js";
import { centreOf, type DetectedFace, scaled, sideOf } from "./detected_face.js";
import type { Point } from "./reshaping.js";

/** Motion is averaged over so many seconds, and believed for so many. */
const MOTION = 0.1;
const BELIEVED = 0.5;
/**
 * How far, in sides of the face, a face may be from where its motion leads; and how much farther with each second in which it was
 * not seen.
 */
const REACH = 0.5;
const REACH_PER_SECOND = 2.5;
/** How much its size may change, as a logarithm, and how much more with each second. */
const GROWTH = 0.4;
const GROWTH_PER_SECOND = 0.5;
/** How different it may look from frame to frame, or where a part of it may be hidden; and where it was not seen for longer than `SHORT`
 * seconds or the picture was cut. */
const DIFFERENCE = 0.8;
const DIFFERENCE_AFTER_A_GAP = 0.45;
const SHORT = 0.25;
/** What a difference in looks weighs against a distance of one side of the face. */
const LOOKS = 1.5;

/** How a candidate looks. */
export interface Seen {
  readonly look: Appearance;
  /** Whether a part of it may be hidden: another face is near, or the edge of the picture. */
  readonly isHidden: boolean;
}

/** A face that was seen, and will be looked for. */
export class Track {
  private motion: Point = [0, 0];

  constructor(
    /** From 1. */
    readonly number: number,
    /** When it was seen last, in seconds. */
    public seen: number,
    /** What was seen then. */
    public face: DetectedFace,
    private look: Appearance,
  ) {}

  /** The face where its motion has led it until `time`: the longer it is not seen, the less that is believed. */
  expected(time: number): DetectedFace {
    const seconds = BELIEVED * (1 - Math.exp(-(time - this.seen) / BELIEVED));
    return scaled(this.face, 1, 1, [this.motion[0] * seconds, this.motion[1] * seconds]);
  }

  /** How ill a candidate goes with this track; `null` where it cannot be the same face. */
  cost(time: number, isCut: boolean, face: DetectedFace, seen: Seen): number | null {
    const gap = time - this.seen;
    // Who leaves at the edge comes back there, whatever the motion was.
    const [expected, last, here] = [centreOf(this.expected(time)), centreOf(this.face), centreOf(face)];
    const away = Math.min(distance(here, expected), distance(here, last)) / sideOf(this.face);
    const growth = Math.abs(Math.log(sideOf(face) / sideOf(this.face)));
    const difference = this.look.difference(seen.look);
    const most = (isCut || gap > SHORT) && !seen.isHidden ? DIFFERENCE_AFTER_A_GAP : DIFFERENCE;
    const isPossible = away <= REACH + REACH_PER_SECOND * gap && growth <= GROWTH + GROWTH_PER_SECOND * gap
      && difference <= most;
    return isPossible ? away + growth + LOOKS * difference : null;
  }

  /** The face was seen again; `look` where nothing hid a part of it. */
  update(time: number, face: DetectedFace, look: Appearance | null): void {
    const seconds = time - this.seen;
    if (seconds > 0) {
      const weight = 1 - Math.exp(-seconds / MOTION);
      const [from, to] = [centreOf(this.face), centreOf(face)];
      const speed = (axis: 0 | 1): number =>
        this.motion[axis] + weight * ((to[axis] - from[axis]) / seconds - this.motion[axis]);
      this.motion = [speed(0), speed(1)];
    }
    this.seen = time;
    this.face = face;
    if (look) this.look = this.look.renewed(look);
  }
}

export const distance = (one: Point, other: Point): number => Math.hypot(one[0] - other[0], one[1] - other[1]);
