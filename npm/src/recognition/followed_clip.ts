/** The faces of a clip's frames with their numbers and expressions. */
import type { FrameRecognition, TrackedFace } from "../answers.js";
import type { FollowOptions } from "../options.js";
import { FaceDetector } from "./detection.js";
import type { Engine, FoundFace } from "./engine.js";
import type { Picture } from "./picture.js";
import { Smoothing } from "./smoothing.js";
import { DEFAULT_SEARCH_EVERY, Tracker } from "./tracking.js";

export class FollowedClip {
  private readonly tracker: Tracker;
  private readonly smoothing: Smoothing | null;
  private frame = 0;

  constructor(private readonly engine: Engine, private readonly options: FollowOptions) {
    const detector = new FaceDetector(engine.detector, options);
    this.tracker = new Tracker(detector, options.searchEvery ?? DEFAULT_SEARCH_EVERY);
    this.smoothing = options.smooth === undefined ? null : new Smoothing(options.smooth);
  }

  /** The faces of the next frame, which is shown at `time` in seconds. */
  async next(time: number, picture: Picture): Promise<FrameRecognition> {
    const { width, height } = picture;
    const tracked = await this.find(time, picture);
    const faces = await this.engine.classify(tracked.map(([, found]) => found));
    const frame = this.frame;
    this.frame += 1;
    return {
      frame,
      time: Math.round(time * 1e6) / 1e6,
      width,
      height,
      faces: faces.map((face, index): TrackedFace => {
        const track = tracked[index]![0];
        if (!this.smoothing) return { track, ...face };
        const raw = this.engine.labels.map((label) => face.probabilities[label]!);
        return { track, ...face, smoothed: this.engine.expression(this.smoothing.next(track, time, raw)) };
      }),
    };
  }

  private async find(time: number, picture: Picture): Promise<[number, FoundFace][]> {
    const { width, height } = picture;
    if (this.options.whole) return [[1, { bounds: { x: 0, y: 0, width, height }, face: null, crop: picture }]];
    const clear = this.engine.stretched(picture);
    const tracked = await this.tracker.next(time, clear);
    return tracked.flatMap(([number, face]): [number, FoundFace][] => {
      const found = this.engine.found(clear, face);
      return found ? [[number, found]] : [];
    });
  }
}
