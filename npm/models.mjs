// Makes models/: the program writes its built-in networks as ONNX.
//
//     DUCHENNE=../target/release/duchenne npm run models
//
// The classifiers in half precision, which moves probabilities by some ten-thousandths. The detector in full: it has no more than
// 0.2 MB, and half precision moves scores over the threshold below which faces are looked at again.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const program = process.env.DUCHENNE ?? fileURLToPath(new URL("../target/release/duchenne", import.meta.url));
const folder = fileURLToPath(new URL("models/", import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [model, file, ...options] of [
  ["built-in-detector", "detector.onnx"],
  ["built-in", "built-in.onnx", "--half"],
  ["built-in-compact", "built-in-compact.onnx", "--half"],
]) {
  execFileSync(program, ["model", "export", model, "--out", folder + file, ...options], { stdio: ["ignore", "ignore", "inherit"] });
}
// The licence of the detector's weights goes where they go.
cpSync(fileURLToPath(new URL("../crates/duchenne/assets/yunet/LICENSE", import.meta.url)), `${folder}LICENSE-detector`);
