// The page in Chromium, as a person uses it.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { pictures, png } from "./pictures.mjs";
import { same } from "./same.mjs";
import { launch, serve, skip } from "./serving.mjs";
import { skip as skipVideos, videos } from "./videos.mjs";

const goldens = JSON.parse(readFileSync(new URL("goldens.json", import.meta.url)));
const dist = new URL("../page/dist", import.meta.url).pathname;

describe("the page", { skip }, () => {
  let server, browser, made;
  const [elsewhere, complaints] = [[], []];
  // A page of a web site lies in some folder of it.
  const FOLDER = "/some/where/";

  /** A page in a profile of its own. */
  async function opened(options = {}) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    const page = await context.newPage();
    context.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(server.address) && !/^(blob|data):/.test(url)) elsewhere.push(url);
    });
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", ({ message }) => complaints.push(message));
    await page.goto(server.address + FOLDER.slice(1));
    return page;
  }
  const file = (name, buffer, mimeType = "image/png") => ({ name, buffer: Buffer.from(buffer), mimeType });
  const picture = (name) => file(`${name}.png`, png(pictures()[name].picture));
  const status = (page, pattern) =>
    page.waitForFunction((source) => new RegExp(source).test(document.querySelector("#status").textContent), pattern.source, { timeout: 120_000 });
  async function saved(page, button) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: button }).click()]);
    return readFileSync(await download.path(), "utf8");
  }

  before(async () => {
    assert.ok(existsSync(dist), "page/dist is not there; `npm run page` makes it");
    made = skipVideos ? null : videos();
    server = await serve({ [FOLDER]: dist });
    const camera = made ? ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${made.folder}/camera.y4m`] : [];
    browser = await launch(camera);
  });
  // What a failed test left open would go on.
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    made?.remove();
  });

  test("pictures are shown with their faces, broken ones are named, all can be saved", async () => {
    const page = await opened();
    await page.setInputFiles("#file", [picture("faces"), picture("right"), picture("dark"), file("notes.png", "some notes")]);
    await status(page, /^4 pictures, 18 faces, 1 could not be read/);
    assert.equal(await page.locator("#stage rect").count(), 6);
    assert.match(await page.locator("#faces h2").first().textContent(), /^Face 1: happy$/);
    const lines = (await saved(page, "Save JSON")).trim().split("\n").map((line) => JSON.parse(line));
    ["faces", "right", "dark"].forEach((name, index) => {
      const { path, ...answer } = lines[index];
      assert.equal(path, `${name}.png`);
      same(answer, goldens[name], name);
    });
    assert.match(lines[3].error, /notes.png.*not a picture/);
    const rows = (await saved(page, "Save CSV")).trim().split("\n");
    assert.equal(rows.length, 19);
    assert.match(rows[0], /^path,.*expression,neutral,happy/);
    await page.getByRole("button", { name: /notes\.png/ }).click();
    assert.match(await page.locator("#faces").textContent(), /not a picture by its content/);
  });

  test("keyboard and screen reader reach everything, and narrow and dark screens hold it", async () => {
    const page = await opened({ viewport: { width: 340, height: 700 }, colorScheme: "dark" });
    await page.setInputFiles("#file", [picture("faces"), picture("small")]);
    await status(page, /^2 pictures/);
    for (const name of ["Camera", "Save JSON", "Save CSV"]) await page.getByRole("button", { name }).waitFor();
    await page.getByRole("combobox", { name: "Model" }).waitFor();
    await page.getByRole("checkbox", { name: "Landmarks" }).waitFor();
    assert.equal(await page.locator("#status").getAttribute("role"), "status");
    // From the beginning on, by the tabulator key alone.
    await page.evaluate(() => document.activeElement.blur());
    const reached = [];
    for (let step = 0; step < 9; step += 1) {
      await page.keyboard.press("Tab");
      reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
    }
    for (const id of ["file", "camera", "model", "landmarks", "json", "csv"]) assert.ok(reached.includes(id), `${id} of ${reached}`);
    await page.getByRole("checkbox", { name: "Landmarks" }).focus();
    await page.keyboard.press("Space");
    assert.equal(await page.locator("#stage circle").count(), 30);
    const [wide, ground] = await page.evaluate(() =>
      [document.documentElement.scrollWidth - innerWidth, getComputedStyle(document.body).backgroundColor]);
    assert.ok(wide <= 0, `${wide} pixels stick out`);
    assert.equal(ground, "rgb(20, 24, 30)");
    await page.getByRole("combobox", { name: "Model" }).selectOption("built-in-compact");
    await page.setInputFiles("#file", [picture("faces")]);
    await status(page, /^6 faces/);
    const { path: _, ...answer } = JSON.parse(await saved(page, "Save JSON"));
    same(answer, goldens.compact, "compact");
  });

  test("a video is followed, drawn over time and saved", { skip: skipVideos }, async () => {
    const page = await opened();
    await page.setInputFiles("#file", [file("clip.webm", readFileSync(`${made.folder}/clip.webm`), "video/webm")]);
    await status(page, /followed$/);
    await page.getByRole("heading", { name: "Over time" }).waitFor();
    const drawing = page.locator("#timeline canvas").first();
    assert.match(await drawing.getAttribute("aria-label"), /^Face \d+ from 0:0\d\.\d to 0:0\d\.\d: .* \d+ %/);
    await page.locator("#timeline summary").first().focus();
    await page.keyboard.press("Enter");
    const moment = page.locator("#timeline ol button").first();
    assert.match(await moment.textContent(), /^0:0\d\.\d to 0:0\d\.\d \w+$/);
    await moment.click();
    const frames = (await saved(page, "Save JSON")).trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(frames.length >= 2);
    frames.forEach((frame, index) => assert.deepEqual([frame.path, frame.frame], ["clip.webm", index]));
    assert.ok(frames.some(({ faces }) => faces.some(({ smoothed }) => smoothed)));
    const [header, ...rows] = (await saved(page, "Save CSV")).trim().split("\n");
    assert.match(header, /^path,frame,time,track,face,x,y,width,height,score,angle,right_eye_x.*smoothed_expression,smoothed_neutral/);
    assert.equal(rows.length, frames.reduce((sum, { faces }) => sum + faces.length, 0));
    for (const row of rows) assert.equal(row.split(",").length, header.split(",").length);
    await page.setInputFiles("#file", [file("broken.webm", "no video", "video/webm")]);
    await status(page, /cannot play that video/);
    assert.equal(await page.locator("#timeline").isHidden(), true);
  });

  test("the camera is followed until it is stopped, and what was seen can be saved", { skip: skipVideos }, async () => {
    const page = await opened({ permissions: ["camera"] });
    await page.getByRole("button", { name: "Camera" }).click();
    await status(page, /^6 faces, [\d.]+ frames a second/);
    await page.getByRole("button", { name: "Stop" }).click();
    await status(page, /faces followed$/);
    const { path, frame, time, ...answer } = JSON.parse((await saved(page, "Save JSON")).split("\n")[0]);
    assert.deepEqual([path, frame, typeof time], ["camera", 0, "number"]);
    const tracks = answer.faces.map(({ track }) => track);
    assert.deepEqual(tracks, [1, 2, 3, 4, 5, 6]);
    const faces = answer.faces.map(({ track, smoothed, ...face }) => face);
    // The camera halves the resolution of colours.
    same({ ...answer, faces }, goldens.camera, "camera", 0.05);
    assert.equal(await page.locator("#stage img").count(), 1);
  });

  test("a second visit needs no network, and has threads", async () => {
    const page = await opened();
    await page.waitForFunction(() => /opens without a network/.test(document.querySelector("#offline").textContent), null, { timeout: 120_000 });
    await page.context().setOffline(true);
    const { address } = server;
    await server.close();
    await page.reload();
    await page.setInputFiles("#file", [picture("faces")]);
    await status(page, /^6 faces/);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    server = { address, close: () => {} };
  });

  test("nothing was asked of another host, and nothing complained of", () => {
    assert.deepEqual(elsewhere, []);
    // A video that is no video is named by the page itself.
    assert.deepEqual(complaints, []);
  });
});
