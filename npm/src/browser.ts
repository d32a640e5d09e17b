/** The recogniser in browsers: pictures of any kind, networks in a worker. */
import type { FrameRecognition, Recognition } from "./answers.js";
import { AS_STORED, type Given } from "./decoding.js";
import { DuchenneError, type Problem } from "./errors.js";
import { following, type Following } from "./following.js";
import type { Answer, Call } from "./messages.js";
import { modelUrls } from "./models.js";
import type { FollowOptions, LoadOptions } from "./options.js";
import type { Pixels } from "./recognition/picture.js";
import { type Loaded, PictureRecognizer, type Service } from "./recognizer.js";

export * from "./exports.js";
export type { Following } from "./following.js";

/** What a picture may be. */
export type PictureSource =
  | Blob | ImageBitmap | ImageData | HTMLImageElement | HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | VideoFrame | Pixels;

/** Finds the faces of pictures and tells which expression each shows. */
export class Recognizer extends PictureRecognizer<PictureSource> {
  /** Loads the networks, in a worker of their own. */
  static async load(options: LoadOptions = {}): Promise<Recognizer> {
    const service = new WorkerService(started());
    try {
      const { detector, classifier } = modelUrls(options, new URL("../models/", import.meta.url), document.baseURI);
      const loaded = await service.ask({
        call: "load",
        load: {
          detector: detector.href,
          classifier: classifier.href,
          runtime: options.runtimeUrl === undefined ? undefined : new URL(options.runtimeUrl, document.baseURI).href,
          device: options.device ?? "auto",
          threads: options.threads,
        },
      });
      return new Recognizer(service, loaded as Loaded);
    } catch (error) {
      service.stop();
      throw error;
    }
  }

  /**
   * Follows the faces of a video or of a camera for as long as it plays. `callback` is given the newest frame whenever the one
   * before is done: frames in between are passed over.
   */
  follow(
    video: HTMLVideoElement, callback: (frame: FrameRecognition) => void, options: FollowOptions = {},
  ): Following {
    return following(this.clip(options), video, callback);
  }
}

/** The service that runs in the worker. */
class WorkerService implements Service<PictureSource> {
  private readonly waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  private asked = 0;

  constructor(private readonly worker: Worker) {
    worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      const asker = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("result" in data) return asker?.resolve(data.result);
      const { problem, name, message } = data.error;
      asker?.reject(problem ? new DuchenneError(problem, message) : Object.assign(new Error(message), { name }));
    });
    worker.addEventListener("error", ({ message }) => {
      this.fail("browser", `the worker did not start: ${message || "its file cannot be loaded"}`);
    });
  }

  ask(call: Call, transfer: Transferable[] = []): Promise<unknown> {
    const id = (this.asked += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...call, id }, transfer);
    });
  }

  async recognize(source: PictureSource, options: object): Promise<Recognition> {
    const [given, transfer] = await handedOver(source);
    return this.ask({ call: "recognize", given, options }, transfer) as Promise<Recognition>;
  }

  async begin(clip: number, options: object): Promise<void> {
    await this.ask({ call: "begin", clip, options });
  }

  async next(clip: number, time: number, source: PictureSource): Promise<FrameRecognition> {
    const [given, transfer] = await handedOver(source);
    return this.ask({ call: "next", clip, time, given }, transfer) as Promise<FrameRecognition>;
  }

  async end(clip: number): Promise<void> {
    await this.ask({ call: "end", clip });
  }

  async close(): Promise<void> {
    this.stop();
  }

  /** Ends the worker; what is waited for does not come any more. */
  stop(): void {
    this.worker.terminate();
    this.fail("closed", "this recogniser was closed");
  }

  private fail(problem: Problem, message: string): void {
    const askers = [...this.waiting.values()];
    this.waiting.clear();
    for (const asker of askers) asker.reject(new DuchenneError(problem, message));
  }
}

function started(): Worker {
  if (typeof Worker === "undefined" || typeof WebAssembly === "undefined" || typeof createImageBitmap === "undefined") {
    throw new DuchenneError("browser", "this browser lacks workers, WebAssembly or createImageBitmap; a newer one has them");
  }
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "duchenne" });
}

/** What goes to the worker, and what of it moves there. The caller's own stays whole. */
async function handedOver(source: PictureSource): Promise<[Given, Transferable[]]> {
  if (typeof source !== "object" || source === null) {
    throw new DuchenneError("picture", `${typeof source} is not a picture; give a file, an element, a bitmap or pixels`);
  }
  if (source instanceof Blob) return [{ kind: "file", file: source }, []];
  if ("data" in source) {
    const { width, height, data } = source;
    return [{ kind: "pixels", pixels: { width, height, data } }, []];
  }
  if (source instanceof HTMLVideoElement && source.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    throw new DuchenneError("picture", "the video has no picture yet; wait for its event `loadeddata`");
  }
  try {
    const bitmap = await createImageBitmap(source, AS_STORED);
    return [{ kind: "bitmap", bitmap }, [bitmap]];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DuchenneError("picture", `not a picture that this browser gives away: ${reason}`);
  }
}
