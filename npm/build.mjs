// Makes dist/ of src/: a file for pages, one for the worker in which networks run, one for Node, and the types.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { build } from "esbuild";

const here = import.meta.dirname;
const dist = `${here}/dist`;
rmSync(dist, { recursive: true, force: true });
execFileSync(`${here}/node_modules/.bin/tsc`, ["-p", here, "--emitDeclarationOnly"], { stdio: "inherit" });
for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(`${here}/../${licence}`, `${here}/${licence}`);
const common = { bundle: true, format: "esm", target: "es2022", outdir: dist, absWorkingDir: here, logLevel: "warning" };
await build({ ...common, entryPoints: ["src/node.ts"], platform: "node", external: ["onnxruntime-web"] });
await build({ ...common, entryPoints: ["src/browser.ts"], platform: "browser" });
// ONNX Runtime's scripts become parts of the worker, so that it runs without a bundler, too; its WebAssembly stays where it is.
await build({
  ...common, entryPoints: ["src/worker.ts"], platform: "browser", splitting: true, chunkNames: "onnxruntime-[name]-[hash]", minify: true,
  conditions: ["onnxruntime-web-use-extern-wasm"], legalComments: "inline",
});
