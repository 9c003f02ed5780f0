/* Two of the five things to do: asking all stages, and best of n. */

import {Card, at, button, el, rescale, signed, verdictOf, w} from "./cards.js";
import {FIRST, call, cancel, load, stages} from "./models.js";

const ASKED = [["base", "bare"], ["base", "qa"], ["sft", "chat"], ["ppo", "chat"]];
const DRAWS = 5, SIZES = [1, 2, 4, 8, 16];

/** A part's field and its examples: `go(text)` when one is pressed or the form is sent. Gives the
    function that puts a text into the field. */
export function fieldOf(part, field, go) {
  const [box, form] = [".presets", "form"].map((one) => at(`part-${part}`).querySelector(one));
  const put = (text) => {
    if (field.value !== text) field.value = text;  // the caret stays where it is
    for (const one of box.querySelectorAll("button"))
      one.setAttribute("aria-pressed", one.value === text);
  };
  for (const [label, value] of w("presets")[part]) box.append(button(label, {value}, () => go(value)));
  field.addEventListener("input", () => put(field.value));
  form.addEventListener("submit", (event) => event.preventDefault() ?? go(field.value));
  return put;
}

/** A slider with its value, as `shown` writes it, beside it. Gives the function that reads it. */
export function slider(id, shown, event, then) {
  const show = () => { at(id).parentNode.querySelector(".value").textContent = shown(Number(at(id).value)); };
  at(id).addEventListener("input", show);
  at(id).addEventListener(event, then);
  show();
  return () => Number(at(id).value);
}

export function askPart(page) {
  const [field, box, note] = ["question", "cards", "ask-note"].map(at);
  const put = fieldOf("ask", field, ask);
  const heat = slider("ask-temperature", (x) => x.toFixed(1), "change", () => box.querySelector("li") && ask());
  let seed = 0, running = [];

  const cards = () => ASKED.filter(([stage]) => stages.has(stage)).map(([stage, form]) =>
    new Card({stage, form, name: stages.get(stage).label, how: w("forms")[form],
      scored: form === "chat" && stages.has("reward"), what: w("what")[`${stage} ${form}`]}));

  async function ask(question = field.value) {
    put(question);
    if (!question.trim()) return page.trouble(w("empty"));
    page.link("ask", question);
    running.forEach(cancel);
    const mine = running = [], shown = cards(), temperature = heat(), n = temperature > 0 ? DRAWS : 1;
    box.replaceChildren(...shown.map((card) => card.node));
    note.textContent = w("seed", {seed, heat: temperature.toFixed(1)});
    const whole = await page.guarded(ask, Promise.all(shown.map(async (card) => {
      const {stage, form, scored} = card;
      card.ask(n);
      await load(...FIRST.slice(0, FIRST.indexOf(stage) + 1), ...(scored ? ["reward"] : []));
      if (mine !== running) return null;
      const grow = (event) => mine === running && card.grow(event);
      const request = call({do: "complete", stage, question, form, n, temperature, seed}, {token: grow, answer: grow});
      mine.push(request.id);
      const found = await request.result;
      if (!found || mine !== running) return null;
      card.finish(found.question, found.answers);
      rescale(box);
      return `${card.label}, ${card.counts}`;
    })));
    if (mine === running && whole) page.say(whole.join(". "));
  }

  at("ask-again").addEventListener("click", () => {
    seed += 1;
    if (heat() > 0) ask();
    else page.say(note.textContent = w("sameDraws"));
  });
  return (value) => {
    if (value) return ask(value);
    if (box.childElementCount) return;
    box.replaceChildren(...cards().map((card) => card.node));
    put(w("presets").ask[0][1]);
  };
}

export function bestPart(page) {
  const [field, box, sum] = ["best-question", "best-card", "best-sum"].map(at), most = SIZES.at(-1);
  const put = fieldOf("best", field, draw), size = slider("best-n", (i) => SIZES[i], "input", () => show());
  let seed = 0, running = null, found = null;

  function fresh(n) {
    const card = new Card({stage: "sft", form: "chat", name: stages.get("sft").label,
      how: w("draws", {n: most}), scored: true});
    card.ask(n);
    box.replaceChildren(card.node);
    return card;
  }

  async function draw(question = field.value) {
    put(question);
    if (!question.trim()) return page.trouble(w("empty"));
    page.link("best", question);
    cancel(running);
    const mine = running = {}, card = fresh(most);
    sum.textContent = "";
    found = null;
    const result = await page.guarded(draw, load("base", "sft", "reward").then(() => {
      if (mine !== running) return null;
      const request = call({do: "best", stage: "sft", question, n: most, seed},
        {token: (event) => running === request.id && card.grow(event)});
      running = request.id;
      return request.result.then((value) => (running === request.id ? value : null));
    }));
    if (!result) return;
    found = result;
    show();
  }

  /** The first n answers, and which of them has the highest score. */
  function show() {
    if (!found) return;
    const {question} = found, n = SIZES[size()], answers = found.answers.slice(0, n), card = fresh(n);
    card.finish(question, answers);
    rescale(box);
    const best = answers.reduce((a, b) => (b.score > a.score ? b : a)), row = card.rows[best.draw];
    row.classList.add("first");
    row.querySelector(".said").prepend(el("span", {class: "sr"}, `${w("winner")}: `));
    const {honest, right, fitting} = w("verdicts");
    sum.textContent = w(question ? "sum" : "sumOpen", {n, score: signed(best.score),
      word: verdictOf(question, best, "chat")[1], right: answers.filter((answer) => answer.true).length,
      good: {unknown: honest, fact: right}[question?.kind] ?? fitting});
    page.say(sum.textContent);
  }

  at("best-again").addEventListener("click", () => {
    seed += 1;
    draw();
  });
  return (value) => {
    if (value) draw(value);
    else if (!box.childElementCount) put(w("presets").best[0][1]);
  };
}
