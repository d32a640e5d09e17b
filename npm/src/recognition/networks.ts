/** The two *networks*, as ONNX files that ONNX Runtime runs: one finds faces, one tells their expressions. */
import type * as Ort from "onnxruntime-web";
import { DuchenneError } from "../errors.js";
import type { Crop } from "./alignment.js";
import type { DetectedFace } from "./detected_face.js";
import { metadataOf } from "./onnx_metadata.js";
import { gray, type Picture } from "./picture.js";
import { interpolated, type Point } from "./reshaping.js";
import type { Stretching } from "./stretching.js";
import { suppressed } from "./suppression.js";

/** A file's bytes, and its name for messages. */
export interface ModelFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** How sessions are made. */
export interface Runtime {
  readonly ort: typeof Ort;
  readonly providers: readonly string[];
}

/** The most faces of a batch, as in the library. */
const BATCH = 64;

/** The constants of the search for faces, as the detector's file tells them. */
export interface DetectionConstants {
  readonly coarse_pixels: number;
  readonly enlarged_pixels: number;
  readonly granule: number;
  readonly least_min_face: number;
  readonly min_score: number;
  readonly most_scan_pixels: number;
  readonly overlap: number;
  readonly scan_pixels: number;
  readonly second_look: {
    readonly below_score: number;
    readonly most_faces: number;
    readonly patch: number;
    readonly patch_faces: number;
    readonly settled_degrees: number;
    readonly turns: number;
  };
  readonly strides: readonly number[];
  readonly tile: { readonly edge: number; readonly overlap: number; readonly side: number };
  readonly turn_pixels: number;
}

/** What the classifier's file says of the way from a picture to its input. */
export interface Preprocessing {
  readonly crop: Crop;
  readonly input: { readonly channels: number; readonly color: boolean; readonly name: string; readonly side: number };
  readonly stretching: Stretching;
}

/** Reads a file's metadata and opens it; `kind` is what it has to be. */
async function opened(
  runtime: Runtime, { name, bytes }: ModelFile, kind: string,
): Promise<[Ort.InferenceSession, (entry: string) => unknown]> {
  let metadata: Map<string, string>;
  try {
    metadata = metadataOf(bytes);
  } catch (error) {
    throw new DuchenneError("model", `model \`${name}\` is ${(error as Error).message}`);
  }
  const found = metadata.get("duchenne.kind");
  if (found !== kind) {
    const what = found === undefined ? "not from `duchenne model export`" : `a ${found}`;
    throw new DuchenneError("model", `model \`${name}\` is ${what}, expected a ${kind}`);
  }
  const entry = (key: string): unknown => {
    const text = metadata.get(`duchenne.${key}`);
    if (text === undefined) throw new DuchenneError("model", `model \`${name}\` does not tell its ${key}; export it again`);
    return JSON.parse(text);
  };
  try {
    const session = await runtime.ort.InferenceSession.create(bytes, {
      executionProviders: [...runtime.providers],
      graphOptimizationLevel: "all",
      // Sizes change from run to run: buffers planned for one do not serve another.
      enableMemPattern: false,
      // Fatal ones alone: what is said of nodes that stay on the CPU is no concern of a page's console.
      logSeverityLevel: 4,
    });
    return [session, entry];
  } catch (error) {
    throw new DuchenneError("model", `model \`${name}\` cannot be opened: ${(error as Error).message}`);
  }
}

/** Runs a session on one input; the outputs' data, by name. */
async function ran(
  { ort }: Runtime, session: Ort.InferenceSession, values: Float32Array, shape: readonly number[],
): Promise<Record<string, Float32Array>> {
  const outputs = await session.run({ [session.inputNames[0]!]: new ort.Tensor("float32", values, shape) });
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]));
}

/** Finds faces at the size of a picture (YuNet). */
export class DetectorNetwork {
  private constructor(
    private readonly runtime: Runtime,
    private readonly session: Ort.InferenceSession,
    readonly constants: DetectionConstants,
  ) {}

  static async open(runtime: Runtime, file: ModelFile): Promise<DetectorNetwork> {
    const [session, entry] = await opened(runtime, file, "detector");
    return new DetectorNetwork(runtime, session, entry("detection") as DetectionConstants);
  }

  /** The faces of each of several pictures of one size, the surest first. */
  async scan(pictures: readonly Picture[], minScore: number): Promise<DetectedFace[][]> {
    if (pictures.length === 0) return [];
    const { width, height } = pictures[0]!;
    const area = width * height;
    const values = new Float32Array(pictures.length * 3 * area);
    pictures.forEach(({ data }, index) => {
      const start = index * 3 * area;
      for (let pixel = 0, from = 0; pixel < area; pixel += 1, from += 4) {
        values[start + pixel] = data[from]!;
        values[start + area + pixel] = data[from + 1]!;
        values[start + 2 * area + pixel] = data[from + 2]!;
      }
    });
    const outputs = await ran(this.runtime, this.session, values, [pictures.length, 3, height, width]);
    const { strides, granule, overlap } = this.constants;
    const positions = (side: number, stride: number): number => (Math.ceil(side / granule) * granule) / stride;
    return pictures.map((_, index) => {
      const found = strides.flatMap((stride) => {
        const head = outputs[`stride_${stride}`]!;
        const length = head.length / pictures.length;
        const heads = head.subarray(index * length, (index + 1) * length);
        return decoded(heads, stride, positions(height, stride), positions(width, stride), minScore);
      });
      return suppressed(found, overlap);
    });
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** The faces that a head tells of, `[16, rows, columns]`. */
function decoded(values: Float32Array, stride: number, rows: number, columns: number, minScore: number): DetectedFace[] {
  const positions = rows * columns;
  const value = (which: number, at: number): number => values[which * positions + at]!;
  const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
  const faces: DetectedFace[] = [];
  for (let at = 0; at < positions; at += 1) {
    const score = Math.sqrt(sigmoid(value(0, at)) * sigmoid(value(1, at)));
    if (!(score >= minScore)) continue;
    const [column, row] = [at % columns, Math.floor(at / columns)];
    const point = (first: number): Point => [(column + value(first, at)) * stride, (row + value(first + 1, at)) * stride];
    const [x, y] = point(2);
    const [width, height] = [Math.exp(value(4, at)) * stride, Math.exp(value(5, at)) * stride];
    const points = [point(6), point(8), point(10), point(12), point(14)] as const;
    faces.push({ area: [x - width / 2, y - height / 2, width, height], score, points });
  }
  return faces;
}

/** Tells the expression of crops. */
export class ClassifierNetwork {
  private constructor(
    private readonly runtime: Runtime,
    private readonly session: Ort.InferenceSession,
    /** In the order of the probabilities. */
    readonly labels: readonly string[],
    readonly preprocessing: Preprocessing,
  ) {}

  static async open(runtime: Runtime, file: ModelFile): Promise<ClassifierNetwork> {
    const [session, entry] = await opened(runtime, file, "classifier");
    return new ClassifierNetwork(runtime, session, entry("labels") as string[], entry("preprocessing") as Preprocessing);
  }

  /** The calibrated probabilities of each crop, the mirror image averaged in by the file itself. */
  async probabilities(crops: readonly Picture[]): Promise<Float32Array[]> {
    const found: Float32Array[] = [];
    for (let first = 0; first < crops.length; first += BATCH) {
      const batch = crops.slice(first, first + BATCH).map((crop) => this.input(crop));
      const { side, channels } = this.preprocessing.input;
      const length = channels * side * side;
      const values = new Float32Array(batch.length * length);
      batch.forEach((input, index) => values.set(input, index * length));
      const outputs = await ran(this.runtime, this.session, values, [batch.length, channels, side, side]);
      const all = outputs[this.session.outputNames[0]!]!;
      batch.forEach((_, index) => {
        found.push(all.slice(index * this.labels.length, (index + 1) * this.labels.length));
      });
    }
    return found;
  }

  /** The planes of a crop at the network's size, `0..=255`. */
  private input(crop: Picture): Uint8Array {
    const { side, channels, color } = this.preprocessing.input;
    const area = side * side;
    if (!color) {
      const levels = interpolated(gray(crop), crop.width, crop.height, 1, side, side);
      const planes = new Uint8Array(channels * area);
      for (let channel = 0; channel < channels; channel += 1) planes.set(levels, channel * area);
      return planes;
    }
    const pixels = interpolated(crop.data, crop.width, crop.height, 4, side, side);
    return Uint8Array.from({ length: 3 * area }, (_, at) => pixels[(at % area) * 4 + Math.floor(at / area)]!);
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
