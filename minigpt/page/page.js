/* The page: starts the models, says what is loaded and what is wrong, and leads from the address
   to one of five things to do: `#ask=QUESTION`, `#tokens=TEXT`, `#next=TEXT`,
   `#pretraining=TEXT`, `#best=QUESTION`. */

import {at, button, el, percent, speak, w} from "./cards.js";
import {call, connect, manifest, stages} from "./models.js";
import {askPart, bestPart, nextPart, pretrainingPart, tokensPart} from "./parts.js";

const LETTERS = 2000;  // of a text that an address names
let parts = {}, shown = "ask", broken = false;

const page = {
  /** Tell screen readers, politely. */
  say(text) { at("status").textContent = text; },

  /** Show what is wrong and what to do; unless it was typed, with a button that tries again. */
  trouble(code, values) {
    broken ||= !["empty", "tooManyTokens"].includes(code);
    at("trouble").replaceChildren(el("p", {}, w(code, values)),
      broken ? button(w("retry"), {}, again) : "");
  },

  /** What a promise brings; undefined, and the trouble on the page, where it fails. */
  async guarded(promise) {
    try {
      const found = await promise;
      if (!broken) at("trouble").replaceChildren();
      return found;
    } catch (error) {
      if (!error.values) throw error;  // not one of the models'
      return page.trouble(error.code, error.values);
    }
  },

  /** Make the address a link to what is shown. */
  link(part, value) {
    const hash = String(new URLSearchParams({[part]: value})).replaceAll("+", "%20");
    if (part === shown) history.replaceState(null, "", `#${hash}`);
  },
};

function again() {
  if (!stages.size) return location.reload();
  broken = false;
  loadAll();
  return route();
}

function showLoads() {
  const rows = [...stages.values()].map(({name, label, hidden, share, here}) => {
    const onWay = typeof share === "number" && !here;
    return hidden && !onWay ? "" : el("li", {"data-stage": name, "data-here": here ? "" : null},
      el("b", {}, label), onWay ? el("progress", {max: 1, value: share, "aria-label": label}) : "",
      here ? w("here") : onWay ? w("loading", {share: percent(share)}) : w("waiting"));
  });
  at("loads").replaceChildren(...rows.filter(Boolean));
}

/** Show the part that the address names, with the text that it names. */
function route() {
  const hash = location.hash.slice(1).replace(/[+&]/g, encodeURIComponent);  // as they are
  const [[part, text] = ["ask", ""]] = new URLSearchParams(hash);
  shown = Object.hasOwn(parts, part) ? part : "ask";
  for (const one of Object.keys(parts)) at(`part-${one}`).hidden = one !== shown;
  for (const link of document.querySelectorAll("#parts a")) {
    const here = link.hash === `#${shown}`;
    link.ariaCurrent = here ? "page" : null;
    if (here) document.title = w("title", {part: link.textContent, page: w("name")});
  }
  for (const link of document.querySelectorAll("#languages a")) link.hash = shown;
  if (!broken) at("trouble").replaceChildren();
  parts[shown](text.slice(0, LETTERS));
}

async function loadAll() {
  if (!(await page.guarded(call({do: "load"}).result))) return;
  page.say(w("allHere"));
  const local = new URLSearchParams(location.search).has("local");
  if (globalThis.minigptSingle || !isSecureContext || local) return;
  let kept;
  try {
    kept = navigator.serviceWorker.controller;  // by an earlier visit
    const languages = `${document.documentElement.lang}&${manifest.lang}`;
    await navigator.serviceWorker.register(`sw.js?${languages}`);
    await navigator.serviceWorker.ready;
    page.say(w("kept"));
  } catch {
    if (!kept) at("loads").append(el("li", {}, w("noStorage")));
  }
}

async function begin(models) {
  await page.guarded(connect(models, showLoads));
  if (!manifest) return;
  const drawing = `data/${models}/stages.svg`, inside = globalThis.minigptSingle?.files[drawing];
  const src = inside ? `data:image/svg+xml;base64,${inside}` : drawing;
  Object.assign(at("drawing"), {src, alt: manifest.drawing});
  parts = {ask: askPart(page), tokens: tokensPart(page), next: nextPart(page),
    pretraining: pretrainingPart(page), best: bestPart(page)};
  addEventListener("hashchange", route);
  addEventListener("online", () => broken && again());
  loadAll();
  route();
}

at("start").remove();
speak().then(begin);
