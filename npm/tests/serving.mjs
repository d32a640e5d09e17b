// A server of files for tests, and the Chromium that looks at them.
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm",
  ".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png", ".webm": "video/webm",
};

/** Serves folders, each under the beginning of its addresses; the longest beginning first. `counted` is given what was sent. */
export async function serve(folders, { headers = {}, counted = () => {} } = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    const entry = Object.entries(folders).find(([start]) => pathname.startsWith(start));
    if (entry && typeof entry[1] === "string" && !entry[1].includes("\0") && pathname === entry[0] && path.extname(pathname) === "" && entry[1].startsWith("<")) {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers });
      return response.end(entry[1]);
    }
    try {
      const [start, folder] = entry;
      let file = path.join(folder, decodeURIComponent(pathname.slice(start.length)));
      if ((await stat(file)).isDirectory()) file = path.join(file, "index.html");
      const bytes = await readFile(file);
      counted(pathname, bytes.length);
      response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream", ...headers });
      response.end(bytes);
    } catch {
      response.writeHead(404, headers);
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

const npm = fileURLToPath(new URL("..", import.meta.url));

/** The package as a package manager lays it down, and a page that has it as `window.duchenne`. */
export const PACKAGE = {
  "/node_modules/duchenne/": npm,
  "/node_modules/onnxruntime-web/": path.join(npm, "node_modules/onnxruntime-web"),
  "/": `<!doctype html><title>test</title><script type="module">
    window.duchenne = await import("./node_modules/duchenne/dist/browser.js");
  </script>`,
};

/** Headers by which a page may use threads. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const PROGRAM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** Why tests in a browser are skipped, said aloud; `false` where they are not. */
export const skip = PROGRAM ? false : "no Chromium found: install it, or name it in CHROMIUM";
if (skip) console.error(`SKIPPED: the tests in a browser, for there is ${skip}`);

export const launch = (flags = []) => chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox", ...flags] });
