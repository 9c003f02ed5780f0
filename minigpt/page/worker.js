/* The page's models, in a Web Worker, so that the page never freezes.

   The page sends requests and gets events; each carries the `id` that the page gave the request.
   Each request ends with one "done" or one "error". Files are loaded beside all else, a request
   waits for its own stage alone; models compute for one request after another.

   Requests: {id, do, ...}
     start     {base, files?}            once, first. base: the address of the folder with index.html
               and data/; files: {path: Uint8Array or base64}, what is not to be fetched
               → result {manifest, verdicts}    manifest.stages with the snapshots after the stages;
               verdicts: {verdict: [gold, gold where the place is not in the world]}
     load      {stage}                   says early what other requests do when they need a stage
               → result {stage, label, parameters, meta}
     complete  {stage, question or prompt, form, more, n, temperature, topK, topP, seed, maxTokens}
               question: asked as the stage is asked: an assistant in the chat template, a base
               model as form "qa" (Q: … A:, one line) or "bare" (the question alone). prompt: a
               text that goes on as a document. more: ids after it, such as those somebody clicked.
               Defaults: qa, n 1, temperature 1 (0: the likeliest), topK and topP none, seed 0,
               maxTokens as in Python: 24 for qa, 40 in the chat template, else 60. Draw i of a
               seed is the same whatever n is.
               → token {draw, token: PIECE, text}: the answer so far
               → answer ANSWER, of each draw
               → result {question: QUESTION or null, answers: [ANSWER]}
     best      as complete, of stage "sft" unless given, with all answers scored
               → result {question, answers, winner, order}    draws: the best; the best first
     score     {question, answer}        → result {score, verdict, question}
     next      {stage, question or prompt, form, more, temperature, topK, topP, most = 20}
               → result {prompt: [PIECE], tokens: [{...PIECE, p, raw, kept}], rest, entropy}
               the `most` likeliest tokens. p: under the knobs, 0 where topK or topP cut it off
               (kept is false); raw: at temperature 1, uncut; rest: p of all others; entropy: bits
     encode    {text, gpt2}              → result {pieces: [PIECE], bytes, gpt2: [PIECE] or null}
               gpt2: true loads GPT-2's ranks first
     cancel    {of}                      ends the request of that id at once, running or waiting:
               it gets "done" with cancelled: true. There is no event for the cancel itself.

   Events: {id, event, ...}
     progress  {stage, file, loaded, total}    bytes; stage: null for what is no model's
     token, answer, result                     as above
     done      {cancelled}
     error     {code, message}           message: for people, what to do included. code: "offline",
               "missing" (no such file), "damaged", "input" (what was asked is no good), "internal".
               The same request can be sent again: what was not loaded is fetched anew.

   PIECE     {id, text, special, bytes, p?}    text: "�" for part of a letter; special: <|end|> and
             the like; p: of a drawn token, its probability before topK and topP
   ANSWER    {draw, text, ended, ids, tokens: [PIECE], verdict, true, score}
             ended: false if cut off. verdict: one of minigpt/world/judge.py's VERDICTS, of a bare
             document's first line; null where nobody can judge, or a document asks more questions.
             true: whether nothing better can be said. score: the reward model's, null before it is
             loaded, and for base models and prompts.
   QUESTION  {kind: "fact", "unknown", "chat" or "other", place, attribute, answer, replies}

   Where a browser has no workers, `serve` does the same on the page's own thread, which it gives
   back every few milliseconds: const receive = serve(onEvent); receive({id: 1, do: "start", base}). */

import { GPT, GPT2_SPLIT, RewardModel, Tokenizer, cut, generate, softmax } from "./gpt.js";
import { Judge, strip } from "./judge.js";
import { failure, readFile, readTensors, takeFrom } from "./weights.js";

const MOST = { qa: 24, chat: 40, bare: 60, document: 60 }; // tokens of an answer
const PAUSE = 10; // milliseconds between looks at what the page has sent
const LONGEST = 20000; // letters of a text

function readJson(text, name) {
  try {
    return JSON.parse(text);
  } catch {
    throw failure("damaged", `${name} is damaged or cut off. Load the page again.`);
  }
}

function demand(good, message) {
  if (!good) throw failure("input", message);
}

export function serve(post) {
  const running = new Map(); // id of a request → a function that cancels it
  const stages = new Map(); // name → the promise of a stage
  const here = {}; // files that need not be fetched
  let base, started, gpt2;
  let turn = Promise.resolve(); // kept when the models are free

  function receive({ id, do: what, ...asked }) {
    if (what === "cancel") return running.get(asked.of)?.();
    const task = { cancelled: false };
    const end = (event, more) => {
      task.say(event, more);
      task.cancelled = true; // whatever it still does is not told
      running.delete(id);
    };
    task.say = (event, more) => task.cancelled || post({ ...more, id, event });
    running.set(id, () => end("done", { cancelled: true }));
    (async () => {
      demand(Object.hasOwn(requests, what), `The models know no request "${what}".`);
      demand(started || what === "start", "The first request is start.");
      task.say("result", await requests[what](asked, task));
      end("done", { cancelled: false });
    })().catch(({ code = "internal", message }) => {
      if (code === "internal") message = `Something went wrong (${message}). Load the page again.`;
      end("error", { code, message });
    });
  }

  // ---- loading ----
  function read(file, task, stage = null, wanted = {}) {
    const tell = (loaded, total) => task.say("progress", { stage, file, loaded, total });
    return readFile(file, { here, base, tell, wanted });
  }

  async function start(asked, task) {
    base = asked.base;
    Object.assign(here, asked.files);
    const text = async (file) => new TextDecoder().decode(await read(file, task));
    const manifest = readJson(await text("data/manifest.json"), "data/manifest.json");
    const facts = readJson(await text(manifest.facts.file), manifest.facts.file);
    const tokenizer = new Tokenizer(await text(manifest.tokenizer.file));
    const names = manifest.stages.map((stage) => stage.name);
    manifest.stages.push(...(manifest.snapshots ?? []).filter(({ name }) => !names.includes(name)));
    return { manifest, facts, tokenizer, judge: new Judge(facts) };
  }

  /* The promise of a stage, loaded once; if that fails, anew for the next request. */
  function need(name, task) {
    if (!stages.has(name)) {
      const loading = load(name, task);
      stages.set(name, loading);
      loading.then((stage) => (loading.stage = stage), () => stages.delete(name));
    }
    return stages.get(name);
  }

  async function load(name, task) {
    const known = (await started).manifest.stages, entry = known.find((s) => s.name === name);
    demand(entry, `There is no stage "${name}". There are: ${known.map((s) => s.name).join(", ")}.`);
    const under = entry.parent && (await need(entry.parent, task));
    const file = entry.file && (await read(entry.file, task, name, entry));
    const { tensors = null, meta = {} } = file ? readTensors(file, entry.file) : {};
    const take = takeFrom(tensors, entry.file), config = entry.config ?? meta.config;
    const model = !under ? new GPT(take, config)
      : new RewardModel(take, under.model, entry.sees_surprisal ?? meta.sees_surprisal ?? true);
    const sizes = Object.values(tensors ?? {}).map(({ data }) => data.length);
    return { ...entry, model, meta, parameters: sizes.reduce((a, b) => a + b, 0) };
  }

  // ---- asking ----
  /* How a stage is asked: the ids it goes on from, what ends its answer, how many tokens it has. */
  async function asking(asked, task) {
    const { tokenizer, judge } = await started, stage = await need(asked.stage, task);
    const { question, prompt, form = "qa", more = [] } = asked, words = strip(question ?? "");
    demand(stage.kind !== "reward", "A reward model cannot write, only score.");
    const chat = stage.chat ?? /^(sft|ppo)/.test(stage.name);
    const kind = prompt !== undefined ? "document" : chat ? "chat" : form;
    const text = { qa: `Q: ${words}\nA:`, bare: `${words}\n`, chat: words, document: prompt }[kind];
    demand(text !== undefined, `A question has no form "${kind}".`);
    demand(kind === "document" || words, "There is no question yet. Type one.");
    demand(text.length <= LONGEST, "This text is too long. Please shorten it.");
    const [begin, user, assistant, end] = Object.values(tokenizer.special);
    const [before, after] = kind === "chat" ? [[begin, user], [assistant]] : [[begin], []];
    const ids = [...before, ...tokenizer.encode(text), ...after, ...more];
    const most = asked.maxTokens ?? MOST[kind], room = stage.model.config.block_size - most - 1;
    demand(most >= 1, "An answer has one token or more.");
    demand(ids.length <= room, `This text has ${ids.length} tokens. The models read ${room + most + 1} `
      + `at once, answer included: ${room} are left for it. Please shorten it.`);
    const stop = new Set(kind === "chat" ? [end] : [begin]);
    tokenizer.tokens.forEach((token, id) => kind === "qa" && token.includes("\n") && stop.add(id));
    const known = kind === "document" ? null : judge.understood(words);
    return { model: stage.model, kind, ids, most, stop, question: known };
  }

  function piece(id, tokenizer, more = {}) {
    const special = Object.values(tokenizer.special).includes(id);
    const bytes = Array.from(tokenizer.tokens[id], (c) => c.charCodeAt(0));
    return { id, text: tokenizer.decode([id]), special, bytes, ...more };
  }

  /* An answer as people read it: the first line of `Q: … A:`, without what ended it. */
  function readable(ids, kind, stop, tokenizer) {
    const text = tokenizer.decode(ids.filter((id) => kind === "qa" || !stop.has(id)));
    if (kind === "chat") return text.replace(/^ /, "");
    if (kind === "document") return text;
    return strip(kind === "qa" ? text.replace("<|endoftext|>", "").split("\n")[0] : text);
  }

  function verdict(question, text, kind, judge) {
    const lines = text.split("\n"), asksOn = lines.some((line) => strip(line).endsWith("?"));
    if (!question || (kind === "bare" && asksOn)) return { verdict: null, true: null };
    const found = judge.verdict(question, kind === "bare" ? lines[0] : text);
    return { verdict: found, true: judge.isBest(question, found) };
  }

  /* Run `work` when no other request computes; it calls `rest` between tokens, so that the page
     is heard: it throws when the request was cancelled. */
  function compute(task, work) {
    let last = performance.now();
    const rest = async () => {
      if (performance.now() - last > PAUSE) {
        await new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel(); // unlike a timer, it does not wait
          port1.onmessage = () => resolve(port1.close());
          port2.postMessage(null);
        });
        last = performance.now();
      }
      if (task.cancelled) throw failure("cancelled", "");
    };
    const done = turn.then(rest).then(() => work(rest));
    turn = done.catch(() => {});
    return done;
  }

  // ---- requests ----
  async function complete(asked, task) {
    const { tokenizer, judge } = await started;
    const { model, kind, ids, most, stop, question } = await asking(asked, task);
    const { n = 1, temperature = 1, topK = null, topP = null, seed = 0 } = asked;
    check({ n, temperature, topK, topP });
    const options = { most, stop, temperature, topK, topP, seed };
    return compute(task, async (rest) => {
      const answers = [];
      for (let draw = 0; draw < n; draw++) {
        const tokens = [], said = () => tokens.map(({ id }) => id);
        for (const { id, p } of generate(model, ids, { ...options, draw })) {
          tokens.push(piece(id, tokenizer, { p }));
          const text = readable(said(), kind, stop, tokenizer);
          task.say("token", { draw, token: tokens.at(-1), text });
          await rest();
        }
        const text = readable(said(), kind, stop, tokenizer), ended = stop.has(said().at(-1));
        const reward = kind === "chat" ? stages.get("reward")?.stage : null;
        const score = reward?.model.score([...ids, ...said(), tokenizer.special["<|reward|>"]]) ?? null;
        const judged = verdict(question, text, kind, judge);
        answers.push({ draw, text, ended, ids: said(), tokens, ...judged, score });
        task.say("answer", answers.at(-1));
        await rest();
      }
      return { question, answers };
    });
  }

  async function best(asked, task) {
    await need("reward", task);
    const found = await complete({ stage: "sft", ...asked }, task);
    const order = found.answers.map((answer) => answer.draw);
    order.sort((a, b) => found.answers[b].score - found.answers[a].score);
    return { ...found, winner: order[0], order };
  }

  async function score({ question, answer, stage = "reward" }, task) {
    const { tokenizer, judge } = await started, reward = await need(stage, task);
    demand(reward.kind === "reward", `The stage "${stage}" gives no scores.`);
    const { special } = tokenizer, words = strip(question), known = judge.understood(words);
    const [asked, said] = [words, ` ${answer}`].map((text) => tokenizer.encode(text));
    const ids = [special["<|endoftext|>"], special["<|user|>"], ...asked, special["<|assistant|>"],
      ...said, special["<|end|>"], special["<|reward|>"]];
    demand(ids.length <= reward.model.gpt.config.block_size, "This is too long. Please shorten it.");
    const found = await compute(task, () => reward.model.score(ids));
    return { score: found, question: known, ...verdict(known, answer, "chat", judge) };
  }

  async function next(asked, task) {
    const { tokenizer } = await started, { temperature = 1, topK = null, topP = null } = asked;
    const { model, ids } = await asking({ ...asked, maxTokens: 1 }, task);
    check({ n: 1, temperature, topK, topP });
    const logits = await compute(task, () => model.logits(ids));
    const raw = softmax(logits), order = Array.from(raw.keys()).sort((a, b) => raw[b] - raw[a]);
    const kept = temperature ? cut(softmax(logits, temperature), topK, topP) : cut(raw, 1);
    const sum = kept.reduce((a, b) => a + b), p = kept.map((number) => number / sum);
    const shown = order.slice(0, asked.most ?? 20);
    return {
      prompt: ids.map((id) => piece(id, tokenizer)),
      tokens: shown.map((id) => piece(id, tokenizer, { p: p[id], raw: raw[id], kept: p[id] > 0 })),
      rest: Math.max(0, shown.reduce((left, id) => left - p[id], 1)),
      entropy: p.reduce((bits, share) => bits - (share && share * Math.log2(share)), 0),
    };
  }

  async function encode({ text, gpt2: both = false }, task) {
    const { tokenizer, manifest } = await started;
    demand(text.length <= LONGEST, "This text is too long to be cut here. Please shorten it.");
    if (both && !gpt2) {
      const ranks = new TextDecoder().decode(await read(manifest.gpt2.file, task));
      gpt2 = new Tokenizer(ranks, GPT2_SPLIT, ["<|endoftext|>"]);
    }
    const pieces = (by) => by.encode(text).map((id) => piece(id, by));
    const bytes = new TextEncoder().encode(text).length;
    return { pieces: pieces(tokenizer), bytes, gpt2: both ? pieces(gpt2) : null };
  }

  const requests = {
    complete, best, score, next, encode,
    async start(asked, task) {
      started = start(asked, task);
      const { manifest, facts } = await started;
      return { manifest, verdicts: facts.verdicts };
    },
    async load({ stage }, task) {
      const { label, parameters, meta } = await need(stage, task);
      return { stage, label, parameters, meta };
    },
  };
  return receive;
}

/* What was asked of a draw is possible; errors as in minigpt/engine/batching.py. */
function check({ n, temperature, topK, topP }) {
  demand(n >= 1 && n <= 1000, `${n} draws: choose 1 to 1,000.`);
  demand(temperature >= 0 && temperature < 100, `The temperature is ${temperature}: choose 0 to 100.`);
  demand(topK === null || topK >= 1, `top-k is ${topK}: choose 1 or more, or none.`);
  demand(topP === null || (topP > 0 && topP <= 1), `top-p is ${topP}: choose 1 or less, above 0.`);
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const receive = serve((event) => postMessage(event));
  onmessage = ({ data }) => receive(data);
}
