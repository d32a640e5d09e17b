// What is published: the files, their sizes, and that a project which installs them runs and compiles.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const npm = fileURLToPath(new URL("..", import.meta.url));
let folder, packed;

before(() => {
  // A project with the package in it, as a package manager lays it down.
  folder = mkdtempSync(path.join(tmpdir(), "duchenne-package-"));
  [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: npm, encoding: "utf8" }));
  const modules = path.join(folder, "node_modules");
  mkdirSync(path.join(modules, "duchenne"), { recursive: true });
  execFileSync("tar", ["-xzf", path.join(folder, packed.filename), "--strip-components=1", "-C", path.join(modules, "duchenne")]);
  for (const name of ["onnxruntime-web", "onnxruntime-common"]) symlinkSync(path.join(npm, "node_modules", name), path.join(modules, name));
  writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("the package holds what it needs and nothing else", () => {
  const files = packed.files.map((file) => file.path).sort();
  const expected = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist/browser.d.ts", "dist/browser.js", "dist/node.d.ts", "dist/node.js",
    "dist/worker.js", "models/LICENSE-detector", "models/built-in-compact.onnx", "models/built-in.onnx", "models/detector.onnx", "package.json"];
  for (const file of expected) assert.ok(files.includes(file), `${file} is missing`);
  const others = files.filter((file) => !expected.includes(file) && !/^dist\/([\w/]+\.d\.ts|onnxruntime-[\w.-]+\.js)$/.test(file));
  assert.deepEqual(others, []);
});

test("it is as small as it claims", () => {
  const sum = (pattern) => packed.files.filter((file) => pattern.test(file.path)).reduce((all, file) => all + file.size, 0);
  assert.ok(sum(/^models\//) < 8_000_000, `models of ${sum(/^models\//)} bytes`);
  assert.ok(packed.unpackedSize < 7_500_000, `${packed.unpackedSize} bytes in all`);
  const gzip = (file) => gzipSync(readFileSync(path.join(npm, "dist", file))).length;
  const sizes = Object.fromEntries(readdirSync(path.join(npm, "dist")).filter((file) => file.endsWith(".js")).map((file) => [file, gzip(file)]));
  assert.ok(sizes["browser.js"] < 5_000, `browser.js: ${sizes["browser.js"]} bytes`);
  assert.ok(sizes["worker.js"] < 14_000, `worker.js: ${sizes["worker.js"]} bytes`);
});

test("its one dependency is ONNX Runtime, in the version that it was built with", () => {
  const { dependencies, version } = JSON.parse(readFileSync(path.join(npm, "package.json")));
  const installed = JSON.parse(readFileSync(path.join(npm, "node_modules/onnxruntime-web/package.json")));
  assert.deepEqual(dependencies, { "onnxruntime-web": installed.version });
  const program = readFileSync(new URL("../../Cargo.toml", import.meta.url), "utf8");
  assert.match(program, new RegExp(`^version = "${version}"$`, "m"));
});

test("the lock names no registry", () => {
  const text = readFileSync(path.join(npm, "package-lock.json"), "utf8");
  assert.deepEqual([...text.matchAll(/"resolved": "(?!https:\/\/registry\.npmjs\.org\/)[^"]*"/g)].map(([found]) => found), []);
});

test("the examples of the documentation run", () => {
  const guide = readFileSync(new URL("../../docs/javascript.md", import.meta.url), "utf8");
  const example = guide.match(/```js node\n(.*?)```/s)[1];
  writeFileSync(path.join(folder, "example.js"), example);
  for (const name of ["pngjs"]) symlinkSync(path.join(npm, "node_modules", name), path.join(folder, "node_modules", name));
  const picture = fileURLToPath(new URL("../../examples/faces.png", import.meta.url));
  const said = execFileSync("node", ["example.js", picture], { cwd: folder, encoding: "utf8" });
  assert.deepEqual(said.trim().split("\n").map((line) => line.split(" ")[0]), ["happy", "surprise", "surprise", "sad", "angry", "surprise"]);
});

test("its types reach who installs it, in a page and in Node", () => {
  const page = `import { Recognizer, type Face, type Following } from "duchenne";
const recognizer = await Recognizer.load({ model: "built-in-compact", device: "auto", modelsUrl: "/models/" });
const { faces } = await recognizer.recognize(document.querySelector("video")!, { minFace: 40 });
const first: Face | undefined = faces[0];
const happy: number | undefined = first?.probabilities["happy"];
const following: Following = recognizer.follow(document.querySelector("video")!, ({ time, faces }) => console.log(time, faces[0]?.track, happy), { smooth: 0.2 });
following.stop();
// @ts-expect-error a text is no picture
await recognizer.recognize("photo.jpg");
`;
  const node = `import { Recognizer, DuchenneError } from "duchenne";
const recognizer = await Recognizer.load();
const { width, faces } = await recognizer.recognize({ width: 1, height: 1, data: new Uint8Array(4) });
const box: number = faces[0]?.box.x ?? width;
console.log(box, new DuchenneError("picture", "x").problem);
`;
  const options = { target: "es2022", strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: [] };
  const check = (name, text, compilerOptions) => {
    writeFileSync(path.join(folder, `${name}.ts`), text);
    writeFileSync(path.join(folder, `tsconfig.${name}.json`), JSON.stringify({ compilerOptions: { ...options, ...compilerOptions }, files: [`${name}.ts`] }));
    execFileSync(path.join(npm, "node_modules/.bin/tsc"), ["-p", `tsconfig.${name}.json`], { cwd: folder, stdio: "pipe", encoding: "utf8" });
  };
  check("page", page, { module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom"] });
  check("node", node, { module: "nodenext", moduleResolution: "nodenext", lib: ["es2022", "dom"] });
});
