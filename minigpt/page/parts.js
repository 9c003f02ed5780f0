/* The five things to do: asking all stages, best of n, tokens, the next token, and one text through
   pretraining. Each part gives the function that opens it with the text of an address. */

import {
  Card, at, button, chance, el, grouped, percent, signed, strip, verdictOf, visible, w,
} from "./cards.js";
import {asker, manifest, stages} from "./models.js";

const ASKED = [["base", "bare"], ["base", "qa"], ["sft", "chat"], ["ppo", "chat"]];
const DRAWS = 5, SIZES = [1, 2, 4, 8, 16], MOST = SIZES.at(-1);  // answers of a stage; best of them
const SHOWN = 10, LONGEST = 60, GROWN = 32;  // tokens: to choose from, to draw, of a snapshot

/** The function, called once when nobody has called it for a moment. */
function calm(then, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds, ...given);
  };
}

/** A part's field and its examples: `go(text)` when one is pressed or the form is sent. Gives the
    field, and the function that puts a text into it. */
function fieldOf(part, go) {
  const [field, box, form] = ["input, textarea", ".presets", "form"].map((one) =>
    at(`part-${part}`).querySelector(one));
  const put = (text) => {
    if (field.value !== text) field.value = text;  // the caret stays where it is
    for (const one of box.querySelectorAll("button"))
      one.setAttribute("aria-pressed", one.value === text);
  };
  box.append(...manifest.examples[part].map((value, i) =>
    button(w("presets")[part][i], {value}, () => go(value))));
  field.addEventListener("input", () => put(field.value));
  form.addEventListener("submit", (event) => event.preventDefault() ?? go(field.value));
  return [field, put];
}

/** A slider with its value, as `shown` writes it, beside it. Gives the function that reads it. */
function slider(id, shown, event, then) {
  const value = () => Number(at(id).value), beside = at(id).nextElementSibling;
  const show = () => { beside.textContent = shown(value()); };
  at(id).addEventListener("input", show);
  at(id).addEventListener(event, then);
  show();
  return value;
}

/** What both parts do: a question goes to the stages of some cards. cards: makes them; knobs: says
    how they are asked; done: gets them and what the models brought. Gives what opens the part. */
function questionPart(page, part, {box, cards, knobs, done}) {
  const [field, put] = fieldOf(part, ask), send = asker(page.guarded);
  let seed = 0;

  function fresh() {
    const made = cards();
    box.replaceChildren(...made.map((card) => card.node));
    return made;
  }

  async function ask(question = field.value) {
    put(question);
    if (!question.trim()) return page.trouble("empty");
    page.link(part, question);
    const asked = fresh(), request = {do: "complete", question, seed, ...knobs(seed)};
    const found = await send(...asked.map((card) => {
      const {stage, form, scored} = card.ask(request.n), token = (event) => card.grow(event);
      return [{...request, stage, form, scored}, {token, answer: (event) => card.whole(event)}];
    }));
    if (found.length) done(asked, found);
  }

  at(`${part}-again`).addEventListener("click", () => (seed += 1) && ask());
  return (value) => {
    if (value) ask(value);
    else if (!field.value) put(manifest.examples[part][0], fresh());
  };
}

export function askPart(page) {
  const [box, note] = ["cards", "ask-note"].map(at);
  const again = () => box.querySelector("li") && at("ask-again").form.requestSubmit();
  const heat = slider("ask-temperature", (x) => x.toFixed(1), "change", again);
  return questionPart(page, "ask", {
    box,
    cards: () => ASKED.map(([stage, form]) => new Card({stage, form,
      name: stages.get(stage).label, how: w("forms")[form], what: w("what")[`${stage} ${form}`]})),
    knobs(seed) {
      const temperature = heat(), told = {seed, heat: temperature.toFixed(1)};
      note.textContent = w(temperature ? "seed" : "sameDraws", told);
      return {temperature, n: temperature ? DRAWS : 1};
    },
    done: (cards) => page.say([note.textContent, ...cards.map((card) => card.told)].join(" ")),
  });
}

export function bestPart(page) {
  const [box, sum] = ["best-card", "best-sum"].map(at);
  const size = slider("best-n", (i) => SIZES[i], "input", () => answers && show());
  const card = () => new Card({stage: "sft", form: "chat", name: stages.get("sft").label,
    how: w("draws", {n: MOST}), what: w("what")["sft chat"]});
  let answers;

  /** The first n answers, and which of them has the highest score. */
  function show() {
    const n = SIZES[size()], first = answers.slice(0, n), shown = card().ask(n);
    box.replaceChildren(shown.node);
    first.forEach((answer) => shown.whole(answer));
    const best = first.reduce((a, b) => (b.score > a.score ? b : a)), row = shown.rows[best.draw];
    row.classList.add("first");
    row.querySelector(".said").prepend(el("span.sr", {}, `${w("winner")}: `));
    const truth = best.kind === "unknown" ? "declined this name" : "correct";
    sum.textContent = w(best.kind ? "sum" : "sumOpen", {n, score: signed(best.score),
      word: row.dataset.word, right: box.querySelectorAll("[data-verdict=right]").length,
      good: verdictOf({...best, verdict: truth})[1]});
    page.say(sum.textContent);
  }

  return questionPart(page, "best", {
    box,
    cards: () => [card()],
    knobs() {
      answers = sum.textContent = "";
      return {n: MOST};
    },
    done(_, found) {
      [{answers}] = found;
      show();
    },
  });
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
  const vocabulary = stages.get("base").config.vocab_size, texts = manifest.examples.next;
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
    if (texts.includes(field.value)) field.value = texts[Number(isChat())];
    keep(0);
  });
  for (const name of ["base", "sft", "ppo"])
    pick.append(el("option", {value: name}, stages.get(name).label));
  return (value) => {
    if (!value && list.childElementCount) return;
    field.value = value || texts[0];
    keep(0);
  };
}

export function pretrainingPart(page) {
  const {snapshots, examples: {pretraining: [example]}} = manifest;
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
      {step: steps, tokens: grouped(tokens), loss: loss.toFixed(2)});
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
    if (value || !field.value) start(value || example);
  };
}
