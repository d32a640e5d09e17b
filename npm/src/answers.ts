/** What is answered, in the shape of `duchenne predict --json`. */

/** A rectangle in pixels of the upright picture, the origin at its top left. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Five points of a face, `[x, y]` in pixels of the upright picture; right and left are the person's. */
export interface Landmarks {
  right_eye: readonly [number, number];
  left_eye: readonly [number, number];
  nose: readonly [number, number];
  right_mouth: readonly [number, number];
  left_mouth: readonly [number, number];
}

/** An expression that a face *shows*: not what the person feels. */
export interface Expression {
  /** The likeliest expression. */
  expression: string;
  /** Every expression with its calibrated probability, `0..=1`; they add to one. */
  probabilities: Record<string, number>;
}

export interface Face extends Expression {
  /** Where it is, clipped to the picture. */
  box: Box;
  /** How sure the detector is, `0..=1` (not a calibrated probability); `null` where the whole picture was taken as a face. */
  score: number | null;
  /** Degrees clockwise by which the head is turned in the picture. */
  angle?: number;
  landmarks?: Landmarks;
}

/** A recognised picture. */
export interface Recognition {
  /** Size of the upright picture in pixels. */
  width: number;
  height: number;
  /** What is to be known of the file: that it is cut off, or an animation of which the first frame was used. */
  warning?: string;
  /** In reading order. */
  faces: Face[];
}

/** A face of a video. */
export interface TrackedFace extends Face {
  /** Its number in this video, from 1. */
  track: number;
  /** The same smoothed over time, where that was asked for. */
  smoothed?: Expression;
}

/** A frame of a video. */
export interface FrameRecognition {
  /** Its place among those that were looked at, from 0. */
  frame: number;
  /** Seconds from the beginning. */
  time: number;
  width: number;
  height: number;
  /** By their numbers. */
  faces: TrackedFace[];
}
