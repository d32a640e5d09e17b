// The drawn faces as files of video, made by ffmpeg: without loss, so that the program and a browser see the same pixels.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clip, pictures, png, RATE } from "./pictures.mjs";

/** Why there are no videos, said aloud; `false` where there are. */
export const skip = (() => {
  try {
    execFileSync("ffmpeg", ["-version"], { stdio: "ignore" });
    return false;
  } catch {
    console.error("SKIPPED: the tests with videos, for there is no ffmpeg");
    return "no ffmpeg found";
  }
})();

/** A folder with `clip.webm`, the clip of `pictures.mjs`, and `camera.y4m`, which shows its picture `camera`. */
export function videos() {
  const folder = mkdtempSync(path.join(tmpdir(), "duchenne-videos-"));
  const ffmpeg = (input, ...options) => execFileSync("ffmpeg", ["-v", "error", "-framerate", String(RATE), "-i", path.join(folder, input), ...options]);
  clip().forEach((frame, index) => writeFileSync(path.join(folder, `frame-${String(index).padStart(3, "0")}.png`), png(frame)));
  ffmpeg("frame-%03d.png", "-c:v", "libvpx-vp9", "-lossless", "1", "-pix_fmt", "gbrp", path.join(folder, "clip.webm"));
  writeFileSync(path.join(folder, "still.png"), png(pictures().camera.picture));
  ffmpeg("still.png", "-pix_fmt", "yuv420p", path.join(folder, "camera.y4m"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
