/* Two of the five things to do: asking all stages, and best of n. */

import {Card, el, rescale, signed, verdictOf} from "./cards.js";
import {call, cancel, load, stages} from "./models.js";
import {w} from "./words.js";

const ASKED = [["base", "bare"], ["base", "qa"], ["sft", "chat"], ["ppo", "chat"]];
const DRAWS = 5, SIZES = [1, 2, 4, 8, 16];

/** Buttons for examples; the one whose value is in the field is pressed. */
export function presetsOf(part, name, choose) {
  const box = part.querySelector(".presets");
  const buttons = w("presets")[name].map(([label, value]) => {
    const button = el("button", {type: "button", class: "quiet", "aria-pressed": "false"}, label);
    button.addEventListener("click", () => choose(value));
    return [button, value];
  });
  box.append(...buttons.map(([button]) => button));
  return (value) => buttons.forEach(([button, own]) => button.setAttribute("aria-pressed", own === value));
}

/** A slider with its value beside it, as `shown` writes it. */
export function slider(id, shown, onChange) {
  const input = document.getElementById(id), beside = input.parentNode.querySelector(".value");
  const show = () => { beside.textContent = shown(Number(input.value)); };
  input.addEventListener("input", show);
  input.addEventListener("change", onChange);
  show();
  return () => Number(input.value);
}

export function askPart(page) {
  const part = document.getElementById("part-ask"), field = document.getElementById("question");
  const box = document.getElementById("cards"), note = document.getElementById("ask-note");
  const press = presetsOf(part, "ask", (question) => ask(question));
  const heat = slider("ask-temperature", (x) => x.toFixed(1), () => box.childElementCount && again(seed));
  let seed = 0, running = [], turn = 0;

  const cards = () => ASKED.filter(([stage]) => stages.has(stage)).map(([stage, form]) =>
    new Card({stage, form, name: stages.get(stage).label, how: w("forms")[form],
      scored: form === "chat" && stages.has("reward"), what: w("what")[`${stage} ${form}`]}));

  function again(next) {
    seed = next;
    if (field.value.trim()) ask(field.value);
  }

  async function ask(typed) {
    const question = typed.trim(), temperature = heat(), mine = ++turn;
    field.value = typed;
    press(question);
    if (!question) return page.trouble(w("empty"));
    page.link("ask", question);
    running.forEach(cancel);
    running = [];
    const shown = cards(), n = temperature > 0 ? DRAWS : 1;
    box.replaceChildren(...shown.map((card) => card.node));
    shown.forEach((card) => card.ask(n));
    note.textContent = w("seed", {seed, heat: temperature.toFixed(1)});
    const whole = await page.guarded(() => ask(typed), Promise.all(shown.map(async (card) => {
      const {stage, form} = card;
      const request = call({do: "complete", stage, question, form, n, temperature, seed}, {
        token: ({draw, text}) => mine === turn && card.grow(draw, text),
        answer: (answer) => mine === turn && card.rows[answer.draw].setAttribute("data-done", ""),
      });
      running.push(request.id);
      const found = await request.result;
      if (!found || mine !== turn) return false;
      card.finish(found.question, found.answers);
      rescale(box);
      return scored(card, question, found, mine);
    })));
    if (whole?.every(Boolean))
      page.say(shown.map((card) => `${card.label}: ${card.counts}`).join(". "));
  }

  /** Scores for a card's answers that came before the reward model did. */
  async function scored(card, question, found, mine) {
    if (!card.scored || found.answers.every((answer) => answer.score !== null)) return true;
    await load("reward");
    const scores = new Map();
    for (const {text} of found.answers)
      if (!scores.has(text))
        scores.set(text, (await call({do: "score", question, answer: text}).result)?.score);
    if (mine !== turn) return false;
    card.finish(found.question, found.answers.map((a) => ({...a, score: scores.get(a.text)})));
    rescale(box);
    return true;
  }

  part.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(field.value);
  });
  field.addEventListener("input", () => press(field.value.trim()));
  document.getElementById("ask-again").addEventListener("click", () => {
    if (heat() === 0) note.textContent = w("sameDraws");
    else again(seed + 1);
  });
  return (value) => {
    if (value) ask(value);
    else if (!box.childElementCount) {
      box.replaceChildren(...cards().map((card) => card.node));
      field.value = w("presets").ask[0][1];
      press(field.value);
    }
  };
}

export function bestPart(page) {
  const part = document.getElementById("part-best"), box = document.getElementById("best-card");
  const field = document.getElementById("best-question"), sum = document.getElementById("best-sum");
  const press = presetsOf(part, "best", (question) => draw(question));
  const size = slider("best-n", (i) => SIZES[i], () => {});
  let seed = 0, running = 0, found = null;

  async function draw(typed) {
    const question = typed.trim();
    field.value = typed;
    press(question);
    if (!question) return page.trouble(w("empty"));
    page.link("best", question);
    cancel(running);
    found = null;
    sum.textContent = "";
    const card = fresh();
    card.ask(SIZES.at(-1));
    const request = call({do: "best", stage: "sft", question, n: SIZES.at(-1), seed}, {
      token: (event) => running === request.id && card.grow(event.draw, event.text),
    });
    running = request.id;
    const result = await page.guarded(() => draw(typed), request.result);
    if (!result || running !== request.id) return;
    found = result;
    show();
  }

  function fresh() {
    const {label} = stages.get("sft"), how = w("bestHow", {n: SIZES.at(-1)});
    const card = new Card({stage: "sft", form: "chat", name: label, how, scored: true});
    box.replaceChildren(card.node);
    return card;
  }

  /** The first n answers, and which of them has the highest score. */
  function show() {
    if (!found) return;
    const n = SIZES[size()], answers = found.answers.slice(0, n), card = fresh();
    card.ask(n);
    card.finish(found.question, answers);
    const best = answers.reduce((a, b) => (b.score > a.score ? b : a));
    const [, word] = verdictOf(found.question, best, "chat"), {honest, right, fitting} = w("verdicts");
    const good = {unknown: honest, fact: right}[found.question?.kind] ?? fitting;
    card.rows[best.draw].classList.add("first");
    card.rows[best.draw].querySelector(".said").prepend(el("span", {class: "sr"}, `${w("winner")}: `));
    rescale(box);
    const values = {n, score: signed(best.score), word, good, right: answers.filter((a) => a.true).length};
    sum.textContent = w(found.question ? "sum" : "sumOpen", values);
    page.say(sum.textContent);
  }

  part.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    draw(field.value);
  });
  field.addEventListener("input", () => press(field.value.trim()));
  document.getElementById("best-n").addEventListener("input", show);
  document.getElementById("best-again").addEventListener("click", () => {
    seed += 1;
    draw(field.value);
  });
  return (value) => {
    if (value) draw(value);
    else if (!box.childElementCount) {
      field.value = w("presets").best[0][1];
      press(field.value);
    }
  };
}
