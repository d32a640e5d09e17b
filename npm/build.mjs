// Makes dist/ of src/: one file for pages, one for the worker in which networks run, one for Node, and the types.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
execFileSync("node_modules/.bin/tsc", ["--emitDeclarationOnly"], { stdio: "inherit" });
const common = { bundle: true, format: "esm", target: "es2022", outdir: "dist", minify: false, legalComments: "inline", logLevel: "warning" };
await build({ ...common, entryPoints: ["src/node.ts"], platform: "node", external: ["onnxruntime-web"] });
