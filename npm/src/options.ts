/** What callers may choose. */

/** How a recogniser is made. */
export interface LoadOptions {
  /**
   * Which classifier: `built-in` answers what human raters see in a face, in eight classes; `built-in-compact` does with a
   * quarter of the work, slightly less accurately; any other text is the URL (in Node also the path) of a file of
   * `duchenne model export MODEL --out FILE.onnx`.
   */
  readonly model?: "built-in" | "built-in-compact" | (string & {}) | URL | undefined;
  /** The folder of the package's model files, if they were moved: a URL that ends with a slash. */
  readonly modelsUrl?: string | URL | undefined;
  /** The folder of `onnxruntime-web`'s files, if they were moved: a URL that ends with a slash. In browsers. */
  readonly runtimeUrl?: string | URL | undefined;
  /** Where networks run: on the GPU where the browser has WebGPU, else as WebAssembly. */
  readonly device?: "auto" | "webgpu" | "wasm" | undefined;
  /** Threads of WebAssembly, in pages that are cross-origin isolated; by default half of the cores, at most four. */
  readonly threads?: number | undefined;
}

/** How a picture is looked at. */
export interface RecognizeOptions {
  /**
   * The smallest face to look for, in pixels; without it 12, growing with pictures over 0.8 megapixels so that every picture
   * takes about the same time.
   */
  readonly minFace?: number | undefined;
  /** Keeps what the detector takes for a face with at least this score, `0..=1` (0.6). */
  readonly minScore?: number | undefined;
  /** Takes every picture as the crop of one face, without detection. */
  readonly whole?: boolean | undefined;
}

/** How a video is looked at. */
export interface FollowOptions extends RecognizeOptions {
  /** The time constant, in seconds, with which probabilities are smoothed beside the raw ones. */
  readonly smooth?: number | undefined;
  /** Seconds between two searches of the whole frame for new faces (0.2); 0 for every frame. */
  readonly searchEvery?: number | undefined;
}

/** The range that is checked, so that mistakes are told where they are made. */
export function checked<Options extends FollowOptions>(options: Options): Options {
  const least: [keyof FollowOptions, number][] = [["minFace", 1], ["minScore", 0], ["smooth", 0], ["searchEvery", 0]];
  for (const [name, from] of least) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= from) || (name === "minScore" && value > 1)) {
      throw new RangeError(`${name} is ${String(value)}, expected a number from ${from}${name === "minScore" ? " to 1" : " on"}`);
    }
  }
  return options;
}
