// The package beside `@vladmandic/face-api` and `@vladmandic/human` in one Chromium, on the same pictures: bytes loaded, time to the first
// result, milliseconds a picture, accuracy on crops of FER-2013's PrivateTest.
//
//     npm install --ignore-scripts --legacy-peer-deps
//     duchenne data export fer2013.safetensors --out crops
//     DUCHENNE_CROPS=crops/test DUCHENNE_FERPLUS=fer2013new.csv node run.mjs
//
// Without the two folders accuracy is left out. EVERY=9 takes every ninth crop. Run it on a quiet machine: nothing else corrects for load
// but that the libraries take turns.
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { drawnFaces, part, png } from "../tests/pictures.mjs";
import { ISOLATED, launch, PACKAGE, serve } from "../tests/serving.mjs";

const here = import.meta.dirname;
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const RUNS = Number(process.env.RUNS ?? 8);
/** Engines compile what runs often once more, and better; the time to the first result has what they do before. */
const WARM = 20;
const EVERY = Number(process.env.EVERY ?? 9);

/** Each with a script that makes `recognize(canvas)`, which gives a word a face, and `crop(canvas)`, which gives the word of a crop of one face. */
const LIBRARIES = {
  "duchenne": duchenne("built-in"),
  "duchenne, compact": duchenne("built-in-compact"),
  // The others' detectors see pictures at 416 and 256 pixels, and no face smaller than about a tenth of them.
  "duchenne, faces from 40 pixels": duchenne("built-in", "{ minFace: 40 }"),
  "duchenne, compact, faces from 40 pixels": duchenne("built-in-compact", "{ minFace: 40 }"),
  "face-api, tiny detector": faceApi("tinyFaceDetector", "new faceapi.TinyFaceDetectorOptions()"),
  "face-api, SSD": faceApi("ssdMobilenetv1", "new faceapi.SsdMobilenetv1Options()"),
  human: `
    const { Human } = await import("/human/dist/human.esm.js");
    const off = { enabled: false };
    const human = new Human({
      backend: "wasm", wasmPath: "/tfjs-wasm/", modelBasePath: "/human/models/", debug: false, cacheSensitivity: 0,
      filter: off, body: off, hand: off, object: off, gesture: off,
      face: { enabled: true, detector: { maxDetected: 10, rotation: false }, iris: off, description: off, antispoof: off, liveness: off, emotion: { enabled: true, minConfidence: 0 } },
    });
    await human.load();
    const words = ({ face }) => face.map(({ emotion }) => [...emotion].sort((one, other) => other.score - one.score)[0]?.emotion);
    window.recognize = async (canvas) => words(await human.detect(canvas));
    // It has no way around its detector, which needs larger faces than these with something around them.
    window.crop = async (canvas) => {
      const large = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
      const context = large.getContext("2d");
      context.fillStyle = "#808080";
      context.fillRect(0, 0, 256, 256);
      context.drawImage(canvas, 32, 32, 192, 192);
      return (await recognize(large))[0];
    };`,
};

function duchenne(model, options = "{}") {
  return `
    const { Recognizer } = await import("/node_modules/duchenne/dist/browser.js");
    const recognizer = await Recognizer.load({ model: "${model}" });
    const words = ({ faces }) => faces.map(({ expression }) => expression);
    window.recognize = async (canvas) => words(await recognizer.recognize(canvas, ${options}));
    window.crop = async (canvas) => words(await recognizer.recognize(canvas, { whole: true }))[0];`;
}

function faceApi(net, options) {
  return `
    const faceapi = await import("/face-api/dist/face-api.esm.js");
    // Of its engines the fastest without a GPU.
    faceapi.tf.setWasmPaths("/tfjs-wasm/");
    await faceapi.tf.setBackend("wasm");
    await faceapi.tf.ready();
    await Promise.all([faceapi.nets.${net}.loadFromUri("/face-api/model/"), faceapi.nets.faceExpressionNet.loadFromUri("/face-api/model/")]);
    const word = (expressions) => Object.entries(expressions).sort((one, other) => other[1] - one[1])[0][0];
    const options = ${options};
    window.recognize = async (canvas) => (await faceapi.detectAllFaces(canvas, options).withFaceExpressions()).map(({ expressions }) => word(expressions));
    window.crop = async (canvas) => word(await faceapi.nets.faceExpressionNet.predictExpressions(canvas));`;
}

const WORDS = { fearful: "fear", disgusted: "disgust", surprised: "surprise" };
const bytes = (picture) => png(picture).toString("base64");
const six = bytes(drawnFaces());
const one = bytes(part(drawnFaces(), 300, 0, 300, 340));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

let sent = [];
const nodeModules = path.join(here, "node_modules");
const server = await serve({
  "/face-api/": path.join(nodeModules, "@vladmandic/face-api"), "/human/": path.join(nodeModules, "@vladmandic/human"),
  "/tfjs-wasm/": path.join(nodeModules, "@tensorflow/tfjs-backend-wasm/dist"), ...PACKAGE, "/": "<!doctype html><title>benchmark</title>",
}, { headers: ISOLATED, counted: (name, length) => sent.push([name, length]) });
const browser = await launch();
const results = Object.fromEntries(Object.keys(LIBRARIES).map((name) => [name, { first: [], one: [], six: [] }]));

/** A page with a library, in a profile of its own: nothing of it is loaded. */
async function opened(name) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.address);
  await page.evaluate(() => {
    window.canvasOf = async (base64) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))]));
      const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      return canvas;
    };
  });
  sent = [];
  const began = performance.now();
  await page.evaluate(`(async () => { ${LIBRARIES[name]} })()`);
  const words = await page.evaluate(async (base64) => recognize(await canvasOf(base64)), one);
  return { page, words, first: performance.now() - began };
}

/** The server's folders again, to see what their files are when packed. */
const packed = (list) => list.reduce((sum, [name]) => {
  const file = name.replace(/^\/(face-api|human)\//, "/@vladmandic/$1/").replace("/tfjs-wasm/", "/@tensorflow/tfjs-backend-wasm/dist/");
  const found = name.startsWith("/node_modules/duchenne/") ? path.join(here, "..", name.slice(23))
    : name.startsWith("/node_modules/") ? path.join(here, "..", name) : path.join(nodeModules, file);
  return sum + gzipSync(readFileSync(found)).length;
}, 0);

for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, result] of Object.entries(results)) {
    const { page, first } = await opened(name);
    result.first.push(first);
    if (round === 0) {
      const files = sent.filter(([file]) => file !== "/favicon.ico");
      result.bytes = files.reduce((sum, [, length]) => sum + length, 0);
      result.packed = packed(files);
    }
    for (const [which, picture] of [["one", one], ["six", six]]) {
      const [times, found] = await page.evaluate(async ([base64, runs, WARM]) => {
        const canvas = await canvasOf(base64);
        const times = [];
        let found;
        for (let run = 0; run < runs + WARM; run += 1) {
          const began = performance.now();
          found = await recognize(canvas);
          if (run >= WARM) times.push(performance.now() - began);
        }
        return [times, found];
      }, [picture, RUNS, WARM]);
      result[which].push(...times);
      result[`${which}Faces`] = found.length;
    }
    await page.context().close();
    console.error(`round ${round + 1}: ${name}, one ${median(result.one).toFixed(0)} ms, six ${median(result.six).toFixed(0)} ms (${result.oneFaces} and ${result.sixFaces} faces)`);
  }
}

if (process.env.DUCHENNE_CROPS && process.env.DUCHENNE_FERPLUS) {
  const names = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"];
  const rows = readFileSync(process.env.DUCHENNE_FERPLUS, "utf8").trim().split("\n").slice(1);
  /** The official majority of FER+: single votes do not count, and more than half have to agree on an expression. */
  const majority = (row) => {
    const votes = rows[row].split(",").slice(2).map(Number).map((votes) => (votes > 1 ? votes : 0));
    const most = Math.max(...votes);
    const place = votes.indexOf(most);
    return most > 0 && 2 * most > votes.reduce((sum, votes) => sum + votes, 0) ? names[place] : undefined;
  };
  const crops = readdirSync(process.env.DUCHENNE_CROPS, { recursive: true }).filter((file) => file.endsWith(".png"))
    .map((file) => ({ file: path.join(process.env.DUCHENNE_CROPS, file), label: path.dirname(file), row: Number.parseInt(path.basename(file), 10) }))
    .sort((one, other) => one.row - other.row);
  console.error(`${crops.length} crops, of ${crops.filter(({ row }) => majority(row)).length} raters agree; every ${EVERY}th is taken`);
  const taken = crops.filter((_, index) => index % EVERY === 0);
  for (const [name, result] of Object.entries(results)) {
    // The same classifiers again.
    if (name.includes("SSD") || name.includes("pixels")) continue;
    const { page } = await opened(name);
    const said = [];
    for (let first = 0; first < taken.length; first += 25) {
      const batch = taken.slice(first, first + 25).map(({ file }) => readFileSync(file).toString("base64"));
      said.push(...await page.evaluate(async (batch) => {
        const words = [];
        for (const base64 of batch) words.push(await crop(await canvasOf(base64)) ?? null);
        return words;
      }, batch));
    }
    await page.context().close();
    const words = said.map((word) => WORDS[word] ?? word);
    const rated = taken.map(({ row }, index) => [majority(row), words[index]]).filter(([label]) => label !== undefined);
    result.none = words.filter((word) => word === null).length;
    result.labels = [words.filter((word, index) => word === taken[index].label).length, taken.length];
    result.raters = [rated.filter(([label, word]) => label === word).length, rated.length];
    console.error(`${name}: labels ${result.labels}, raters ${result.raters}, no face in ${result.none}`);
  }
}
await browser.close();
await server.close();

const share = (pair) => (pair ? `${((100 * pair[0]) / pair[1]).toFixed(1)} %` : "-");
console.log("| | loaded, MB (gzip) | first result, s | one face, ms | six faces, ms | by FER-2013's labels | by raters |");
console.log("|---|---|---|---|---|---|---|");
for (const [name, result] of Object.entries(results)) {
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(`| ${name} | ${mb(result.bytes)} (${mb(result.packed)}) | ${(median(result.first) / 1000).toFixed(1)} | ${median(result.one).toFixed(0)} | ${median(result.six).toFixed(0)}${result.sixFaces === 6 ? "" : ` (${result.sixFaces} found)`} | ${share(result.labels)} | ${share(result.raters)} |`);
}
console.log(`\n${results.duchenne.labels?.[1] ?? 0} crops, raters agree on ${results.duchenne.raters?.[1] ?? 0}; medians of ${ROUNDS} rounds of ${RUNS}; ${cpus().length} cores`);
