/** *Recognition* joins the search for faces and the classifier: from pictures to faces with expressions. */
import type { Box, Expression, Face, Recognition } from "../answers.js";
import { cropOf } from "./alignment.js";
import { bounds, type DetectedFace, told } from "./detected_face.js";
import { FaceDetector, type Search } from "./detection.js";
import { ClassifierNetwork, DetectorNetwork, type ModelFile, type Runtime } from "./networks.js";
import type { Picture } from "./picture.js";
import { stretched } from "./stretching.js";

/** How a picture is looked at. */
export interface Look extends Search {
  /** Whether every picture is the crop of one face, as the images of FER-2013 are. */
  readonly whole?: boolean | undefined;
}

/** A face cut out of its picture, not yet classified. */
export interface FoundFace {
  readonly bounds: Box;
  /** `null` where the whole picture was taken as a face. */
  readonly face: DetectedFace | null;
  readonly crop: Picture;
}

export class Engine {
  private constructor(readonly detector: DetectorNetwork, readonly classifier: ClassifierNetwork) {}

  static async open(runtime: Runtime, files: { detector: ModelFile; classifier: ModelFile }): Promise<Engine> {
    // One after the other: sessions are not made side by side.
    const detector = await DetectorNetwork.open(runtime, files.detector);
    return new Engine(detector, await ClassifierNetwork.open(runtime, files.classifier));
  }

  get labels(): readonly string[] {
    return this.classifier.labels;
  }

  /** The faces of a picture with their expressions, in reading order. */
  async recognize(picture: Picture, look: Look = {}): Promise<Recognition> {
    const faces = await this.classify(await this.find(picture, look));
    return { width: picture.width, height: picture.height, faces };
  }

  /** Spread over the whole range of levels where the picture is dark or faint. */
  stretched(picture: Picture): Picture {
    return stretched(picture, this.classifier.preprocessing.stretching);
  }

  /** A found face of a picture that was stretched; `null` where it lies outside. */
  found(picture: Picture, face: DetectedFace): FoundFace | null {
    const box = bounds(face, picture.width, picture.height);
    return box && { bounds: box, face, crop: cropOf(picture, face, this.classifier.preprocessing.crop) };
  }

  private async find(picture: Picture, look: Look): Promise<FoundFace[]> {
    const { width, height } = picture;
    if (look.whole) return [{ bounds: { x: 0, y: 0, width, height }, face: null, crop: picture }];
    const clear = this.stretched(picture);
    const faces = await new FaceDetector(this.detector, look).detect(clear);
    return faces.map((face) => this.found(clear, face)).filter((found) => found !== null);
  }

  /** The expressions of found faces, in their order. */
  async classify(found: readonly FoundFace[]): Promise<Face[]> {
    const probabilities = await this.classifier.probabilities(found.map(({ crop }) => crop));
    return found.map(({ bounds, face }, index) => ({
      box: bounds,
      score: face && digits(face.score),
      ...(face && told(face)),
      ...this.expression(probabilities[index]!),
    }));
  }

  /** Probabilities in the order of the labels, by their names. */
  expression(probabilities: ArrayLike<number>): Expression {
    const likeliest = this.labels.reduce((best, _, at) => (probabilities[at]! > probabilities[best]! ? at : best), 0);
    const named = this.labels.map((label, at) => [label, digits(probabilities[at]!)]);
    return { expression: this.labels[likeliest]!, probabilities: Object.fromEntries(named) };
  }

  async close(): Promise<void> {
    await this.detector.release();
    await this.classifier.release();
  }
}

/** What single precision holds of a number. */
const digits = (value: number): number => Number(value.toPrecision(7));
