/* The page: starts the models, says what is loaded and what is wrong, and leads from the address
   to one of five things to do: `#ask=QUESTION`, `#tokens=TEXT`, `#next=TEXT`,
   `#pretraining=TEXT`, `#best=QUESTION`. */

import {askPart, bestPart} from "./asking.js";
import {el, percent} from "./cards.js";
import {Refused, connect, load, stages} from "./models.js";
import {nextPart, pretrainingPart, tokensPart} from "./parts.js";
import {translate, w} from "./words.js";

const FIRST = ["base", "sft", "reward", "ppo"];
const at = (id) => document.getElementById(id);
const nameOfPage = document.title;
let parts = {}, shownPart = "ask";

const page = {
  /** Tell screen readers, politely. */
  say(text) { at("status").textContent = text; },

  /** Show what is wrong and what to do, with a button that tries `retry` again. */
  trouble(text, retry) {
    const button = el("button", {type: "button", class: "quiet"}, w("retry"));
    button.addEventListener("click", () => {
      at("trouble").replaceChildren();
      retry();
    });
    at("trouble").replaceChildren(el("p", {}, text), ...(retry ? [button] : []));
  },

  /** What a promise brings; null, and the trouble on the page, if it fails. */
  async guarded(retry, promise) {
    try {
      const found = await promise;
      if (found) at("trouble").replaceChildren();
      return found;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error.message, error.code === "input" ? null : retry);
      return null;
    }
  },

  /** The address is a link to what is shown. */
  link(part, value) {
    if (part === shownPart)
      history.replaceState(null, "", `#${part}${value ? `=${encodeURIComponent(value)}` : ""}`);
  },
};

function showLoads() {
  const rows = [...stages].filter(([name, {here, share}]) =>
    FIRST.includes(name) || (share !== undefined && !here));
  at("loads").replaceChildren(...rows.map(([name, {label, here, share, failed}]) => {
    const row = el("li", {"data-stage": name, "data-here": here ? "" : null}, el("b", {}, label));
    if (here) row.append(w("here"));
    else if (failed) row.append(w("failed"));
    else if (share === undefined) row.append(w("waiting"));
    else {
      const words = w("loading", {share: percent(share)});
      row.append(el("progress", {max: 1, value: share, "aria-label": label}), words);
    }
    return row;
  }));
}

/** The part and the text that the address names. */
function address() {
  const [, part, value] = /^#?(\w*)=?(.*)$/s.exec(location.hash);
  try {
    return [part, decodeURIComponent(value)];
  } catch {
    return [part, value];
  }
}

function route() {
  const [part, value] = address();
  shownPart = part in parts ? part : "ask";
  for (const section of document.querySelectorAll("[id^=part-]"))
    section.hidden = section.id !== `part-${shownPart}`;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#${shownPart}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (here) document.title = w("title", {part: link.textContent, page: nameOfPage});
  }
  at("trouble").replaceChildren();
  parts[shownPart](value);
}

/** The stages one after the other, the base model first. */
async function loadAll() {
  for (const name of FIRST.filter((stage) => stages.has(stage)))
    if (!(await page.guarded(loadAll, load(name)))) return;
  page.say(w("allHere"));
  if (globalThis.minigptSingle || !isSecureContext) return;
  if (new URLSearchParams(location.search).has("local")) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    page.say(w("offline"));
  } catch {
    at("loads").append(el("li", {}, w("noStorage")));
  }
}

async function begin() {
  const manifest = await page.guarded(() => location.reload(), connect((text) =>
    at("loads").after(el("p", {class: "hint"}, text)), showLoads));
  if (!manifest) return;
  if (!FIRST.every((name) => stages.has(name))) page.trouble(w("missing"));
  parts = {ask: askPart(page), tokens: tokensPart(page, manifest), next: nextPart(page),
    pretraining: pretrainingPart(page), best: bestPart(page)};
  showLoads();
  addEventListener("hashchange", route);
  addEventListener("online", () => at("trouble").querySelector("button")?.click());
  loadAll();
  route();
}

at("start").remove();
translate(document);
begin();
