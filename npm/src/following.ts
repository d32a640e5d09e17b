/** *Following* a video as it plays: the newest frame is looked at whenever the one before is done. */
import type { FrameRecognition } from "./answers.js";
import type { Clip } from "./recognizer.js";

export interface Following {
  /** Stops; the callback is not called any more. */
  stop(): void;
  /** Settles when it was stopped or the video ended; rejects where a frame could not be looked at. */
  readonly done: Promise<void>;
}

export function following(
  opening: Promise<Clip<HTMLVideoElement>>, video: HTMLVideoElement, callback: (frame: FrameRecognition) => void,
): Following {
  let isStopped = false;
  let wake = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const run = async (): Promise<void> => {
    const clip = await opening;
    try {
      // What is shown already is no event to wait for.
      let shown = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? video.currentTime : undefined;
      while (!isStopped) {
        const time = shown ?? await Promise.race([nextFrame(video), stopped]);
        shown = undefined;
        if (isStopped || time === undefined) break;
        const frame = await clip.next(video, time);
        if (!isStopped) callback(frame);
      }
    } finally {
      await clip.close();
    }
  };
  return {
    stop() {
      isStopped = true;
      wake();
    },
    done: run(),
  };
}

/** The time of the next frame that is shown; `undefined` where the video ended. */
function nextFrame(video: HTMLVideoElement): Promise<number | undefined> {
  if (video.ended) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    let handle = 0;
    const end = (): void => {
      if (hasFrames) video.cancelVideoFrameCallback(handle);
      else cancelAnimationFrame(handle);
      resolve(undefined);
    };
    const got = (time: number): void => {
      video.removeEventListener("ended", end);
      resolve(time);
    };
    // Firefox has them since 132.
    const hasFrames: boolean = "requestVideoFrameCallback" in (video as object);
    video.addEventListener("ended", end, { once: true });
    if (hasFrames) {
      handle = video.requestVideoFrameCallback((_, { mediaTime }) => got(mediaTime));
      return;
    }
    const before = video.currentTime;
    const look = (): void => {
      if (video.currentTime !== before && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) got(video.currentTime);
      else handle = requestAnimationFrame(look);
    };
    handle = requestAnimationFrame(look);
  });
}
