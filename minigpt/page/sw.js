/* The service worker: after the first visit the page works without a network.

   It keeps all files of one version of the page or none of them: each is compared with its hash
   (SHA-256) before it is kept, under a name that is the version's. Another version is fetched
   beside it and takes its place when no window shows the old one any more, so that no page is made
   of two versions. The two lines below are written by site.py. */
"use strict";

const VERSION = "";
const FILES = {};

const NAME = "minigpt-page-";
const HERE = self.registration.scope;

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function keepAll() {
  const found = [];
  for (const [path, hash] of Object.entries(FILES)) {
    // "no-cache" asks the server whether the copy that the browser has is still the newest.
    const answer = await fetch(new URL(path, HERE), { cache: "no-cache" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    if ((await digest(await answer.clone().arrayBuffer())) !== hash) throw new Error(`${path} differs`);
    found.push([path, answer]);
  }
  const cache = await caches.open(NAME + VERSION);
  for (const [path, answer] of found) await cache.put(new URL(path, HERE), answer);
}

async function dropOthers() {
  for (const name of await caches.keys()) {
    if (name.startsWith(NAME) && name !== NAME + VERSION) await caches.delete(name);
  }
  await self.clients.claim();
}

async function answered(request) {
  const url = new URL(request.url);
  const path = url.href.slice(HERE.length).split(/[?#]/)[0] || "index.html";
  const cache = await caches.open(NAME + VERSION);
  return (await cache.match(new URL(path, HERE))) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("activate", (event) => event.waitUntil(dropOthers()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(HERE)) event.respondWith(answered(event.request));
});
