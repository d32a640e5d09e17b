/** The page without a server: what the script of the server's page does by asking the server is done here by the package. */
import { Recognizer } from "duchenne";
import { Recording } from "./recording.js";
import { Timeline } from "./timeline.js";

/** Seconds over which a video's labels are smoothed, and between two drawings of its timeline. */
const SMOOTH = 0.2;
const REDRAW = 0.5;
/** Video files are played so slowly that so many frames of each of their seconds are looked at, within these limits. */
const FRAMES = 8;
const [SLOWEST, FASTEST] = [0.1, 1];
/** In videos, faces below this share of the picture's width are passed over: fast enough to follow. */
const SMALLEST = 1 / 16;

const model = document.querySelector<HTMLSelectElement>("#model")!;
const status = document.querySelector("#status")!;
const shared = globalThis as unknown as Record<string, unknown>;

let video: HTMLVideoElement | null = null;
let recording: Recording | null = null;
const timeline = new Timeline(document.querySelector<HTMLElement>("#timeline")!, (time) => {
  if (video && !video.srcObject) video.currentTime = time;
});

let loading = load();

async function load(): Promise<Recognizer> {
  const words = "loading the networks, once some 20 megabytes …";
  if (status.textContent === "") say(words);
  try {
    const recognizer = await Recognizer.load({ model: model.value });
    if (status.textContent === words) say("");
    void keep();
    return recognizer;
  } catch (error) {
    say((error as Error).message, true);
    throw error;
  }
}
// Whoever needs the networks is told; that nobody did yet is no error.
loading.catch(() => {});

model.addEventListener("change", () => {
  const before = loading;
  loading = load();
  loading.catch(() => {});
  void before.then((recognizer) => recognizer.close(), () => {});
});

shared["recognise"] = async (picture: Blob) => (await loading).recognize(picture);

const beginShared = begin;
shared["begin"] = () => {
  timeline.clear();
  recording = null;
  video = null;
  return beginShared();
};

const showVideoShared = showVideo;
shared["showVideo"] = (file: File) => {
  name = file.name || "video";
  return showVideoShared(file);
};
let name = "camera";
document.querySelector("#camera")!.addEventListener("click", () => { name = "camera"; }, { capture: true });

shared["follow"] = async (playing: HTMLVideoElement, mine: number) => {
  const isFile = !playing.srcObject;
  say("looking …");
  // Nothing is missed while the networks are loaded.
  if (isFile) playing.pause();
  const recognizer = await loading;
  if (turn !== mine) return;
  if (isFile) void playing.play().catch(() => {});
  video = playing;
  const current = new Recording(name);
  recording = current;
  const began = performance.now();
  let [frames, told, drawn] = [0, 0, 0];
  const following = recognizer.follow(playing, (frame) => {
    if (turn !== mine) return;
    show(frame);
    current.add(frame);
    frames += 1;
    const now = performance.now() / 1000;
    const rate = frames / (now - began / 1000);
    if (isFile) playing.playbackRate = Math.min(FASTEST, Math.max(SLOWEST, rate / FRAMES));
    // Not for every frame: it is read aloud to those who cannot see it.
    if (now - told > 2) {
      say(`${count(frame.faces.length)}, ${rate.toFixed(rate < 3 ? 1 : 0)} frames a second`);
      told = now;
    }
    if (now - drawn > REDRAW) {
      timeline.draw(current, false);
      drawn = now;
    }
  }, { smooth: SMOOTH, minFace: Math.max(12, Math.round(playing.videoWidth * SMALLEST)) });
  const releaseShared = release;
  release = () => {
    following.stop();
    releaseShared();
  };
  try {
    await following.done;
  } catch (error) {
    if (turn === mine) say((error as Error).message, true);
  }
  if (turn === mine) finished(current);
};

/** Offers what was seen of a video that ended or was stopped. */
function finished(current: Recording): void {
  stopButton.hidden = true;
  if (current.isEmpty) return;
  timeline.draw(current, true);
  saveButtons.forEach((button) => { button.hidden = false; });
  say(current.people.size === 0 ? "no face found" : `${count(current.people.size)} followed`);
}

// The server's page forgets what was seen; here it can be saved.
stopButton.addEventListener("click", (event) => {
  if (!recording || !video) return;
  event.stopImmediatePropagation();
  if (video.srcObject) stage.replaceChild(still(video), video);
  else video.pause();
  turn += 1;
  release();
  release = () => {};
  finished(recording);
}, { capture: true });

/** The picture that a camera showed last. */
function still(playing: HTMLVideoElement): HTMLImageElement {
  const canvas = element("canvas", { width: playing.videoWidth, height: playing.videoHeight });
  canvas.getContext("2d")!.drawImage(playing, 0, 0);
  return element("img", { src: canvas.toDataURL("image/jpeg", 0.9), alt: "The last picture of the camera" });
}

const [jsonShared, csvShared] = [resultsAsJson, resultsAsCsv];
shared["resultsAsJson"] = () => recording?.json() ?? jsonShared();
shared["resultsAsCsv"] = () => recording?.csv() ?? csvShared();

/** Keeps the page for visits without a network, and says so. */
async function keep(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const note = document.querySelector("#offline")!;
  try {
    await navigator.serviceWorker.register("service_worker.js");
    const { active } = await navigator.serviceWorker.ready;
    const channel = new MessageChannel();
    const answer = new Promise<boolean>((resolve) => {
      channel.port1.onmessage = ({ data }) => resolve(data === true);
    });
    const { device } = await loading;
    const variant = device === "wasm" ? "" : "Suspending" in WebAssembly ? ".jspi" : ".asyncify";
    const runtime = `packages/onnxruntime-web/dist/ort-wasm-simd-threaded${variant}`;
    active!.postMessage([`${runtime}.mjs`, `${runtime}.wasm`, `packages/duchenne/models/${model.value}.onnx`], [channel.port2]);
    if (await answer) note.textContent = "This page is kept in your browser and opens without a network, too.";
  } catch {
    note.textContent = "This browser does not keep the page: without a network it will not open.";
  }
}
