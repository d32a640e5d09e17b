/** A *recording*: what was seen in the frames of a video, to be saved and drawn over time. */
import type { Expression, FrameRecognition, TrackedFace } from "duchenne";

/** Two hours at eight frames a second. */
const MOST_FRAMES = 60_000;

const POINTS = ["right_eye", "left_eye", "nose", "right_mouth", "left_mouth"] as const;

/** Moments of one face, in order. */
export interface Person {
  readonly track: number;
  readonly times: number[];
  readonly shown: Expression[];
}

export class Recording {
  readonly people = new Map<number, Person>();
  private readonly frames: FrameRecognition[] = [];
  private passedOver = 0;

  constructor(readonly name: string) {}

  get isEmpty(): boolean {
    return this.frames.length === 0;
  }

  /** Frames that came when there was no room any more. */
  get leftOut(): number {
    return this.passedOver;
  }

  add(frame: FrameRecognition): void {
    if (this.frames.length === MOST_FRAMES) {
      this.passedOver += 1;
      return;
    }
    this.frames.push(frame);
    for (const face of frame.faces) {
      const person = this.people.get(face.track) ?? { track: face.track, times: [], shown: [] };
      this.people.set(face.track, person);
      person.times.push(frame.time);
      person.shown.push(face.smoothed ?? face);
    }
  }

  /** A line a frame, as `duchenne predict --json` writes it. */
  json(): string {
    return this.frames.map((frame) => `${JSON.stringify({ path: this.name, ...frame })}\n`).join("");
  }

  /** A row a face, as `duchenne predict --csv` writes it. */
  csv(): string {
    const first = this.frames.find((frame) => frame.faces.length > 0)?.faces[0];
    const classes = Object.keys(first?.probabilities ?? {});
    const header = ["path", "frame", "time", "track", "face", "x", "y", "width", "height", "score", "angle",
      ...POINTS.flatMap((point) => [`${point}_x`, `${point}_y`]), "expression", ...classes,
      ...(first?.smoothed ? ["smoothed_expression", ...classes.map((one) => `smoothed_${one}`)] : [])];
    const told = ({ expression, probabilities }: Expression): (string | number)[] =>
      [expression, ...classes.map((one) => probabilities[one]!)];
    const columns = (face: TrackedFace): (string | number)[] => [
      face.box.x, face.box.y, face.box.width, face.box.height, face.score ?? "", face.angle ?? "",
      ...POINTS.flatMap((point): (string | number)[] => [...face.landmarks?.[point] ?? ["", ""]]), ...told(face), ...(face.smoothed ? told(face.smoothed) : [])];
    const rows = this.frames.flatMap((frame) => frame.faces.map((face, index) =>
      [this.name, frame.frame, frame.time, face.track, index + 1, ...columns(face)]));
    const quoted = (value: string | number): string =>
      /[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
    return [header, ...rows].map((row) => `${row.map(quoted).join(",")}\n`).join("");
  }
}
