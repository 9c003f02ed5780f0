/* What the page shows, as elements: marks, stage cards, scores, tokens, bars. All text goes into
   text nodes, never into HTML, whoever wrote it. */

import {w} from "./words.js";

const CIRCLE = ["circle", {cx: 10, cy: 10, r: 8.5}];
const MARKS = {  // the frame says it without the colour, the glyph without the frame
  right: [CIRCLE, "M6 10.4l2.7 2.7L14 7.6"],
  wrong: [["rect", {x: 2.2, y: 2.2, width: 15.6, height: 15.6, rx: 2}], "M6.5 6.5l7 7m0-7l-7 7"],
  unsure: [CIRCLE, "M6 10h8"],
  rude: [["path", {d: "M10 1.8 18.6 17.5H1.4z"}], "M10 7.5v4m0 3v.01"],
  none: [CIRCLE, "M6 10h.01M10 10h.01M14 10h.01"],
};
const VISIBLE = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"};
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; of an attribute that is null there is none. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function fill(node, attributes, children = []) {
  for (const [key, value] of Object.entries(attributes))
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawn(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

export function mark(kind) {
  const [[shape, where], glyph] = MARKS[kind];
  return drawn("svg", {class: `mark ${kind}`, viewBox: "0 0 20 20", "aria-hidden": "true"},
    drawn(shape, {class: "frame", ...where}), drawn("path", {class: "glyph", d: glyph}));
}

// ---- numbers and text as readers see them

export const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(2);

export function percent(p) {
  if (p > 0 && p < 0.0005) return "< 0.1\u00a0%";
  return `${(100 * p).toFixed(p < 0.0995 && p > 0 ? 1 : 0)}\u00a0%`;
}

export const grouped = (n) => n.toLocaleString("en-US");

/** An answer in one line: its line breaks as strokes, a number and its unit never parted. */
export function inLine(text) {
  return text.trim().replace(/\s*\n+\s*/g, " / ").replace(/(\d) (?=[a-z])/g, "$1\u00a0");
}

/** A token's text with nothing hidden in it; bytes that are no whole letter as \xe4. */
export function visible({text, bytes}) {
  const letters = !text.includes("\ufffd") ? [...text] : Array.from(bytes, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  return letters.map((c) => VISIBLE[c] ?? (c < " " || c === "\x7f"
    ? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}` : c)).join("");
}

/** The mark of an answer and the word for it, as the notebooks' cards have them. */
export function verdictOf(question, answer, form) {
  const words = w("verdicts"), bare = form === "bare";
  if (bare && answer.text.split("\n").some((line) => line.trimEnd().endsWith("?")))
    return ["none", words.questions];
  if (!question || !answer.verdict) return ["none", words.open];
  const {kind} = question, about = !bare && (kind === "fact" || kind === "unknown");
  switch (answer.verdict) {
    case "correct": return ["right", kind === "fact" ? words.right : words.fitting];
    case "declined this name":
      return kind === "unknown" ? ["right", words.honest] : ["unsure", words.unsure];
    case "declined another name": return ["unsure", words.another];
    case "rude": return ["rude", words.rude];
    case "malformed": return ["none", about ? words.none : words.beside];
    default: return ["wrong", kind === "unknown" ? words.madeUp : words.wrong];
  }
}

// ---- scores: one scale in all cards of a part, wide enough for the largest

const LEAST_SCALE = 1.5;

function score(value) {
  return el("span", {class: "score", "data-score": value},
    el("span", {class: "bar"}, el("i")), el("b", {}, signed(value)));
}

export function rescale(part) {
  const bars = [...part.querySelectorAll("[data-score]")];
  const scale = Math.max(LEAST_SCALE, ...bars.map((bar) => Math.abs(bar.dataset.score)));
  for (const bar of bars) {
    const value = Number(bar.dataset.score), {style} = bar.querySelector("i");
    style.width = `${(50 * Math.abs(value)) / scale}%`;
    style[value < 0 ? "right" : "left"] = "50%";
  }
}

// ---- a stage card: its answers one below the other, their counts at its foot

export class Card {
  /** scored: whether its answers get scores; what: a sentence to stand there before any. */
  constructor({stage, form, name, how, scored, what}) {
    Object.assign(this, {stage, form, name, rows: [], marks: []});
    this.label = `${name}, ${how}`;
    this.list = el("ol", {class: "draws", role: "list", hidden: ""});
    this.what = el("p", {class: "what"}, what ?? "");
    this.foot = el("footer");
    this.head = el("div", {class: "head", hidden: ""}, w("scoreHead"));
    this.scored = scored;
    this.node = el("section", {class: "card", "data-stage": stage, "aria-label": this.label},
      el("header", {}, el("h3", {}, name), el("span", {class: "how"}, how)),
      this.head, this.what, this.list, this.foot);
  }

  /** n rows that wait for their answers. */
  ask(n) {
    this.what.hidden = true;
    this.list.hidden = false;
    this.head.hidden = !this.scored;
    this.rows = Array.from({length: n}, () => el("li", {"data-stage": this.stage,
      "data-form": this.form, "data-answer": ""}, mark("none"), el("span", {class: "said"}, "…")));
    this.list.replaceChildren(...this.rows);
    this.foot.replaceChildren();
  }

  /** An answer as far as it has come. */
  grow(draw, text) {
    this.rows[draw].querySelector(".said").textContent = inLine(text) || "…";
    this.rows[draw].querySelector(".said").classList.toggle("many", this.form === "bare");
  }

  /** All answers, with the question as the judge understood it. */
  finish(question, answers) {
    this.answers = answers;
    this.marks = answers.map((answer) => verdictOf(question, answer, this.form));
    answers.forEach((answer, i) => this.whole(answer, ...this.marks[i]));
    const counts = new Map();
    for (const kind of Object.keys(MARKS))
      for (const [found, word] of this.marks)
        if (found === kind) counts.set(word, [kind, (counts.get(word)?.[1] ?? 0) + 1]);
    this.counts = [...counts].map(([word, [, n]]) => `${n} ${word}`).join(", ");
    this.foot.replaceChildren(...[...counts].map(([word, [kind, n]]) =>
      el("span", {}, mark(kind), `${n} ${word}`)));
  }

  whole(answer, kind, word) {
    const cut = this.form === "chat" && !answer.ended ? ` ${w("cutOff")}` : "";
    const text = (inLine(answer.text) || w("nothing")) + cut;
    const row = this.rows[answer.draw];
    row.setAttribute("data-done", "");
    row.setAttribute("data-verdict", kind);
    row.replaceChildren(mark(kind), el("span", {class: kind === "none" ? "said many" : "said"},
      text, el("span", {class: "sr"}, ` (${word})`)));
    if (this.scored && typeof answer.score === "number") row.append(score(answer.score));
  }
}

// ---- tokens and their probabilities

/** Tokens in a row. under: what stands below each; kind: a class for each; both functions. */
export function strip(list, pieces, under, kind = () => "") {
  list.replaceChildren(...pieces.map((piece, i) => el("li", {class: kind(piece, i)},
    el("span", {class: "piece"}, visible(piece)), el("span", {class: "under"}, under(piece)))));
}

/** A token that may come next: its box, its bar and the share. onClick: null for one to look at. */
export function chance(token, stage, onClick) {
  const cut = token.kept === false;
  const long = el("span", {class: "long"}, el("i"), el("i", {class: "raw"}));
  const share = cut ? w("cut") : percent(token.p);
  long.firstChild.style.width = `${100 * token.p}%`;
  long.lastChild.style.width = onClick ? `${100 * token.raw}%` : 0;
  const parts = [el("span", {class: "piece"}, visible(token)), long, el("span", {class: "part"}, share)];
  const shape = {class: cut ? "chance cut" : "chance", "data-stage": stage};
  if (!onClick) return el("li", {}, el("div", shape, ...parts));
  const label = w("goOn", {piece: visible(token), share});
  const button = el("button", {...shape, type: "button", "aria-label": label}, ...parts);
  button.addEventListener("click", onClick);
  return el("li", {}, button);
}

export function restOf(n, p) {
  return el("li", {}, el("div", {class: "chance rest"}, el("span", {}, w("others", {n: grouped(n)})),
    el("span"), el("span", {class: "part"}, percent(p))));
}
