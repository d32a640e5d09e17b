// The package in Chromium, against the program's answers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { clip, pictures, png, RATE } from "./pictures.mjs";
import { near, same } from "./same.mjs";
import { ISOLATED, launch, PACKAGE, serve, skip } from "./serving.mjs";
import { skip as skipVideos, videos } from "./videos.mjs";

const goldens = JSON.parse(readFileSync(new URL("goldens.json", import.meta.url)));
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

describe("in a browser", { skip }, () => {
  let server, browser, page;
  const elsewhere = [];

  async function opened(address) {
    const made = await browser.newPage();
    made.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(address) && !url.startsWith("blob:")) elsewhere.push(url);
    });
    await made.goto(address);
    await made.waitForFunction(() => window.duchenne);
    // What the tests below use.
    await made.evaluate(() => {
      window.blob = (base64, type = "image/png") => new Blob([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], { type });
      window.reason = (promise) => promise.then(() => "none", ({ name, problem, message }) => ({ name, problem, message }));
    });
    return made;
  }

  before(async () => {
    server = await serve(PACKAGE);
    browser = await launch();
    page = await opened(server.address);
    await page.evaluate(async () => { window.recognizer = await duchenne.Recognizer.load(); });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  for (const [name, { picture, options, load }] of Object.entries(pictures())) {
    if (name === "compact" || name === "tiles" || name === "many") continue;
    test(`the program and the package agree on "${name}"`, async () => {
      const answer = await page.evaluate(([bytes, options]) => recognizer.recognize(blob(bytes), options), [base64(png(picture)), options]);
      same(answer, goldens[name], name);
    });
    assert.equal(load, undefined);
  }

  test("pictures may be bitmaps, canvases, elements or pixels, and stay whole", async () => {
    const { small } = pictures();
    const answers = await page.evaluate(async (bytes) => {
      const bitmap = await createImageBitmap(blob(bytes));
      const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const offscreen = new OffscreenCanvas(bitmap.width, bitmap.height);
      offscreen.getContext("2d").drawImage(bitmap, 0, 0);
      const image = document.createElement("img");
      image.src = canvas.toDataURL();
      await image.decode();
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const frame = new VideoFrame(bitmap, { timestamp: 0 });
      const sources = [bitmap, canvas, offscreen, image, pixels, frame, { width: pixels.width, height: pixels.height, data: pixels.data }];
      const answers = [];
      for (const source of [...sources, ...sources]) answers.push(await recognizer.recognize(source));
      frame.close();
      return answers;
    }, base64(png(small.picture)));
    assert.equal(answers.length, 14);
    answers.forEach((answer, index) => same(answer, goldens.small, `source ${index}`));
  });

  test("a photo that says how it is turned is upright", async () => {
    const { right } = pictures();
    const answer = await page.evaluate(async (bytes) => {
      const bitmap = await createImageBitmap(blob(bytes));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.98 });
      // Exif with an orientation of 8: to be turned a quarter to the left.
      const exif = [0xff, 0xe1, 0, 34, ...new TextEncoder().encode("Exif\0\0MM"), 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0];
      return recognizer.recognize(new Blob([jpeg.slice(0, 2), new Uint8Array(exif), jpeg.slice(2)]));
    }, base64(png(right.picture)));
    assert.deepEqual([answer.width, answer.height, answer.faces.length], [900, 680, 6]);
    answer.faces.forEach((face, index) => {
      const expected = goldens.faces.faces[index];
      for (const side of ["x", "y", "width", "height"]) near(face.box[side], expected.box[side], 2, `face ${index}: ${side}`);
      assert.equal(face.expression, expected.expression);
    });
  });

  test("what is no picture is named", async () => {
    const { faces } = pictures();
    const broken = png(faces.picture).subarray(0, 5000);
    const said = await page.evaluate(async ([broken, whole]) => {
      const bitmap = await createImageBitmap(blob(whole));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      const jpeg = await canvas.convertToBlob({ type: "image/jpeg" });
      const cut = recognizer.recognize(jpeg.slice(0, jpeg.size * 0.6)).then(({ warning }) => warning, ({ message }) => message);
      const files = [["notes.txt", "some notes"], ["empty.png", ""], ["phone.heic", "\0\0\0\x18ftypheic"], ["film.mp4", "\0\0\0\x18ftypisom"]];
      const reasons = [];
      for (const [name, text] of files) reasons.push((await reason(recognizer.recognize(new File([text], name)))).message);
      return [await reason(recognizer.recognize(blob(broken))), await cut, ...reasons,
        await reason(recognizer.recognize({ width: 3, height: 3, data: new Uint8Array(5) })), await reason(recognizer.recognize("a.png")),
        await reason(recognizer.recognize(document.createElement("video")))];
    }, [base64(broken), base64(png(faces.picture))]);
    assert.match(said[0].message ?? "", /the picture is a PNG picture that is damaged or incomplete/);
    assert.equal(said[0].problem, "picture");
    assert.match(said[1], /is cut off|damaged or incomplete/);
    assert.equal(said[2], "`notes.txt` is not a picture by its content, expected a JPEG, PNG, WebP, GIF, BMP or AVIF picture");
    assert.equal(said[3], "`empty.png` is empty, expected a JPEG, PNG, WebP, GIF, BMP or AVIF picture");
    assert.equal(said[4], "`phone.heic` is a HEIC picture, which this browser does not decode; export it as PNG or JPEG");
    assert.equal(said[5], "`film.mp4` is a video, expected a picture; `follow` takes videos");
    assert.match(said[6].message, /5 values for 3 x 3 pixels, expected 1, 3 or 4 a pixel/);
    assert.equal(said[7].problem, "picture");
    assert.match(said[8].message, /no picture yet/);
  });

  test("files that are missing are named", async () => {
    const said = await page.evaluate(async () => [
      await reason(duchenne.Recognizer.load({ modelsUrl: "nowhere/" })), await reason(duchenne.Recognizer.load({ runtimeUrl: "nowhere/" })),
      await reason(duchenne.Recognizer.load({ device: "webgpu" })), await reason(recognizer.recognize(blob(""), { minFace: -1 }))]);
    assert.equal(said[0].problem, "model");
    assert.match(said[0].message, /cannot load the model file http.*nowhere.*404.*modelsUrl/);
    assert.equal(said[1].problem, "browser");
    assert.match(said[1].message, /ONNX Runtime did not start.*runtimeUrl/);
    if (said[2] !== "none") assert.match(said[2].message, /device is webgpu, which this browser does not have here/);
    assert.match(said[3].message, /minFace is -1/);
  });

  test("with threads, with the compact model and from other folders the answers are the program's, too", async () => {
    const isolated = await serve({ "/models/": new URL("../models", import.meta.url).pathname, "/runtime/": new URL("../node_modules/onnxruntime-web/dist", import.meta.url).pathname, ...PACKAGE }, { headers: ISOLATED });
    try {
      const other = await opened(isolated.address);
      const { faces } = pictures();
      const [threads, answer, after] = await other.evaluate(async (bytes) => {
        const recognizer = await duchenne.Recognizer.load({ model: "built-in-compact", modelsUrl: "models/", runtimeUrl: "/runtime/", threads: 2 });
        const answer = await recognizer.recognize(blob(bytes));
        await recognizer.close();
        return [crossOriginIsolated, answer, await reason(recognizer.recognize(blob(bytes)))];
      }, base64(png(faces.picture)));
      assert.equal(threads, true);
      same(answer, goldens.compact, "compact");
      assert.equal(after.problem, "closed");
      await other.close();
    } finally {
      await isolated.close();
    }
  });

  test("the faces of a video are the program's, frame by frame and as it plays", { skip: skipVideos }, async () => {
    const { folder, remove } = videos();
    const file = base64(readFileSync(`${folder}/clip.webm`));
    remove();
    const count = clip().length;
    const [frames, followed] = await page.evaluate(async ([file, count, rate]) => {
      const video = Object.assign(document.createElement("video"), { muted: true, src: URL.createObjectURL(blob(file, "video/webm")) });
      await new Promise((resolve) => { video.onloadeddata = resolve; });
      const one = await recognizer.clip({ smooth: 0.2 });
      const frames = [];
      for (let index = 0; index < count; index += 1) {
        video.currentTime = (index + 0.5) / rate;
        await new Promise((resolve) => { video.onseeked = resolve; });
        frames.push(await one.next(video, index / rate));
      }
      await one.close();
      video.currentTime = 0;
      await new Promise((resolve) => { video.onseeked = resolve; });
      const followed = [];
      const following = recognizer.follow(video, (frame) => followed.push(frame), { smooth: 0.2 });
      await video.play();
      await following.done;
      // Stopped ones tell nothing more.
      video.currentTime = 0;
      await video.play();
      const told = followed.length;
      const stopped = recognizer.follow(video, () => followed.push(null));
      stopped.stop();
      await stopped.done;
      return [frames, followed.slice(0, told)];
    }, [file, count, RATE]);
    const lines = readFileSync(new URL("clip-goldens.jsonl", import.meta.url), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    frames.forEach((frame, index) => {
      same(frame, lines[index], `frame ${index}`, 0.02);
      frame.faces.forEach((face, at) => assert.equal(face.track, lines[index].faces[at].track));
    });
    assert.ok(followed.length >= 2, `${followed.length} frames were followed`);
    followed.forEach((frame, index) => {
      assert.equal(frame.frame, index);
      assert.ok(index === 0 || frame.time > followed[index - 1].time, "times grow");
    });
    assert.ok(followed.some(({ faces }) => faces.some((face) => face.smoothed && face.track === 1)));
  });

  test("nothing was asked of another host", () => assert.deepEqual(elsewhere, []));
});
