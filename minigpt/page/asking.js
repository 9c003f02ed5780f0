/* Two of the five things to do: asking all stages, and best of n. */

import {Card, at, button, el, signed, w} from "./cards.js";
import {asker, stages} from "./models.js";

const ASKED = [["base", "bare"], ["base", "qa"], ["sft", "chat"], ["ppo", "chat"]];
const DRAWS = 5, SIZES = [1, 2, 4, 8, 16], MOST = SIZES.at(-1);

/** A part's field and its examples: `go(text)` when one is pressed or the form is sent. Gives the
    field, and the function that puts a text into it. */
export function fieldOf(part, go) {
  const [field, box, form] = ["input, textarea", ".presets", "form"].map((one) =>
    at(`part-${part}`).querySelector(one));
  const put = (text) => {
    if (field.value !== text) field.value = text;  // the caret stays where it is
    for (const one of box.querySelectorAll("button"))
      one.setAttribute("aria-pressed", one.value === text);
  };
  for (const [label, value] of w("presets")[part])
    box.append(button(label, {value}, () => go(value)));
  field.addEventListener("input", () => put(field.value));
  form.addEventListener("submit", (event) => event.preventDefault() ?? go(field.value));
  return [field, put];
}

/** A slider with its value, as `shown` writes it, beside it. Gives the function that reads it. */
export function slider(id, shown, event, then) {
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

  at(`${part}-again`).addEventListener("click", () => {
    seed += 1;
    ask();
  });
  return (value) => {
    if (value) ask(value);
    else if (!field.value) put(w("presets")[part][0][1], fresh());
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
    const {honest, right, fitting} = w("verdicts");
    sum.textContent = w(best.kind ? "sum" : "sumOpen", {n, score: signed(best.score),
      word: row.dataset.word, right: box.querySelectorAll("[data-verdict=right]").length,
      good: {unknown: honest, fact: right}[best.kind] ?? fitting});
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
