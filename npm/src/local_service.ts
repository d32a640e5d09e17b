/** The service that runs here: in Node, and in the browser's worker. */
import type { FrameRecognition, Recognition } from "./answers.js";
import type { FollowOptions, RecognizeOptions } from "./options.js";
import type { Engine } from "./recognition/engine.js";
import { FollowedClip } from "./recognition/followed_clip.js";
import type { Picture } from "./recognition/picture.js";
import type { Service } from "./recognizer.js";

export class LocalService implements Service<Picture> {
  private readonly clips = new Map<number, FollowedClip>();
  /** What runs: networks do not run side by side. */
  private running: Promise<unknown> = Promise.resolve();

  constructor(private readonly engine: Engine) {}

  recognize(picture: Picture, options: RecognizeOptions): Promise<Recognition> {
    return this.inTurn(() => this.engine.recognize(picture, options));
  }

  async begin(clip: number, options: FollowOptions): Promise<void> {
    this.clips.set(clip, new FollowedClip(this.engine, options));
  }

  next(clip: number, time: number, picture: Picture): Promise<FrameRecognition> {
    const followed = this.clips.get(clip);
    if (!followed) return Promise.reject(new Error("this clip was closed"));
    return this.inTurn(() => followed.next(time, picture));
  }

  async end(clip: number): Promise<void> {
    this.clips.delete(clip);
  }

  close(): Promise<void> {
    this.clips.clear();
    return this.inTurn(() => this.engine.close());
  }

  private inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.running.then(work);
    this.running = result.catch(() => {});
    return result;
  }
}
