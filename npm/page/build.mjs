// Makes page/dist/, a folder of files that any web server serves: the page of `duchenne serve` (one source: its style, script and
// words are taken from there), with this package instead of the server behind it.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const npm = path.join(here, "..");
const dist = path.join(here, "dist");
const server = readFileSync(path.join(npm, "../crates/duchenne-cli/src/server/page.html"), "utf8");

/** The text with one part, which must be there, replaced. */
function replaced(text, part, by) {
  const found = typeof part === "string" ? text.includes(part) : part.test(text);
  if (!found) throw new Error(`the server's page has no ${part} any more: page/build.mjs has to follow it`);
  return text.replace(part, () => by);
}

const [, style] = server.match(/<style>\n(.*?)<\/style>/s);
const [, script] = server.match(/<script>\n(.*?)<\/script>/s);
let page = replaced(server, /<style>.*?<\/style>/s, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'">
<meta name="description" content="Which expression does a face show? Pictures, videos and the camera, looked at in this browser: nothing is sent anywhere.">
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="manifest" href="manifest.webmanifest">
<link rel="stylesheet" href="shared.css">
<link rel="stylesheet" href="page.css">`);
page = replaced(page, /<script>.*?<\/script>/s, `<script src="shared.js"></script>
<script type="module" src="page.js"></script>`);
page = replaced(page, /Everything goes to the program that serves this page,\s+and nowhere else; nothing is kept\./,
  "They are looked at in this browser:\nnothing is sent anywhere, and no picture is kept.");
// Every frame of a video is what the server does; here frames are looked at as they are played.
page = replaced(page, /  <button [^>]*id="every".*\n/, "");
page = replaced(page, '  <label><input type="checkbox" id="landmarks">', `  <label>Model <select id="model">
    <option value="built-in">most accurate</option><option value="built-in-compact">fastest</option>
  </select></label>
  <label><input type="checkbox" id="landmarks">`);
page = replaced(page, '<p class="note end">', `<section id="timeline" hidden aria-label="Expressions over time"></section>
<noscript><p class="alarm">This page needs JavaScript.</p></noscript>
<p class="note end">`);
page = replaced(page, /(differ between groups of people\.)<\/p>/, `differ between groups of people. In the EU, inferring
emotions at work and in education is prohibited (AI Act, Art. 5(1)(f)), medical and safety uses excepted.</p>
<p class="note" id="offline"></p>`);

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
writeFileSync(path.join(dist, "index.html"), page);
writeFileSync(path.join(dist, "shared.css"), style);
writeFileSync(path.join(dist, "shared.js"), script);
for (const file of ["page.css", "icon.svg", "manifest.webmanifest"]) cpSync(path.join(here, file), path.join(dist, file));

// The package and ONNX Runtime as a package manager lays them down, so that each finds the other.
const runtime = path.join(npm, "node_modules/onnxruntime-web/dist");
const copied = (from, to, pattern) => {
  mkdirSync(path.join(dist, to), { recursive: true });
  for (const file of readdirSync(from).filter((file) => pattern.test(file))) cpSync(path.join(from, file), path.join(dist, to, file));
};
copied(path.join(npm, "dist"), "packages/duchenne/dist", /^(browser|worker|onnxruntime-.*)\.js$/);
copied(path.join(npm, "models"), "packages/duchenne/models", /\.onnx$/);
copied(runtime, "packages/onnxruntime-web/dist", /^ort-wasm-simd-threaded(\.jspi|\.asyncify)?\.(mjs|wasm)$/);

const common = { bundle: true, format: "esm", target: "es2022", outdir: dist, logLevel: "warning" };
await build({
  ...common, entryPoints: [path.join(here, "src/page.ts")],
  plugins: [{
    name: "the package beside the page",
    setup: ({ onResolve }) => onResolve({ filter: /^duchenne$/ }, () => ({ path: "./packages/duchenne/dist/browser.js", external: true })),
  }],
});

// The service worker knows every file that each visit needs; the large ones of the runtime are kept when they are asked for.
const files = readdirSync(dist, { recursive: true }).filter((file) => statSync(path.join(dist, file)).isFile()).sort();
const version = createHash("sha256");
for (const file of files) version.update(file).update(readFileSync(path.join(dist, file)));
const first = files.filter((file) => !file.startsWith("packages/onnxruntime-web") && !file.includes("compact"));
await build({
  ...common, entryPoints: [path.join(here, "src/service_worker.ts")],
  define: { VERSION: JSON.stringify(version.digest("hex").slice(0, 16)), FILES: JSON.stringify(["./", ...first.filter((file) => file !== "index.html")]) },
});
