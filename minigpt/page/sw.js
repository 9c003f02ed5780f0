/* The service worker: after the first visit the page works without a network.

   It keeps all files of one version, in the languages of its own address, or none; the browser
   compares each with its hash. Another version is fetched beside it and takes its place when the
   last window of the old one is loaded again, or after it was closed, so that no page is made of
   two versions. site.py writes the first two lines. */
const VERSION = "";
const FILES = {};

const NAME = "minigpt-page-", LANGUAGES = self.location.search.slice(1).split("&");
const HERE = self.registration.scope;

async function keepAll() {
  const files = Object.assign({}, FILES.all, ...LANGUAGES.map((lang) => FILES[lang]));
  const found = Object.entries(files).map(async ([path, integrity]) => {
    // "no-cache": the browser may have a copy, and asks the server whether it is still the newest.
    const answer = await fetch(new URL(path, HERE), { cache: "no-cache", integrity });
    return [new URL(path, HERE), answer];
  });
  const answers = await Promise.all(found), cache = await caches.open(NAME + VERSION);
  for (const [path, answer] of answers) await cache.put(path, answer);
}

async function dropOthers() {
  for (const name of await caches.keys())
    if (name.startsWith(NAME) && name !== NAME + VERSION) await caches.delete(name);
  await self.clients.claim();
}

async function answered(request) {
  const { waiting } = self.registration;
  if (waiting && request.mode === "navigate" && (await self.clients.matchAll()).length < 2) {
    waiting.postMessage("take over"); // and then it answers
    const again = "<!doctype html><script>setTimeout(() => location.reload(), 200)</script>";
    return new Response(again, { headers: { "Content-Type": "text/html" } });
  }
  const path = request.url.slice(HERE.length).split(/[?#]/)[0] || "index.html";
  const cache = await caches.open(NAME + VERSION);
  return (await cache.match(new URL(path, HERE))) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("message", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(dropOthers()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(HERE)) event.respondWith(answered(event.request));
});
