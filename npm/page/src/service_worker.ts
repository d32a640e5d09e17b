/** Keeps the page for visits without a network, and lets it use threads where the web server's headers do not. */
declare const VERSION: string;
declare const FILES: string[];

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Worker {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(type: "message", listener: (event: Extendable & MessageEvent<string[]>) => void): void;
}
const worker = self as unknown as Worker;

const BEGINNING = "duchenne-";
const NAME = `${BEGINNING}${VERSION}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(kept(FILES).then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  const clean = async (): Promise<void> => {
    const older = (await caches.keys()).filter((name) => name.startsWith(BEGINNING) && name !== NAME);
    await Promise.all(older.map((name) => caches.delete(name)));
    await worker.clients.claim();
  };
  event.waitUntil(clean());
});

// The page tells which of the large files it uses.
worker.addEventListener("message", (event) => {
  const port = event.ports[0];
  const done = kept(event.data).then(() => true, () => false);
  event.waitUntil(done.then((isKept) => port?.postMessage(isKept)));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(worker.registration.scope)) event.respondWith(answered(request));
});

/** Keeps those files that are not kept yet. */
async function kept(files: string[]): Promise<void> {
  const cache = await caches.open(NAME);
  for (const file of files) {
    const url = new URL(file, worker.registration.scope).href;
    if (await cache.match(url)) continue;
    // What was loaded a moment ago is not loaded again.
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    await cache.put(url, answer);
  }
}

async function answered(request: Request): Promise<Response> {
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  url.pathname = url.pathname.replace(/\/index\.html$/, "/");
  const cache = await caches.open(NAME);
  const answer = await cache.match(url.href) ?? await fetch(request);
  if (answer.type === "opaque" || answer.status === 0) return answer;
  // What a page needs to be allowed threads.
  const headers = new Headers(answer.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-resource-policy", "same-origin");
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
