/* Three of the five things to do: tokens, the next token, and one text through pretraining. */

import {presetsOf, slider} from "./asking.js";
import {chance, el, grouped, percent, restOf, strip, visible} from "./cards.js";
import {call, cancel, load, snapshots, stages} from "./models.js";
import {w} from "./words.js";

const CONTEXT = 256, SHOWN = 10, LONGEST = 60, GROWN = 32;

/** The function, called once when nobody has called it for a moment. */
function calm(then, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds, ...given);
  };
}

const anySeed = () => Math.floor(Math.random() * 2 ** 31);

export function tokensPart(page, manifest) {
  const field = document.getElementById("text"), box = document.getElementById("strips");
  const button = document.getElementById("gpt2"), said = button.textContent;
  const announce = calm(page.say, 1000);
  let running = 0, gpt2 = false;
  button.hidden = !manifest.gpt2;

  async function cut() {
    const text = field.value;
    page.link("tokens", text);
    cancel(running);
    const request = call({do: "encode", text, gpt2}, {progress: ({loaded, total}) => {
      if (!button.hidden) button.textContent = w("loading", {share: percent(loaded / total)});
    }});
    running = request.id;
    const found = await page.guarded(cut, request.result);
    button.hidden = !manifest.gpt2 || Boolean(found?.gpt2);
    button.textContent = said;
    if (!found || running !== request.id) return;
    const both = [[w("ours"), found.pieces], ...(found.gpt2 ? [[w("theirs"), found.gpt2]] : [])];
    const lines = both.map(([name, pieces]) => w("counts", {name, n: grouped(pieces.length),
      bytes: grouped(found.bytes), ratio: (found.bytes / Math.max(1, pieces.length)).toFixed(2)}));
    box.replaceChildren(...both.flatMap(([, pieces], i) => {
      const list = el("ol", {class: "strip", role: "list", "aria-label": both[i][0]});
      strip(list, pieces, ({id}) => grouped(id));
      return [el("p", {class: "sum"}, lines[i]), list];
    }));
    announce(text ? lines.join(". ") : w("emptyText"));
  }

  field.addEventListener("input", calm(cut, 80));
  button.addEventListener("click", () => {
    gpt2 = true;
    cut();
  });
  return (value) => {
    if (value) field.value = value;
    else if (box.childElementCount) return;
    else field.value = w("text");
    cut();
  };
}

export function nextPart(page) {
  const [field, pick, cutK, soFar, list] =
    ["prompt", "next-stage", "top-k", "so-far", "chances"].map((id) => document.getElementById(id));
  const [one, many, back, anew] =
    ["draw-one", "draw-many", "back", "anew"].map((id) => document.getElementById(id));
  const knob = calm(() => look(), 60);
  const heat = slider("next-temperature", (x) => x.toFixed(1), knob);
  const cutP = slider("top-p", (x) => x.toFixed(2), knob);
  let added = [], running = 0, before = [];

  const chat = () => pick.value !== "base";
  const knobs = () => ({temperature: heat(), topK: Number(cutK.value) || undefined,
    topP: cutP() < 1 ? cutP() : undefined});
  const request = () => ({stage: pick.value, [chat() ? "question" : "prompt"]: field.value,
    more: added.map(({id}) => id), ...knobs()});

  async function look(news = "") {
    page.link("next", field.value);
    cancel(running);
    if (!field.value.trim() && chat()) return page.trouble(w("emptyText"));
    const asked = call({do: "next", ...request(), most: SHOWN});
    running = asked.id;
    const found = await page.guarded(look, asked.result);
    if (!found || running !== asked.id) return;
    before = found.prompt.slice(0, found.prompt.length - added.length);
    write();
    const ended = added.at(-1)?.special, full = before.length + added.length >= CONTEXT;
    one.disabled = many.disabled = Boolean(ended || full);
    back.disabled = anew.disabled = !added.length;
    if (ended || full) {
      list.replaceChildren(el("li", {}, w(ended ? "ended" : "full")));
      return page.say(w(ended ? "ended" : "full"));
    }
    const at = [...list.children].findIndex((row) => row.contains(document.activeElement));
    list.replaceChildren(...found.tokens.map((token) => chance(token, pick.value, () => add(token))),
      restOf(1024 - found.tokens.length, found.rest));
    if (at >= 0) list.children[at].querySelector("button")?.focus();
    const [best] = found.tokens;
    if (news) page.say(w("added", {piece: news, next: visible(best), share: percent(best.p)}));
  }

  function write() {
    soFar.dataset.stage = pick.value;
    strip(soFar, [...before, ...added], ({p}) => (p === undefined ? "\u00a0" : percent(p)),
      (piece, i) => (i < before.length ? "given" : "drawn"));
  }

  function add(token) {
    added = [...added, {...token, p: token.p}];
    look(visible(token));
  }

  async function draw(most) {
    cancel(running);
    const old = added.length;
    const asked = call({do: "complete", ...request(), n: 1, seed: anySeed(), maxTokens: most}, {
      token: ({token}) => {
        if (running !== asked.id) return;
        added = [...added, token];
        write();
      },
    });
    running = asked.id;
    if (await page.guarded(() => draw(most), asked.result) && running === asked.id)
      look(added.slice(old).map(visible).join(""));
  }

  const restart = () => {
    added = [];
    look();
  };
  one.addEventListener("click", () => draw(1));
  many.addEventListener("click", () => draw(LONGEST));
  anew.addEventListener("click", restart);
  back.addEventListener("click", () => {
    added = added.slice(0, -1);
    look();
  });
  field.addEventListener("input", calm(restart, 150));
  for (const id of ["next-temperature", "top-p"])
    document.getElementById(id).addEventListener("input", knob);
  cutK.addEventListener("change", knob);
  pick.addEventListener("change", () => {
    const [here, there] = chat() ? ["prompt", "promptChat"] : ["promptChat", "prompt"];
    if (field.value === w(here)) field.value = w(there);
    restart();
  });
  return (value) => {
    if (!pick.childElementCount)
      pick.append(...["base", "sft", "ppo"].filter((name) => stages.has(name)).map((name) =>
        el("option", {value: name}, stages.get(name).label)));
    if (value) field.value = value;
    else if (list.childElementCount) return;
    else field.value = w("prompt");
    restart();
  };
}

export function pretrainingPart(page) {
  const part = document.getElementById("part-pretraining"), box = document.getElementById("grown");
  const field = document.getElementById("grow"), step = document.getElementById("step");
  const name = document.getElementById("step-name");
  const press = presetsOf(part, "pretraining", (prompt) => start(prompt));
  const began = calm(() => start(field.value), 250);
  let prompt = "", known = new Map(), turn = 0;

  /** What a snapshot makes of the prompt; asked once. */
  function grown(stage) {
    if (!known.has(stage)) {
      const asked = (request) => call({...request, stage, prompt, temperature: 1}).result;
      const found = Promise.all([load(stage), asked({do: "next", most: 5}),
        asked({do: "complete", n: 3, maxTokens: GROWN})]);
      found.catch(() => known.delete(stage));
      known.set(stage, found);
    }
    return known.get(stage);
  }

  async function show() {
    const names = snapshots(), stage = names[step.value], mine = ++turn;
    const at = stages.get(stage).step;
    step.setAttribute("aria-valuetext", w("stepShort", {step: at ?? "?"}));
    if (!stages.get(stage).here) name.textContent = `${w("stepShort", {step: at ?? "?"})} …`;
    const found = await page.guarded(show, grown(stage));
    if (!found || mine !== turn || found.includes(null)) return;
    const [{meta}, next, gone] = found, loss = meta.metrics?.held_out_loss;
    name.textContent = w("stepName", {step: meta.step ?? at, loss: loss?.toFixed(2),
      tokens: w("million", {n: ((meta.tokens ?? 0) / 1e6).toFixed(2)})});
    const likely = el("ol", {class: "chances", role: "list"},
      ...next.tokens.map((token) => chance(token, stage, null)));
    const texts = el("ol", {class: "going", role: "list"}, ...gone.answers.map(({text}) =>
      el("li", {"data-stage": stage, "data-answer": "", "data-done": ""},
        el("span", {class: "asked"}, prompt.split("\n").at(-1)), text)));
    box.replaceChildren(el("div", {}, el("h3", {}, w("likeliest")), likely),
      el("div", {}, el("h3", {}, w("goesOn", {n: gone.answers.length})), texts));
    page.say(`${w("stepShort", {step: meta.step ?? at})}: ${next.tokens.slice(0, 3).map((token) =>
      `${visible(token)} ${percent(token.p)}`).join(", ")}`);
  }

  async function start(typed) {
    if (typed !== prompt) known = new Map();
    prompt = field.value = typed;
    press(typed);
    if (!typed) return page.trouble(w("emptyText"));
    page.link("pretraining", typed);
    const mine = known;
    await show();
    for (const stage of snapshots()) if (known === mine) await page.guarded(show, grown(stage));
  }

  field.addEventListener("input", began);
  part.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  step.addEventListener("input", show);
  return (value) => {
    const names = snapshots();
    if (Number(step.max) !== names.length - 1) {
      step.max = names.length - 1;
      step.value = names.length - 1;
    }
    if (value) start(value);
    else if (!prompt) start(w("presets").pretraining[0][1]);
  };
}
