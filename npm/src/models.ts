/** Where the *model files* are. */
import { DuchenneError } from "./errors.js";
import type { LoadOptions } from "./options.js";

/** The files of this package, by the names of the models. */
const FILES: Record<string, string> = { "built-in": "built-in.onnx", "built-in-compact": "built-in-compact.onnx" };
const DETECTOR = "detector.onnx";

/** The URLs of the detector and of the classifier; `folder` is where the package has its own. */
export function modelUrls(options: LoadOptions, folder: URL, base: string | URL): { detector: URL; classifier: URL } {
  const models = options.modelsUrl === undefined ? folder : new URL(options.modelsUrl, base);
  const model = options.model ?? "built-in";
  const file = typeof model === "string" ? FILES[model] : undefined;
  const classifier = file === undefined ? new URL(model, base) : new URL(file, models);
  return { detector: new URL(DETECTOR, models), classifier };
}

/** The error of a file that could not be had. */
export const missing = (url: URL | string, reason: string): DuchenneError =>
  new DuchenneError("model", `cannot load the model file ${String(url)}: ${reason}; is it there, and is modelsUrl right?`);
