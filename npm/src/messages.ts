/** What the page and its worker tell each other. */
import type { Given } from "./decoding.js";
import type { Problem } from "./errors.js";
import type { FollowOptions, RecognizeOptions } from "./options.js";

/** What the worker loads, every URL absolute. */
export interface LoadMessage {
  readonly detector: string;
  readonly classifier: string;
  /** The folder of `onnxruntime-web`'s files; without it they are where the package manager puts them. */
  readonly runtime?: string | undefined;
  readonly device: "auto" | "webgpu" | "wasm";
  readonly threads?: number | undefined;
}

export type Call =
  | { readonly call: "load"; readonly load: LoadMessage }
  | { readonly call: "recognize"; readonly given: Given; readonly options: RecognizeOptions }
  | { readonly call: "begin"; readonly clip: number; readonly options: FollowOptions }
  | { readonly call: "next"; readonly clip: number; readonly time: number; readonly given: Given }
  | { readonly call: "end"; readonly clip: number }
  | { readonly call: "close" };

export type Question = Call & { readonly id: number };

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly problem?: Problem | undefined; readonly name: string; readonly message: string } };
