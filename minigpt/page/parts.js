/* Three of the five things to do: tokens, the next token, and one text through pretraining. */

import {fieldOf, slider} from "./asking.js";
import {at, chance, el, grouped, percent, strip, visible, w} from "./cards.js";
import {call, cancel, load, stages} from "./models.js";

const SHOWN = 10, LONGEST = 60, GROWN = 32;  // tokens: to choose from, to draw, of a snapshot

/** The function, called once when nobody has called it for a moment. */
function calm(then, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds, ...given);
  };
}

export function tokensPart(page, manifest) {
  const [field, box, more] = ["text", "strips", "gpt2"].map(at), said = more.textContent;
  const announce = calm(page.say, 1000);
  let running = 0, gpt2 = false;
  more.hidden = !manifest.gpt2;

  async function cut() {
    page.link("tokens", field.value);
    cancel(running);
    const request = call({do: "encode", text: field.value, gpt2}, {progress: ({loaded, total}) => {
      more.textContent = w("loading", {share: percent(loaded / total)});
    }});
    running = request.id;
    const found = await page.guarded(cut, request.result);
    more.textContent = said;
    if (!found || running !== request.id) return;
    more.hidden = !manifest.gpt2 || Boolean(found.gpt2);
    box.replaceChildren();
    for (const [name, pieces] of [[w("ours"), found.pieces], [w("theirs"), found.gpt2]]) {
      if (!pieces) continue;
      const list = el("ol", {class: "strip", role: "list", "aria-label": name});
      strip(list, pieces, ({id}) => grouped(id));
      box.append(el("p", {class: "sum"}, w("counts", {name, n: grouped(pieces.length),
        bytes: found.bytes, ratio: (found.bytes / Math.max(1, pieces.length)).toFixed(2)})), list);
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

export function nextPart(page, manifest) {
  const [field, pick, soFar, list] = ["prompt", "next-stage", "so-far", "chances"].map(at);
  const knob = calm(() => look(), 60);
  const heat = slider("next-temperature", (x) => x.toFixed(1), "input", knob);
  const share = slider("top-p", (x) => x.toFixed(2), "input", knob);
  const vocabulary = manifest.stages.find(({config}) => config)?.config.vocab_size;
  let added = [], given = [], running = 0;

  const isChat = () => pick.value !== "base";
  const request = (what) => ({...what, stage: pick.value, [isChat() ? "question" : "prompt"]: field.value,
    more: added.map(({id}) => id), temperature: heat(), topK: Number(at("top-k").value) || undefined,
    topP: share() < 1 ? share() : undefined});

  function write() {
    soFar.dataset.stage = pick.value;
    strip(soFar, [...given, ...added], ({p}) => (p === undefined ? "\u00a0" : percent(p)), given.length);
  }

  async function look(news) {
    page.link("next", field.value);
    if (isChat() && !field.value.trim()) return page.trouble(w("emptyText"));
    cancel(running);
    const asked = call(request({do: "next", most: SHOWN}));
    running = asked.id;
    const found = await page.guarded(look, asked.result);
    if (!found || running !== asked.id) return;
    given = found.prompt.slice(0, found.prompt.length - added.length);
    write();
    const ended = Boolean(added.at(-1)?.special), [best] = found.tokens;
    at("draw-one").disabled = at("draw-many").disabled = ended;
    at("back").disabled = at("anew").disabled = !added.length;
    const focused = [...list.children].findIndex((row) => row.contains(document.activeElement));
    list.replaceChildren(...(ended ? [el("li", {class: "hint"}, w("ended"))] : [
      ...found.tokens.map((token) => chance(token, pick.value, () => {
        added = [...added, token];
        look(visible(token));
      })),
      el("li", {}, el("div", {class: "chance rest"}, el("span", {}, w("others",
        {n: grouped(vocabulary - found.tokens.length)})), el("span", {class: "part"}, percent(found.rest)))),
    ]));
    if (focused >= 0) (list.children[focused] ?? list.firstChild).querySelector("button")?.focus();
    if (ended) page.say(w("ended"));
    else if (news) page.say(w("added", {piece: news, next: visible(best), share: percent(best.p)}));
  }

  async function draw(most) {
    cancel(running);
    const old = added.length, seed = Math.floor(Math.random() * 2 ** 31);
    const asked = call(request({do: "complete", n: 1, seed, maxTokens: most}), {token: ({token}) => {
      if (running !== asked.id) return;
      added = [...added, token];
      write();
    }});
    running = asked.id;
    if (await page.guarded(() => draw(most), asked.result) && running === asked.id)
      look(added.slice(old).map(visible).join(""));
  }

  const keep = (n) => {
    added = added.slice(0, n);
    look();
  };
  at("draw-one").addEventListener("click", () => draw(1));
  at("draw-many").addEventListener("click", () => draw(LONGEST));
  at("anew").addEventListener("click", () => keep(0));
  at("back").addEventListener("click", () => keep(-1));
  at("top-k").addEventListener("change", knob);
  field.addEventListener("input", calm(() => keep(0), 150));
  pick.addEventListener("change", () => {
    const texts = [w("prompt"), w("promptChat")];
    if (texts.includes(field.value)) field.value = texts[Number(isChat())];
    keep(0);
  });
  return (value) => {
    if (!pick.childElementCount) pick.append(...["base", "sft", "ppo"].filter((name) => stages.has(name))
      .map((name) => el("option", {value: name}, stages.get(name).label)));
    if (!value && list.childElementCount) return;
    field.value = value || w("prompt");
    keep(0);
  };
}

export function pretrainingPart(page) {
  const [box, field, step, title] = ["grown", "grow", "step", "step-name"].map(at);
  const put = fieldOf("pretraining", field, start), names = () => [...stages.keys()]
    .filter((name) => name.startsWith("base_step_")).sort().concat("base");
  let known = new Map(), prompt = null, turn = 0;

  /** What a snapshot makes of the text; asked once. */
  function grown(stage) {
    const asked = (what) => call({...what, stage, prompt, temperature: 1}).result;
    if (!known.has(stage)) known.set(stage, Promise.all([load(stage), asked({do: "next", most: 5}),
      asked({do: "complete", n: 3, maxTokens: GROWN})]));
    known.get(stage).catch(() => known.delete(stage));
    return known.get(stage);
  }

  async function show() {
    const stage = names()[step.value], mine = ++turn, name = w("step", {step: stages.get(stage).step});
    step.setAttribute("aria-valuetext", name);
    if (!stages.get(stage).here) title.textContent = `${name} …`;
    const found = await page.guarded(show, grown(stage));
    if (!found || mine !== turn) return;
    const [{step: steps, tokens, loss}, next, {answers}] = found;
    title.textContent = w("stepName", {step: steps, tokens: (tokens / 1e6).toFixed(2), loss: loss.toFixed(2)});
    box.replaceChildren(
      el("div", {}, el("h3", {}, w("likeliest")), el("ol", {class: "chances", role: "list"},
        ...next.tokens.map((token) => chance(token, stage)))),
      el("div", {}, el("h3", {}, w("goesOn", {n: answers.length})), el("ol", {class: "going", role: "list"},
        ...answers.map(({text}) => el("li", {"data-stage": stage, "data-answer": "", "data-done": ""},
          el("span", {class: "soft"}, prompt.split("\n").at(-1)), text)))));
    page.say(`${name}: ${next.tokens.slice(0, 3).map((token) =>
      `${visible(token)} ${percent(token.p)}`).join(", ")}`);
  }

  async function start(typed) {
    put(typed);
    if (!typed) return page.trouble(w("emptyText"));
    page.link("pretraining", typed);
    if (typed !== prompt) known = new Map();
    prompt = typed;
    const mine = known;
    await show();
    for (const stage of names()) if (known === mine) await page.guarded(show, grown(stage));
  }

  field.addEventListener("input", calm(() => start(field.value), 250));
  step.addEventListener("input", show);
  return (value) => {
    if (!at("ticks").childElementCount) {
      step.value = step.max = names().length - 1;
      at("ticks").append(...names().map((name) => el("span", {}, stages.get(name).step)));
    }
    if (value || prompt === null) start(value || w("presets").pretraining[0][1]);
  };
}
