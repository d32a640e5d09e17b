/** The *timeline*: which expression each face of a video showed when, as a drawing and as text. */
import type { Person, Recording } from "./recording.js";

/** Paul Tol's "muted" scheme, told apart with any colour vision: the program's colours. */
const COLORS: Record<string, string> = {
  angry: "rgb(204 102 119)", disgust: "rgb(153 153 51)", fear: "rgb(170 68 153)", happy: "rgb(221 204 119)",
  sad: "rgb(136 204 238)", surprise: "rgb(68 170 153)", contempt: "rgb(51 34 136)",
};
const colorOf = (expression: string): string => COLORS[expression] ?? "rgb(221 221 221)";

/** A face that was not seen for so many seconds has a gap. */
const GAP = 1;
/** At most so many are drawn, those who were seen most; the others are counted. */
const MOST_PEOPLE = 12;

/** From when to when one expression was the likeliest. */
interface Span {
  readonly expression: string;
  readonly from: number;
  to: number;
}

export class Timeline {
  constructor(private readonly place: HTMLElement, private readonly seek: (time: number) => void) {}

  clear(): void {
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  /** Draws anew; `isDone` where no more frames come. */
  draw(recording: Recording, isDone: boolean): void {
    const all = [...recording.people.values()];
    const people = [...all].sort((one, other) => other.times.length - one.times.length).slice(0, MOST_PEOPLE)
      .sort((one, other) => one.track - other.track);
    if (people.length === 0) return;
    const end = Math.max(...people.map(({ times }) => times.at(-1)!), 0.1);
    const begin = Math.min(...people.map(({ times }) => times[0]!));
    if (this.place.hidden) this.frame(people[0]!);
    const list = this.place.querySelector("div")!;
    for (const section of [...list.children]) {
      if (!people.some((person) => idOf(person) === section.id)) section.remove();
    }
    for (const person of people) this.drawPerson(list, person, begin, end, isDone);
    const notes = [
      ...(all.length > people.length ? [`${all.length - people.length} faces that were seen more briefly are not drawn; they are in what is saved.`] : []),
      ...(recording.leftOut > 0 ? [`${recording.leftOut} frames came after the memory for them was full.`] : []),
    ];
    this.place.querySelector("p")!.textContent = notes.join(" ");
  }

  private frame(person: Person): void {
    const key = element("ul", { className: "key", ariaHidden: "true" }, Object.keys(person.shown[0]!.probabilities).map((name) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = colorOf(name);
      return element("li", {}, [swatch, name]);
    }));
    this.place.replaceChildren(element("h2", { textContent: "Over time" }), key, element("div"), element("p", { className: "note" }));
    this.place.hidden = false;
  }

  private drawPerson(list: HTMLElement, person: Person, begin: number, end: number, isDone: boolean): void {
    const id = idOf(person);
    let section = list.querySelector<HTMLElement>(`#${id}`);
    if (!section) {
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      section = element("section", { className: "face", id }, [
        element("h2", { textContent: `Face ${person.track}` }), canvas,
        element("details", {}, [element("summary", { textContent: "As text" }), element("ol")])]);
      section.querySelector("details")!.addEventListener("toggle", () => this.tell(section!, person));
      list.append(section);
    }
    const canvas = section.querySelector("canvas")!;
    drawn(canvas, person, begin, end);
    if (isDone || section.querySelector("details")!.open) this.tell(section, person);
    canvas.ariaLabel = summary(person);
  }

  /** The spans as buttons that show their moment. */
  private tell(section: HTMLElement, person: Person): void {
    const items = spans(person).map(({ expression, from, to }) => {
      const button = element("button", { type: "button", textContent: `${clock(from)} to ${clock(to)} ${expression}` });
      button.addEventListener("click", () => this.seek(from));
      return element("li", {}, [button]);
    });
    section.querySelector("ol")!.replaceChildren(...items);
  }
}

const idOf = ({ track }: Person): string => `person-${track}`;

function spans({ times, shown }: Person): Span[] {
  const found: Span[] = [];
  times.forEach((time, at) => {
    const { expression } = shown[at]!;
    const last = found.at(-1);
    const isNear = last !== undefined && time - times[at - 1]! < GAP;
    if (isNear) last.to = time;
    if (!isNear || last.expression !== expression) found.push({ expression, from: time, to: time });
  });
  return found;
}

/** What the drawing shows, in words: the shares of the expressions. */
function summary({ track, times, shown }: Person): string {
  const counts = new Map<string, number>();
  for (const { expression } of shown) counts.set(expression, (counts.get(expression) ?? 0) + 1);
  const shares = [...counts].sort((one, other) => other[1] - one[1])
    .map(([expression, number]) => `${expression} ${Math.round((100 * number) / shown.length)} %`);
  return `Face ${track} from ${clock(times[0]!)} to ${clock(times.at(-1)!)}: ${shares.join(", ")}`;
}

function drawn(canvas: HTMLCanvasElement, person: Person, begin: number, end: number): void {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d")!;
  pen.scale(scale, scale);
  const [band, foot] = [12, 16];
  const x = (time: number): number => ((time - begin) / Math.max(end - begin, 0.1)) * width;
  const y = (probability: number): number => band + 6 + (1 - probability) * (height - band - 8 - foot);
  for (const { expression, from, to } of spans(person)) {
    pen.fillStyle = colorOf(expression);
    pen.fillRect(x(from), 0, Math.max(3, x(to) - x(from)), band);
  }
  const style = getComputedStyle(canvas);
  const color = (name: string): string => style.getPropertyValue(name);
  pen.strokeStyle = color("--rule");
  pen.strokeRect(0, y(1), width, y(0) - y(1));
  for (const name of Object.keys(person.shown[0]!.probabilities)) {
    pen.beginPath();
    person.times.forEach((time, at) => {
      const point = [x(time), y(person.shown[at]!.probabilities[name]!)] as const;
      if (at === 0 || time - person.times[at - 1]! >= GAP) pen.moveTo(...point);
      else pen.lineTo(...point);
      // What was seen once is a point.
      pen.lineTo(point[0] + 1.5, point[1]);
    });
    pen.lineJoin = "round";
    // Light colours need an edge on light paper, dark ones on dark paper.
    pen.strokeStyle = color("--muted");
    pen.lineWidth = 2.6;
    pen.stroke();
    pen.strokeStyle = colorOf(name);
    pen.lineWidth = 1.8;
    pen.stroke();
  }
  pen.fillStyle = color("--muted");
  pen.font = "11px system-ui, sans-serif";
  pen.fillText(clock(begin), 0, height - 3);
  pen.textAlign = "right";
  pen.fillText(clock(end), width, height - 3);
}

const clock = (time: number): string =>
  `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, "0")}`;
