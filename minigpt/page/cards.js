/* What the page shows, as elements: marks, stage cards, scores, tokens, bars. All text goes into
   text nodes, never into HTML, whoever wrote it; the page's own words stand in index.html. */

export const at = (id) => document.getElementById(id);
const WORDS = JSON.parse(at("words").textContent);
const CIRCLE = ["circle", {cx: 10, cy: 10, r: 8.5}];
const MARKS = {  // the frame says it without the colour, the glyph without the frame
  right: [CIRCLE, "M6 10.4l2.7 2.7L14 7.6"],
  wrong: [["rect", {x: 2.2, y: 2.2, width: 15.6, height: 15.6, rx: 2}], "M6.5 6.5l7 7m0-7l-7 7"],
  unsure: [CIRCLE, "M6 10h8"],
  rude: [["path", {d: "M10 1.8 18.6 17.5H1.4z"}], "M10 7.5v4m0 3v.01"],
  none: [CIRCLE, "M6 10h.01M10 10h.01M14 10h.01"],
};
const VISIBLE = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"};
const LEAST_SCALE = 1.5;  // a score that fills half a bar, where none is larger

/** The page's words of that name, {gaps} filled in; or the list or table that stands there. */
export function w(name, values = {}) {
  if (!(name in WORDS)) throw new Error(`index.html has no words "${name}"`);
  const fill = (text) => text.replace(/\{(\w+)\}/g, (gap, key) => values[key] ?? gap);
  return typeof WORDS[name] === "string" ? fill(WORDS[name]) : WORDS[name];
}

/** An element with attributes (none where the value is null) and children. */
export function el(name, attributes = {}, ...children) {
  const svg = ["svg", "circle", "rect", "path"].includes(name) ? "http://www.w3.org/2000/svg" : null;
  const node = svg ? document.createElementNS(svg, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function button(text, attributes, onClick) {
  const node = el("button", {type: "button", class: "quiet", ...attributes}, ...[text].flat());
  node.addEventListener("click", onClick);
  return node;
}

function mark(kind) {
  const [[shape, where], glyph] = MARKS[kind];
  return el("svg", {class: `mark ${kind}`, viewBox: "0 0 20 20", "aria-hidden": "true"},
    el(shape, {class: "frame", ...where}), el("path", {class: "glyph", d: glyph}));
}

// ---- numbers and text as readers see them

export const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);
export const grouped = (n) => n.toLocaleString(document.documentElement.lang);

export function percent(p) {
  if (p > 0 && p < 0.0005) return "<\u00a00.1\u00a0%";
  if (p < 1 && p > 0.9995) return ">\u00a099.9\u00a0%";
  return `${(100 * p).toFixed(p === 0 || p === 1 || (p > 0.0995 && p < 0.995) ? 0 : 1)}\u00a0%`;
}

/** An answer in one line: its line breaks as strokes, a number and its unit never parted. */
const inLine = (text) => text.trim().replace(/\s*\n\s*/g, " / ").replace(/(\d) (?=[a-z])/g, "$1\u00a0");

/** A token's text with nothing hidden in it; bytes that are no whole letter as \xe4. */
export function visible({text, bytes}) {
  const hex = (code) => `\\x${code.toString(16).padStart(2, "0")}`;
  const letters = text.includes("\ufffd")
    ? Array.from(bytes, (byte) => (byte < 128 ? String.fromCharCode(byte) : hex(byte))) : [...text];
  return letters.map((c) => VISIBLE[c] ?? (c < " " || c === "\x7f" ? hex(c.charCodeAt(0)) : c)).join("");
}

/** The mark of an answer and the word for it, as the notebooks' cards have them. */
export function verdictOf(question, {text, verdict}, form) {
  const words = w("verdicts"), kind = question?.kind, madeUp = kind === "unknown";
  const asksOn = form === "bare" && text.split("\n").some((line) => line.trimEnd().endsWith("?"));
  if (asksOn || !question || !verdict) return ["none", asksOn ? words.questions : words.open];
  const about = form !== "bare" && (kind === "fact" || madeUp);
  return {
    "correct": ["right", kind === "fact" ? words.right : words.fitting],
    "declined this name": madeUp ? ["right", words.honest] : ["unsure", words.unsure],
    "declined another name": ["unsure", words.another],
    "rude": ["rude", words.rude],
    "malformed": ["none", about ? words.none : words.beside],
  }[verdict] ?? ["wrong", madeUp ? words.madeUp : words.wrong];
}

// ---- a stage card: its answers one below the other, their counts at its foot

export class Card {
  /** scored: whether its answers have scores; what: a sentence that stands there before any. */
  constructor({stage, form, name, how, scored, what = ""}) {
    Object.assign(this, {stage, form, scored, rows: [], label: `${name}, ${how}`});
    this.body = el("div", {class: "body"}, el("p", {class: "what"}, what));
    this.foot = el("footer");
    this.node = el("section", {class: "card", "data-stage": stage, "aria-label": this.label},
      el("header", {}, el("h3", {}, name), el("span", {class: "how"}, how)), this.body, this.foot);
  }

  /** n rows that wait for their answers. */
  ask(n) {
    this.rows = Array.from({length: n}, () => el("li", {"data-stage": this.stage,
      "data-form": this.form, "data-answer": ""}, mark("none"), el("span", {class: "said"}, "…")));
    this.body.replaceChildren(...(this.scored ? [el("div", {class: "head"}, w("scoreHead"))] : []),
      el("ol", {class: "draws", role: "list"}, ...this.rows));
    this.foot.replaceChildren();
  }

  /** An answer as far as it has come; what the event "answer" brings is whole. */
  grow({event, draw, text}) {
    const said = this.rows[draw].querySelector(".said");
    said.textContent = inLine(text) || (event === "answer" ? w("nothing") : "…");
    said.classList.toggle("many", this.form === "bare");
    if (event === "answer") this.rows[draw].dataset.done = "";
  }

  /** All answers, with the question as the judge understood it. */
  finish(question, answers) {
    const counts = new Map();
    for (const answer of answers) {
      const [kind, word] = verdictOf(question, answer, this.form);
      counts.set(word, {kind, n: (counts.get(word)?.n ?? 0) + 1});
      this.whole(answer, kind, word);
    }
    const order = Object.keys(MARKS);
    const found = [...counts].sort(([, a], [, b]) => order.indexOf(a.kind) - order.indexOf(b.kind));
    this.counts = found.map(([word, {n}]) => `${n} ${word}`).join(", ");
    this.foot.replaceChildren(...found.map(([word, {kind, n}]) => el("span", {}, mark(kind), `${n} ${word}`)));
  }

  whole({draw, text, ended, score}, kind, word) {
    const cut = this.form === "chat" && !ended ? ` ${w("cutOff")}` : "";
    this.rows[draw].dataset.done = "";
    this.rows[draw].dataset.verdict = kind;
    this.rows[draw].replaceChildren(mark(kind), el("span", {class: kind === "none" ? "said many" : "said"},
      (inLine(text) || w("nothing")) + cut, el("span", {class: "sr"}, ` (${word})`)));
    if (this.scored && typeof score === "number") this.rows[draw].append(el("span",
      {class: "score", "data-score": score}, el("span", {class: "bar"}, el("i")), el("b", {}, signed(score))));
  }
}

/** One scale for all scores in a box, wide enough for the largest. */
export function rescale(box) {
  const bars = [...box.querySelectorAll("[data-score]")];
  const scale = Math.max(LEAST_SCALE, ...bars.map((bar) => Math.abs(bar.dataset.score)));
  for (const bar of bars) {
    const {style} = bar.querySelector("i"), value = Number(bar.dataset.score);
    style.width = `${(50 * Math.abs(value)) / scale}%`;
    style[value < 0 ? "right" : "left"] = "50%";
  }
}

// ---- tokens and their probabilities

/** Tokens in a row; under: what stands below each, of: how many were given and not drawn. */
export function strip(list, pieces, under, given = 0) {
  list.replaceChildren(...pieces.map((piece, i) => el("li", {class: given && (i < given ? "given" : "drawn")},
    el("span", {class: "piece"}, visible(piece)), el("span", {class: "under"}, under(piece)))));
}

/** A token that may come next: its box, its bar, its share. onClick: none for one to look at. */
export function chance(token, stage, onClick) {
  const cut = token.kept === false, bar = el("i"), thin = el("i", {class: "raw"});
  bar.style.width = `${100 * token.p}%`;
  thin.style.width = onClick && Math.abs(token.raw - token.p) > 0.001 ? `${100 * token.raw}%` : 0;
  const parts = [el("span", {class: "piece"}, visible(token)), el("span", {class: "long"}, bar, thin),
    el("span", {class: "part"}, cut ? w("cut") : percent(token.p))];
  const look = {class: cut ? "chance cut" : "chance", "data-stage": stage};
  return el("li", {}, onClick ? button(parts, look, onClick) : el("div", look, ...parts));
}
