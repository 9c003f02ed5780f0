/* Three of the five things to do: tokens, the next token, and one text through pretraining. */

import {fieldOf, slider} from "./asking.js";
import {at, chance, el, grouped, percent, strip, visible, w} from "./cards.js";
import {asker, stages} from "./models.js";

const SHOWN = 10, LONGEST = 60, GROWN = 32;  // tokens: to choose from, to draw, of a snapshot

/** The function, called once when nobody has called it for a moment. */
function calm(then, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds, ...given);
  };
}

export function tokensPart(page) {
  const [field, box, more] = ["text", "strips", "gpt2"].map(at), said = more.textContent;
  const announce = calm(page.say, 1000), ask = asker(page.guarded);
  let gpt2 = false;

  async function cut() {
    page.link("tokens", field.value);
    const progress = ({share}) => { more.textContent = w("loading", {share: percent(share)}); };
    const [found] = await ask([{do: "encode", text: field.value, gpt2}, {progress}]);
    more.textContent = said;
    if (!found) return;
    more.hidden = Boolean(found.theirs);
    box.replaceChildren();
    for (const [name, pieces] of [[w("ours"), found.ours], [w("theirs"), found.theirs]]) {
      if (!pieces) continue;
      const {bytes} = found, ratio = (bytes / Math.max(1, pieces.length)).toFixed(2);
      const list = el("ol.strip", {role: "list", "aria-label": name});
      strip(list, pieces, ({id}) => grouped(id));
      const counts = w("counts", {name, n: grouped(pieces.length), bytes, ratio});
      box.append(el("p.sum", {}, counts), list);
    }
    announce([...box.querySelectorAll(".sum")].map((line) => line.textContent).join(". "));
  }

  field.addEventListener("input", calm(cut, 80));
  more.addEventListener("click", () => {
    gpt2 = true;
    cut();
  });
  return (value) => {
    if (!value && box.childElementCount) return;
    field.value = value || w("text");
    cut();
  };
}

export function nextPart(page) {
  const [field, pick, soFar, list] = ["prompt", "next-stage", "so-far", "chances"].map(at);
  const knob = calm(() => look(), 60), isChat = () => pick.value !== "base";
  const heat = slider("next-temperature", (x) => x.toFixed(1), "input", knob);
  const share = slider("top-p", (x) => x.toFixed(2), "input", knob);
  const vocabulary = stages.get("base").config.vocab_size;
  const send = asker(page.guarded);
  let added = [], given = [];

  const ask = (request, on) => send([{...request, stage: pick.value, temperature: heat(),
    more: added.map(({id}) => id), [isChat() ? "question" : "prompt"]: field.value,
    topK: Number(at("top-k").value), topP: share() < 1 && share()}, on]);

  function write() {
    soFar.dataset.stage = pick.value;
    const under = ({p}) => (p === undefined ? "\u00a0" : percent(p));
    strip(soFar, [...given, ...added], under, given.length);
  }

  /** What may come now. news: what has just been added, for screen readers. */
  async function look(news) {
    page.link("next", field.value);
    if (isChat() && !field.value.trim()) return page.trouble("empty");
    const [found] = await ask({do: "next", most: SHOWN});
    if (!found) return;
    given = found.prompt.slice(0, found.prompt.length - added.length);
    write();
    const ended = Boolean(added.at(-1)?.special), [best] = found.tokens;
    at("draw-one").disabled = at("draw-many").disabled = ended;
    at("back").disabled = at("anew").disabled = !added.length;
    const focused = [...list.children].findIndex((row) => row.contains(document.activeElement));
    const others = w("others", {n: grouped(vocabulary - found.tokens.length)});
    const rows = found.tokens.map((token) => chance(token, pick.value, () => {
      added = [...added, token];
      look(visible(token));
    }));
    rows.push(el("li", {}, el("div.chance rest", {}, el("span", {}, others),
      el("span.part", {}, percent(found.rest)))));
    list.replaceChildren(...(ended ? [el("li.hint", {}, w("ended"))] : rows));
    if (focused >= 0) (list.children[focused] ?? list.firstChild).querySelector("button")?.focus();
    const told = {piece: news, next: visible(best), share: percent(best.p)};
    if (ended || news) page.say(w(ended ? "ended" : "added", told));
  }

  async function draw(most) {
    const old = added.length, seed = Math.floor(Math.random() * 2 ** 31);
    const grow = ({token}) => {
      added = [...added, token];
      write();
    };
    const [found] = await ask({do: "complete", seed, maxTokens: most}, {token: grow});
    if (found) look(added.slice(old).map(visible).join(""));
  }

  const keep = (n) => {
    added = added.slice(0, n);
    look();
  };
  const buttons = {"draw-one": () => draw(1), "draw-many": () => draw(LONGEST),
    "back": () => keep(-1), "anew": () => keep(0)};
  for (const id of Object.keys(buttons)) at(id).addEventListener("click", buttons[id]);
  at("top-k").addEventListener("change", knob);
  field.addEventListener("input", calm(() => keep(0), 150));
  pick.addEventListener("change", () => {
    const texts = [w("prompt"), w("promptChat")];
    if (texts.includes(field.value)) field.value = texts[Number(isChat())];
    keep(0);
  });
  for (const name of ["base", "sft", "ppo"])
    pick.append(el("option", {value: name}, stages.get(name).label));
  return (value) => {
    if (!value && list.childElementCount) return;
    field.value = value || w("prompt");
    keep(0);
  };
}

export function pretrainingPart(page, {snapshots}) {
  const [box, step, title, ticks] = ["grown", "step", "step-name", "ticks"].map(at);
  const [field, put] = fieldOf("pretraining", start), ask = asker(page.guarded);
  step.value = step.max = snapshots.length - 1;
  ticks.append(...snapshots.map((one) => el("span", {}, one.step)));

  async function show() {
    const {name: stage, step: steps, tokens, loss} = snapshots[step.value], prompt = field.value;
    const name = w("step", {step: steps});
    step.setAttribute("aria-valuetext", name);
    if (!stages.get(stage).here) title.textContent = `${name} …`;
    const [next, drawn] = await ask([{do: "next", most: 5, stage, prompt}],
      [{do: "complete", n: 3, maxTokens: GROWN, stage, prompt}]);
    if (!next) return;
    title.textContent = w("stepName",
      {step: steps, tokens: (tokens / 1e6).toFixed(2), loss: loss.toFixed(2)});
    const likeliest = next.tokens.map((token) => chance(token, stage));
    const texts = drawn.answers.map(({text}) =>
      el("li", {"data-stage": stage, "data-answer": "", "data-done": ""},
        el("span.soft", {}, prompt.split("\n").at(-1)), text));
    const part = (words, kind, rows) =>
      el("div", {}, el("h3", {}, words), el(kind, {role: "list"}, ...rows));
    box.replaceChildren(part(w("likeliest"), "ol.chances", likeliest),
      part(w("goesOn", {n: texts.length}), "ol.going", texts));
    const best = next.tokens.slice(0, 3).map((one) => `${visible(one)} ${percent(one.p)}`);
    page.say(`${name}: ${best.join(", ")}`);
  }

  function start(typed) {
    put(typed);
    if (!typed) return page.trouble("empty");
    page.link("pretraining", typed);
    return show();
  }

  field.addEventListener("input", calm(() => start(field.value), 250));
  step.addEventListener("input", show);
  return (value) => {
    if (value || !field.value) start(value || w("presets").pretraining[0][1]);
  };
}
