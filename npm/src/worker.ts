/** The worker, in which pictures are decoded and networks run. */
import { decoded } from "./decoding.js";
import { DuchenneError } from "./errors.js";
import { LocalService } from "./local_service.js";
import type { Answer, LoadMessage, Question } from "./messages.js";
import { missing } from "./models.js";
import { Engine } from "./recognition/engine.js";
import type { ModelFile, Runtime } from "./recognition/networks.js";
import type { Loaded } from "./recognizer.js";

const MOST_THREADS = 4;

let service: LocalService | null = null;

self.addEventListener("message", ({ data }: MessageEvent<Question>) => {
  void answered(data).then((answer) => self.postMessage(answer));
});

async function answered(question: Question): Promise<Answer> {
  const { id } = question;
  try {
    return { id, result: await result(question) };
  } catch (error) {
    const { name, message } = error as Error;
    return { id, error: { name, message, problem: error instanceof DuchenneError ? error.problem : undefined } };
  }
}

async function result(question: Question): Promise<unknown> {
  if (question.call === "load") return load(question.load);
  if (!service) throw new Error("nothing was loaded");
  switch (question.call) {
    case "recognize": {
      const { picture, warning } = await decoded(question.given);
      const { width, height, faces } = await service.recognize(picture, question.options);
      return { width, height, ...(warning !== undefined && { warning }), faces };
    }
    case "begin": return service.begin(question.clip, question.options);
    case "next": return service.next(question.clip, question.time, (await decoded(question.given)).picture);
    case "end": return service.end(question.clip);
    case "close": return service.close();
  }
}

async function load(message: LoadMessage): Promise<Loaded> {
  if (typeof OffscreenCanvas === "undefined") {
    throw new DuchenneError("browser", "this browser has no OffscreenCanvas; Chrome 80, Firefox 105, Safari 17 and newer do");
  }
  const files = Promise.all([fetched(message.detector), fetched(message.classifier)]);
  // Where the runtime fails first, this must not be reported as unhandled.
  files.catch(() => {});
  const device = await chosen(message.device);
  const runtime = await (device === "webgpu" ? webgpu(message) : wasm(message));
  // More wait for each other: the networks are small. Without isolation there is one, whatever is asked for.
  const threads = message.threads ?? Math.min(MOST_THREADS, Math.ceil((navigator.hardwareConcurrency || 1) / 2));
  runtime.ort.env.wasm.numThreads = self.crossOriginIsolated ? threads : 1;
  runtime.ort.env.logLevel = "fatal";
  const [detector, classifier] = await files;
  const engine = await Engine.open(runtime, { detector, classifier }).catch((error: unknown) => {
    const { message: reason } = error as Error;
    if (!/wasm|backend|import|fetch/i.test(reason)) throw error;
    throw new DuchenneError("browser", `ONNX Runtime did not start: ${reason}; are its files there, and is runtimeUrl right?`);
  });
  service = new LocalService(engine);
  return { labels: engine.labels, device };
}

/** The GPU where the browser has one that is no emulation. */
async function chosen(device: LoadMessage["device"]): Promise<"webgpu" | "wasm"> {
  if (device === "wasm") return "wasm";
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null) ?? null;
  if (device === "webgpu") {
    if (!adapter) throw new DuchenneError("browser", "device is webgpu, which this browser does not have here; leave it out");
    return "webgpu";
  }
  return adapter && !adapter.info.isFallbackAdapter ? "webgpu" : "wasm";
}

// The URLs are written out so that bundlers see them and take the files along.
async function wasm({ runtime }: LoadMessage): Promise<Runtime> {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.wasmPaths = runtime ?? {
    mjs: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.mjs", import.meta.url).href,
    wasm: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.wasm", import.meta.url).href,
  };
  return { ort, providers: ["wasm"] };
}

async function webgpu({ runtime }: LoadMessage): Promise<Runtime> {
  // What waits for the GPU inside WebAssembly is half as large where the engine itself can wait.
  if ("Suspending" in WebAssembly) {
    const ort = await import("onnxruntime-web/jspi");
    ort.env.wasm.wasmPaths = runtime ?? {
      mjs: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.jspi.mjs", import.meta.url).href,
      wasm: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.jspi.wasm", import.meta.url).href,
    };
    return { ort, providers: ["webgpu"] };
  }
  const ort = await import("onnxruntime-web/webgpu");
  ort.env.wasm.wasmPaths = runtime ?? {
    mjs: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.mjs", import.meta.url).href,
    wasm: new URL("../../onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm", import.meta.url).href,
  };
  return { ort, providers: ["webgpu"] };
}

async function fetched(url: string): Promise<ModelFile> {
  let answer: Response;
  try {
    answer = await fetch(url);
  } catch {
    throw missing(url, "the server does not answer");
  }
  if (!answer.ok) throw missing(url, `the server answers ${answer.status}`);
  return { name: url, bytes: new Uint8Array(await answer.arrayBuffer()) };
}
