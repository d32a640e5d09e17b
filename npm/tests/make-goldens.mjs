// Writes tests/goldens.json and tests/clip-goldens.jsonl: what the program says of the pictures and of the clip of `pictures.mjs`.
// Needs ffmpeg, which makes a file of the clip without loss.
//
//     DUCHENNE=../target/release/duchenne npm run goldens
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clip, pictures, png, RATE } from "./pictures.mjs";

const program = process.env.DUCHENNE ?? new URL("../../target/release/duchenne", import.meta.url).pathname;
const folder = mkdtempSync(path.join(tmpdir(), "duchenne-goldens-"));
const goldens = {};
for (const [name, { picture, arguments: given = [] }] of Object.entries(pictures())) {
  const file = path.join(folder, `${name}.png`);
  writeFileSync(file, png(picture));
  const { path: _, ...answer } = JSON.parse(execFileSync(program, ["predict", file, "--json", ...given], { encoding: "utf8" }));
  goldens[name] = answer;
}

clip().forEach((frame, index) => writeFileSync(path.join(folder, `frame-${String(index).padStart(3, "0")}.png`), png(frame)));
const file = path.join(folder, "clip.mkv");
const frames = path.join(folder, "frame-%03d.png");
execFileSync("ffmpeg", ["-v", "error", "-framerate", String(RATE), "-i", frames, "-c:v", "ffv1", "-pix_fmt", "bgr0", file]);
const lines = execFileSync(program, ["predict", file, "--json", "--smooth", "0.2"], { encoding: "utf8" }).trim().split("\n");
const said = lines.map((line) => {
  const { path: _, ...frame } = JSON.parse(line);
  return `${JSON.stringify(frame)}\n`;
});
writeFileSync(new URL("clip-goldens.jsonl", import.meta.url), said.join(""));
rmSync(folder, { recursive: true });
writeFileSync(new URL("goldens.json", import.meta.url), `{\n${Object.entries(goldens)
  .map(([name, golden]) => `${JSON.stringify(name)}: ${JSON.stringify(golden)}`).join(",\n")}\n}\n`);
