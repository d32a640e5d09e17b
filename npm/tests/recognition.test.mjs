// The package against the program, on the same pixels: boxes within a pixel, probabilities within 0.01.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { DuchenneError, Recognizer } from "duchenne";
import { clip, pictures, RATE } from "./pictures.mjs";
import { near, same } from "./same.mjs";

const goldens = JSON.parse(readFileSync(new URL("goldens.json", import.meta.url)));
const loaded = new Map();
const recognizer = async (options = {}) => {
  const key = JSON.stringify(options);
  if (!loaded.has(key)) loaded.set(key, await Recognizer.load(options));
  return loaded.get(key);
};
after(async () => { for (const one of loaded.values()) await one.close(); });

for (const [name, { picture, load, options }] of Object.entries(pictures())) {
  test(`the program and the package agree on "${name}"`, async () => {
    same(await (await recognizer(load)).recognize(picture, options), goldens[name], name);
  });
}

/** In a clip the crop itself may move by a pixel, as the patch does in which the face is looked for. */
const CLIP = 0.02;

test("the program and the package follow the faces of a clip alike", async () => {
  const lines = readFileSync(new URL("clip-goldens.jsonl", import.meta.url), "utf8").trim().split("\n");
  const one = await recognizer();
  const followed = await one.clip({ smooth: 0.2 });
  const frames = clip();
  assert.equal(lines.length, frames.length);
  for (const [index, frame] of frames.entries()) {
    const answer = await followed.next(frame, index / RATE);
    const golden = JSON.parse(lines[index]);
    same(answer, golden, `frame ${index}`, CLIP);
    answer.faces.forEach((face, at) => {
      const other = golden.faces[at];
      assert.equal(face.track, other.track, `frame ${index}: track`);
      assert.equal(face.smoothed.expression, other.smoothed.expression, `frame ${index}: smoothed`);
      for (const [label, value] of Object.entries(other.smoothed.probabilities)) {
        near(face.smoothed.probabilities[label], value, CLIP, `frame ${index}, face ${face.track}: smoothed ${label}`);
      }
    });
  }
  await followed.close();
});

test("gray pixels and transparent ones are pictures, too", async () => {
  const one = await recognizer();
  const { one: { picture } } = pictures();
  const gray = picture.data.filter((_, at) => at % 4 === 0);
  const faces = async (data) => (await one.recognize({ width: picture.width, height: picture.height, data })).faces;
  assert.equal((await faces(gray)).length, 1);
  assert.deepEqual(await faces(gray), await faces(Uint8ClampedArray.from([...gray].flatMap((value) => [value, value, value]))));
  const clear = picture.data.map((value, at) => (at % 4 === 3 ? 0 : value));
  assert.deepEqual(await faces(clear), []);
});

test("what is no picture is told from what is", async () => {
  const one = await recognizer();
  await assert.rejects(one.recognize(new Uint8Array(4)), (error) => error instanceof DuchenneError && error.problem === "picture");
  await assert.rejects(one.recognize({ width: 2, height: 2, data: new Uint8Array(5) }), /5 values for 2 x 2 pixels, expected 1, 3 or 4 a pixel/);
  await assert.rejects(one.recognize({ width: 0, height: 2, data: new Uint8Array(0) }), /expected whole numbers from 1 on/);
  await assert.rejects(one.recognize({ width: 1, height: 1, data: [0] }, { minScore: 2 }), /minScore is 2, expected a number from 0 to 1/);
});

test("model files that are missing or wrong are named", async () => {
  const models = new URL("../models/", import.meta.url);
  const problem = (pattern) => (error) => error instanceof DuchenneError && error.problem === "model" && pattern.test(error.message);
  await assert.rejects(Recognizer.load({ modelsUrl: "nowhere/" }), problem(/cannot load the model file .*nowhere\/.*onnx.*modelsUrl/));
  await assert.rejects(Recognizer.load({ model: new URL("detector.onnx", models) }), problem(/is a detector, expected a classifier/));
  await assert.rejects(Recognizer.load({ model: new URL(import.meta.url) }), problem(/not an ONNX file/));
});

test("a model of the user's is loaded by its path", async () => {
  const one = await Recognizer.load({ model: "models/built-in-compact.onnx" });
  assert.deepEqual(one.labels, ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"]);
  await one.close();
  await assert.rejects(one.recognize(pictures().dot.picture), (error) => error.problem === "closed");
});

test("pictures that are given at once are answered each", async () => {
  const one = await recognizer();
  const { small, tiny } = pictures();
  const answers = await Promise.all([small, tiny, small].map(({ picture }) => one.recognize(picture)));
  same(answers[1], goldens.tiny, "tiny");
  assert.deepEqual(answers[0], answers[2]);
});
