/* What the page shows, as elements: marks, stage cards, scores, tokens, bars. All text goes into
   text nodes, never into HTML, whoever wrote it; the page's own words stand in index.html. */

export const at = (id) => document.getElementById(id);
const KINDS = ["right", "wrong", "unsure", "rude", "none"];  // of verdicts, as counted
const VISIBLE = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"};
const LEAST_SCALE = 1.5;  // a score that fills half a bar, where none is larger

const ENGLISH = {lang: "en", models: "en", words: {}};  // it stands in index.html
let table;  // the words of the scripts

/** Put the page into the language that its address or else the browser asks for, by what site.py
    has written of it. Gives the language whose models it has. */
export async function speak() {
  const links = [...document.querySelectorAll("#languages a")], root = document.documentElement;
  const query = new URLSearchParams(location.search);
  const wish = (query.get("lang") ?? navigator.language).slice(0, 2);
  const other = wish !== "en" && links.some((link) => link.lang === wish);
  const {lang, models, words} = globalThis.minigptSingle?.words ?? (!other ? ENGLISH
    : await fetch(`${wish}.json`).then((answer) => answer.json()).catch(() => ENGLISH));
  const said = (text) => words[text] ?? text, walk = document.createTreeWalker(root, 4);  // texts
  root.lang = lang;
  table = JSON.parse(at("words").textContent, (_, text) => said(text));
  while (walk.nextNode())
    walk.currentNode.data = walk.currentNode.data.replace(/\S.*\S|\S/s, said);
  for (const node of document.querySelectorAll("[aria-label]"))
    node.setAttribute("aria-label", said(node.getAttribute("aria-label")));
  for (const link of links) {
    link.ariaCurrent = link.lang === lang ? "true" : null;
    query.set("lang", link.lang);
    link.search = query;
  }
  return models;
}

/** The page's words of that name, {gaps} filled in; or the list or table that stands there. */
export function w(name, values = {}) {
  const words = table[name], fill = (gap, key) => values[key] ?? gap;
  return typeof words === "string" ? words.replace(/\{(\w+)\}/g, fill) : words;
}

/** An element, "name.class class", with attributes (none where the value is null) and children. */
export function el(kind, attributes = {}, ...children) {
  const [name, look] = kind.split("."), node = document.createElement(name);
  if (look) node.className = look;
  for (const [key, value] of Object.entries(attributes))
    if (value !== null) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function button(text, attributes, onClick) {
  const node = el("button.quiet", {type: "button", ...attributes}, text);
  node.addEventListener("click", onClick);
  return node;
}

/** The frame says it without the colour, the glyph without the frame. */
const mark = (kind) => document.querySelector(`#marks .${kind}`).cloneNode(true);

// ---- numbers and text as readers see them

export const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);
export const grouped = (n) => n.toLocaleString(document.documentElement.lang);

export function percent(p) {
  if (p > 0 && p < 0.0005) return "<\u00a00.1\u00a0%";
  if (p < 1 && p > 0.9995) return ">\u00a099.9\u00a0%";
  const digits = p === 0 || p === 1 || (p > 0.0995 && p < 0.995) ? 0 : 1;
  return `${(100 * p).toFixed(digits)}\u00a0%`;
}

/** An answer in one line: its line breaks as strokes, a number and its unit never parted. */
const inLine = (text) =>
  text.trim().replace(/\s*\n\s*/g, " / ").replace(/(\d) (?=[a-z])/g, "$1\u00a0") || w("nothing");

/** A token's text with nothing hidden in it; bytes that are no whole letter as \xe4. */
export function visible({text, bytes}) {
  const hex = (code) => `\\x${code.toString(16).padStart(2, "0")}`;
  const shown = (c) => VISIBLE[c] ?? (c < " " || c === "\x7f" ? hex(c.charCodeAt(0)) : c);
  const whole = (byte) => (byte < 128 ? shown(String.fromCharCode(byte)) : hex(byte));
  return (text.includes("\ufffd") ? bytes.map(whole) : Array.from(text, shown)).join("");
}

/** The mark of an answer and the word for it, as the notebooks' cards have them. */
export function verdictOf({kind, verdict}, form = "chat") {
  const keys = [`${verdict} of ${kind} ${form}`, `${verdict} of ${kind}`, verdict ?? "open"];
  return Object.entries(keys.map((key) => w("verdicts")[key]).find(Boolean))[0];
}

// ---- a stage card: its answers one below the other, their counts at its foot

export class Card {
  /** what: a sentence that stands there before any answers. Those in a chat have scores. */
  constructor({stage, form, name, how, what = ""}) {
    Object.assign(this, {stage, form, scored: form === "chat", label: w("card", {name, how})});
    this.body = el("div.body", {}, el("p.what", {}, what));
    this.foot = el("footer.foot");
    this.node = el("section.card", {"data-stage": stage, "aria-label": this.label},
      el("header.top", {}, el("h3", {}, name), el("span.how", {}, how)), this.body, this.foot);
  }

  /** n rows that wait for their answers. */
  ask(n) {
    const row = {"data-stage": this.stage, "data-form": this.form, "data-answer": ""};
    this.rows = Array.from({length: n}, () =>
      el("li.draw", row, mark("none"), el("span.said", {}, "…")));
    this.body.replaceChildren(this.scored ? el("div.head", {}, w("scoreHead")) : "",
      el("ol.draws", {role: "list"}, ...this.rows));
    this.foot.replaceChildren();
    return this;
  }

  /** An answer as far as it has come. */
  grow({draw, text}) {
    this.rows[draw].querySelector(".said").textContent = text.trim() ? inLine(text) : "…";
  }

  /** A whole answer: its mark, the word for it, its score; after the last one the counts. */
  whole(answer) {
    const {draw, text, ended, score} = answer, [kind, word] = verdictOf(answer, this.form);
    const row = this.rows[draw], cut = this.form === "chat" && !ended ? ` ${w("cutOff")}` : "";
    Object.assign(row.dataset, {done: "", verdict: kind, word});
    row.replaceChildren(mark(kind),
      el("span.said", {}, inLine(text) + cut, el("span.sr", {}, ` (${word})`)));
    if (row === this.rows.at(-1)) this.count();
    if (!this.scored) return;
    row.append(el("span.score", {"data-score": score}, el("span.bar", {}, el("i")),
      el("b", {}, signed(score))));
    row.style.setProperty("--score", score);
    const box = this.node.parentNode, all = [...box.querySelectorAll("[data-score]")];
    const scale = Math.max(LEAST_SCALE, ...all.map((one) => Math.abs(one.dataset.score)));
    box.style.setProperty("--scale", scale);  // one for all cards
  }

  count() {
    const counts = new Map();  // word → kind, n
    for (const {dataset: {word, verdict}} of this.rows)
      counts.set(word, [verdict, (counts.get(word)?.[1] ?? 0) + 1]);
    const found = KINDS.flatMap((kind) => [...counts].filter(([, [one]]) => one === kind))
      .map(([word, [kind, n]]) => el("span", {}, mark(kind), `${n} ${word}`));
    this.foot.replaceChildren(...found);
    this.told = `${this.label}, ${found.map((one) => one.textContent).join(", ")}`;
  }
}

// ---- tokens and their probabilities

/** Tokens in a row; under: what stands below each, of: how many were given and not drawn. */
export function strip(list, pieces, under, given = 0) {
  list.replaceChildren(...pieces.map((piece, i) =>
    el(!given ? "li" : i < given ? "li.given" : "li.drawn", {},
      el("span.piece", {}, visible(piece)), el("span.under", {}, under(piece)))));
}

/** A token that may come next: its box, its bar, its share. onClick: none for one to look at. */
export function chance(token, stage, onClick) {
  const {p, raw, kept} = token, bar = el("i"), thin = el("i.raw");
  bar.style.width = `${100 * p}%`;
  thin.style.width = onClick && Math.abs(raw - p) > 0.001 ? `${100 * raw}%` : 0;
  const node = onClick ? button("", {}, onClick) : el("div");
  node.className = kept ? "chance" : "chance cut";
  node.dataset.stage = stage;
  node.append(el("span.piece", {}, visible(token)), el("span.long", {}, bar, thin),
    el("span.part", {}, kept ? percent(p) : w("cut")));
  return el("li", {}, node);
}
