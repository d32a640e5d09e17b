// The pictures that the package is tested on, all made from the drawn faces of examples/faces.png: turned, dark, small, many.
// `make-goldens.mjs` gives the same pictures to the program.
import { readFileSync } from "node:fs";
import { PNG } from "pngjs";

/** The drawn faces, `{ width, height, data }` with four bytes a pixel. */
export function drawnFaces() {
  const { width, height, data } = PNG.sync.read(readFileSync(new URL("../../examples/faces.png", import.meta.url)));
  return { width, height, data: new Uint8Array(data) };
}

function made(width, height, pixel) {
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) data.set([...pixel(x, y).slice(0, 3), 255], (y * width + x) * 4);
  }
  return { width, height, data };
}

const at = ({ width, data }, x, y) => data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3);

/** A quarter clockwise. */
export const quarter = (picture) =>
  made(picture.height, picture.width, (x, y) => at(picture, y, picture.height - 1 - x));

export const part = (picture, left, top, width, height) =>
  made(width, height, (x, y) => at(picture, left + x, top + y));

/** Every value through a change. */
export const through = (picture, change) =>
  made(picture.width, picture.height, (x, y) => [...at(picture, x, y)].map((value) => Math.max(0, Math.min(255, Math.round(change(value))))));

/** Shrunk by a whole factor: the mean of its pixels. */
export const shrunk = (picture, factor) =>
  made(Math.floor(picture.width / factor), Math.floor(picture.height / factor), (x, y) => {
    const sums = [0, 0, 0];
    for (let down = 0; down < factor; down += 1) {
      for (let across = 0; across < factor; across += 1) {
        at(picture, x * factor + across, y * factor + down).forEach((value, channel) => { sums[channel] += value; });
      }
    }
    return sums.map((sum) => Math.round(sum / (factor * factor)));
  });

/** Turned by degrees clockwise and enlarged around a place, which comes to the middle of a picture of `width x height`; beyond the edge it is gray. */
export function placed(picture, { width, height, centre, degrees = 0, scale = 1 }) {
  const [sine, cosine] = [Math.sin(degrees * Math.PI / 180) / scale, Math.cos(degrees * Math.PI / 180) / scale];
  return made(width, height, (x, y) => {
    const [across, along] = [x + 0.5 - width / 2, y + 0.5 - height / 2];
    const from = [centre[0] + across * cosine + along * sine - 0.5, centre[1] - across * sine + along * cosine - 0.5];
    const [left, top] = from.map(Math.floor);
    if (left < 0 || top < 0 || left + 1 >= picture.width || top + 1 >= picture.height) return [128, 128, 128];
    const [right, lower] = [from[0] - left, from[1] - top];
    const corners = [at(picture, left, top), at(picture, left + 1, top), at(picture, left, top + 1), at(picture, left + 1, top + 1)];
    const weights = [(1 - right) * (1 - lower), right * (1 - lower), (1 - right) * lower, right * lower];
    return [0, 1, 2].map((channel) =>
      Math.round(corners.reduce((sum, corner, index) => sum + corner[channel] * weights[index], 0)));
  });
}

/** Beside and below each other. */
export const repeated = (picture, columns, rows) =>
  made(picture.width * columns, picture.height * rows, (x, y) => at(picture, x % picture.width, y % picture.height));

/** Each picture by its name, with the arguments that the program is given and the options that the package is given. */
export function pictures() {
  const faces = drawnFaces();
  const one = part(faces, 300, 0, 300, 340);
  const turned = quarter(faces);
  const tilted = (degrees) => placed(faces, { width: 900, height: 680, centre: [450, 340], degrees, scale: 0.7 });
  return {
    faces: { picture: faces },
    compact: { picture: faces, arguments: ["--model", "built-in-compact"], load: { model: "built-in-compact" } },
    one: { picture: one },
    right: { picture: turned },
    half: { picture: quarter(turned) },
    left: { picture: quarter(quarter(turned)) },
    "tilted-25": { picture: tilted(25) },
    "tilted-60": { picture: tilted(-60) },
    "tilted-120": { picture: tilted(120) },
    dark: { picture: through(faces, (value) => 6 + value / 12) },
    faint: { picture: through(faces, (value) => 120 + value / 8) },
    small: { picture: shrunk(faces, 4) },
    tiny: { picture: shrunk(faces, 10) },
    cut: { picture: part(faces, 150, 60, 620, 430) },
    large: { picture: placed(one, { width: 1500, height: 1700, centre: [150, 170], scale: 5 }) },
    many: { picture: repeated(faces, 3, 2) },
    tiles: { picture: repeated(faces, 3, 2), arguments: ["--min-face", "40"], options: { minFace: 40 } },
    sure: { picture: shrunk(faces, 4), arguments: ["--min-score", "0.88"], options: { minScore: 0.88 } },
    whole: { picture: part(faces, 370, 80, 160, 170), arguments: ["--whole"], options: { whole: true } },
    // What the fake camera of the tests in a browser shows, at the page's size and least face.
    camera: {
      picture: placed(faces, { width: 640, height: 480, centre: [450, 340], scale: 0.7 }), arguments: ["--min-face", "40"], options: { minFace: 40 },
    },
    empty: { picture: made(200, 150, (x, y) => [x, y, 90]) },
    dot: { picture: made(1, 1, () => [9, 9, 9]) },
  };
}

/** Frames a second of the clip: an eighth of a second has no rounding by which a moment is before or after a limit. */
export const RATE = 8;

/**
 * A clip: the camera wanders over drawn faces, is covered for a moment and for longer, sees others, which go dark, and jumps to all.
 *
 * No scene lasts longer than six frames: where a face is followed, the box that is found places the next patch, and a patch that lies a
 * hundredth of a pixel elsewhere tells another box. After ten frames the program does not agree with itself when a few pixels differ
 * by one level.
 */
export function clip() {
  const faces = drawnFaces();
  const frames = [];
  const shot = (count, place) => {
    for (let at = 0; at < count; at += 1) {
      const { change, ...where } = place(at / (count - 1));
      const frame = placed(faces, { width: 480, height: 300, ...where });
      frames.push(change ? through(frame, change) : frame);
    }
  };
  const covered = (count) => shot(count, () => ({ centre: [450, -900] }));
  shot(6, (part) => ({ centre: [300 + 20 * part, 185], scale: 0.82 }));
  covered(4);
  shot(5, (part) => ({ centre: [318 - 12 * part, 185], scale: 0.82 }));
  covered(12);
  shot(6, (part) => ({ centre: [600 - 8 * part, 505], scale: 0.82, change: (value) => value * (0.8 - 0.65 * part) }));
  shot(5, (part) => ({ centre: [450, 340], scale: 0.42 + 0.02 * part }));
  covered(12);
  // A head that turns.
  shot(5, (part) => ({ centre: [450, 185], scale: 0.9, degrees: 20 + 40 * part }));
  return frames;
}

export function png({ width, height, data }) {
  const file = new PNG({ width, height });
  file.data = Buffer.from(data);
  return PNG.sync.write(file, { colorType: 2 });
}
