/** The *recogniser*, apart from where it runs. */
import type { FrameRecognition, Recognition } from "./answers.js";
import { DuchenneError } from "./errors.js";
import { checked, type FollowOptions, type RecognizeOptions } from "./options.js";

/** Where the networks run: in a worker, or here. */
export interface Service<Source> {
  recognize(source: Source, options: RecognizeOptions): Promise<Recognition>;
  /** Begins to follow the faces of a clip, under a number that the caller chose. */
  begin(clip: number, options: FollowOptions): Promise<void>;
  next(clip: number, time: number, source: Source): Promise<FrameRecognition>;
  end(clip: number): Promise<void>;
  close(): Promise<void>;
}

/** What was loaded. */
export interface Loaded {
  /** The expressions that are told apart, in the model's order. */
  readonly labels: readonly string[];
  /** Where networks run. */
  readonly device: "webgpu" | "wasm";
}

/** Finds the faces of pictures and tells which expression each shows. */
export class PictureRecognizer<Source> implements Loaded {
  readonly labels: readonly string[];
  readonly device: "webgpu" | "wasm";
  private clips = 0;
  private isClosed = false;

  /** @internal */
  protected constructor(private readonly service: Service<Source>, loaded: Loaded) {
    this.labels = loaded.labels;
    this.device = loaded.device;
  }

  /** The faces of a picture, in reading order, each with the expression that it shows. */
  async recognize(source: Source, options: RecognizeOptions = {}): Promise<Recognition> {
    checked(options);
    return this.open().recognize(source, options);
  }

  /** Follows the faces of a clip whose frames are given in order. */
  async clip(options: FollowOptions = {}): Promise<Clip<Source>> {
    checked(options);
    const number = (this.clips += 1);
    await this.open().begin(number, options);
    return {
      next: (source, time) => this.open().next(number, time, source),
      close: () => (this.isClosed ? Promise.resolve() : this.service.end(number)),
    };
  }

  /** Gives back the memory; nothing can be recognised after. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.service.close();
  }

  private open(): Service<Source> {
    if (this.isClosed) throw new DuchenneError("closed", "this recogniser was closed");
    return this.service;
  }
}

/** The faces of a clip, each with a number for as long as it is seen. */
export interface Clip<Source> {
  /** The faces of the next frame, which is shown at `time` in seconds. */
  next(source: Source, time: number): Promise<FrameRecognition>;
  /** Forgets the faces. */
  close(): Promise<void>;
}
