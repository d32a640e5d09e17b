/** The recogniser in Node: pixels that a decoder of the caller's gives, networks as WebAssembly. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import * as ort from "onnxruntime-web";
import { DuchenneError } from "./errors.js";
import { LocalService } from "./local_service.js";
import { missing, modelUrls } from "./models.js";
import type { LoadOptions } from "./options.js";
import { Engine } from "./recognition/engine.js";
import type { ModelFile } from "./recognition/networks.js";
import { type Pixels, pictureOf } from "./recognition/picture.js";
import { PictureRecognizer } from "./recognizer.js";

export * from "./exports.js";

/** Finds the faces of pictures and tells which expression each shows. */
export class Recognizer extends PictureRecognizer<Pixels> {
  /** Loads the networks. */
  static async load(options: LoadOptions = {}): Promise<Recognizer> {
    if (options.device === "webgpu") {
      throw new DuchenneError("browser", "device is webgpu, which Node does not have; leave it out");
    }
    ort.env.logLevel = "fatal";
    if (options.threads !== undefined) ort.env.wasm.numThreads = options.threads;
    const urls = modelUrls(options, new URL("../models/", import.meta.url), pathToFileURL(`${process.cwd()}/`));
    const [detector, classifier] = await Promise.all([read(urls.detector), read(urls.classifier)]);
    const engine = await Engine.open({ ort, providers: ["wasm"] }, { detector, classifier });
    const service = new LocalService(engine);
    return new Recognizer({
      recognize: async (pixels, look) => service.recognize(pictureOf(decoded(pixels)), look),
      begin: (clip, how) => service.begin(clip, how),
      next: async (clip, time, pixels) => service.next(clip, time, pictureOf(decoded(pixels))),
      end: (clip) => service.end(clip),
      close: () => service.close(),
    }, { labels: engine.labels, device: "wasm" });
  }

  /** @internal */
  follow(): never {
    throw new DuchenneError("browser", "`follow` needs a browser's video; in Node give frames to `clip`");
  }
}

function decoded(pixels: Pixels): Pixels {
  if (typeof pixels?.width === "number" && typeof pixels.height === "number" && pixels.data) return pixels;
  throw new DuchenneError(
    "picture", "not pixels: in Node decode the picture first, and give { width, height, data }",
  );
}

async function read(url: URL): Promise<ModelFile> {
  try {
    if (url.protocol === "file:") return { name: url.href, bytes: await readFile(url) };
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return { name: url.href, bytes: new Uint8Array(await answer.arrayBuffer()) };
  } catch (error) {
    throw missing(url, (error as Error).message);
  }
}
