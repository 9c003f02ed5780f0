/* The page: starts the models, says what is loaded and what is wrong, and leads from the address
   to one of five things to do: `#ask=QUESTION`, `#tokens=TEXT`, `#next=TEXT`,
   `#pretraining=TEXT`, `#best=QUESTION`. */

import {askPart, bestPart} from "./asking.js";
import {at, button, el, percent, w} from "./cards.js";
import {FIRST, connect, load, stages} from "./models.js";
import {nextPart, pretrainingPart, tokensPart} from "./parts.js";

const nameOfPage = document.title;
const failed = new Set();  // functions that try again what went wrong
let parts = {}, shown = "ask";

const page = {
  /** Tell screen readers, politely. */
  say(text) { at("status").textContent = text; },

  /** Show what is wrong and what to do, with a button that tries again all that failed. */
  trouble(text, retry) {
    const again = () => page.clear().forEach((one) => one());
    if (retry) failed.add(retry);
    at("trouble").replaceChildren(el("p", {}, text), ...(failed.size ? [button(w("retry"), {}, again)] : []));
  },

  clear() {
    const all = [...failed];
    failed.clear();
    at("trouble").replaceChildren();
    return all;
  },

  /** What a promise brings; null, and the trouble on the page, where it fails. */
  async guarded(retry, promise) {
    try {
      const found = await promise;
      if (!failed.size) page.clear();
      return found;
    } catch (error) {
      if (!error.code) throw error;  // not one of the models'
      page.trouble(error.message, error.code === "input" ? null : retry);
      return null;
    }
  },

  /** Make the address a link to what is shown. */
  link(part, value) {
    const hash = `#${part}${value ? `=${encodeURIComponent(value.toWellFormed?.() ?? value)}` : ""}`;
    if (part === shown) history.replaceState(null, "", hash);
  },
};

function showLoads() {
  const onWay = [...stages.keys()].filter((name) => stages.get(name).loading && !stages.get(name).here);
  const names = new Set([...FIRST.filter((name) => stages.has(name)), ...onWay]);
  at("loads").replaceChildren(...Array.from(names, (name) => {
    const {label, here, share = 0} = stages.get(name), loading = onWay.includes(name);
    return el("li", {"data-stage": name, "data-here": here ? "" : null}, el("b", {}, label),
      ...(loading ? [el("progress", {max: 1, value: share, "aria-label": label})] : []),
      here ? w("here") : loading ? w("loading", {share: percent(share)}) : w("waiting"));
  }));
}

/** Show the part that the address names, with the text that it names. */
function route() {
  const [, part, value] = /^#?(\w*)=?(.*)$/s.exec(location.hash);
  let text = value;
  try {
    text = decodeURIComponent(value);
  } catch {}  // somebody wrote a % as it is
  shown = part in parts ? part : "ask";
  for (const section of document.querySelectorAll("[id^=part-]")) section.hidden = section.id !== `part-${shown}`;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#${shown}`;
    link.ariaCurrent = here ? "page" : null;
    if (here) document.title = w("title", {part: link.textContent, page: nameOfPage});
  }
  if (!failed.size) page.clear();
  parts[shown](text);
}

async function loadAll() {
  if (!(await page.guarded(loadAll, load(...FIRST)))) return;
  page.say(w("allHere"));
  if (globalThis.minigptSingle || !isSecureContext || new URLSearchParams(location.search).has("local")) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    page.say(w("offline"));
  } catch {
    at("loads").append(el("li", {}, w("noStorage")));
  }
}

async function begin() {
  const hint = (text) => at("loads").after(el("p", {class: "hint"}, text));
  const manifest = await page.guarded(() => location.reload(), connect(hint, showLoads));
  if (!manifest) return;
  parts = {ask: askPart(page), tokens: tokensPart(page, manifest), next: nextPart(page, manifest),
    pretraining: pretrainingPart(page), best: bestPart(page)};
  addEventListener("hashchange", route);
  addEventListener("online", () => at("trouble").querySelector("button")?.click());
  loadAll();
  route();
  if (!FIRST.every((name) => stages.has(name))) page.trouble(w("missing"));
}

at("start").remove();
begin();
