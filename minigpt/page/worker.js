/* The page's models, in a Web Worker, so that the page never freezes.

   The page sends requests {id, do, ...} and gets events {id, event, ...}, with the id of the
   request. Each request ends with one "done" or one "error". Files are loaded beside all else, and
   a request waits for its own stage alone; models compute for one request after another.

   start     {base, files?} first. base: the address of the folder of index.html and data/; files:
             {path: Uint8Array or base64}, those that are not to be fetched
             → result {manifest}, its snapshots at the end of manifest.stages
   load      {stage}, only to say early what is needed → result {stage}
   complete  {stage, question or prompt, form, more, n, temperature, topK, topP, seed, maxTokens}
             question: asked as the stage is asked, an assistant in the chat template, a base model
             as form "qa" (Q: … A:, one line) or "bare" (the question alone). prompt: a text that
             goes on as a document. more: ids after it, such as those that somebody clicked.
             Default: qa, n 1, temperature 1 (0: the likeliest token), all tokens, seed 0, maxTokens
             as in Python. Draw i of a seed is the same whatever n is.
             → token {draw, token: PIECE, text}, the answer so far → answer ANSWER, of each draw
             → result {question: QUESTION or null, answers: [ANSWER]}
   best      as complete; stage "sft" unless given, and all answers have scores
             → result {question, answers, winner, order}: the best draw; all draws, the best first
   score     {question, answer} → result {score, verdict, true, question}
   next      {stage, question or prompt, form, more, temperature, topK, topP, most = 20}
             → result {prompt: [PIECE], tokens: [PIECE with p, raw, kept], rest, entropy}: the `most`
             likeliest tokens; p: under the knobs, 0 where topK or topP cut it off (then not kept);
             raw: at temperature 1, uncut; rest: p of all other tokens; entropy: in bits
   encode    {text, gpt2} → result {pieces: [PIECE], bytes, gpt2: [PIECE] or null}. gpt2: as well as
             by GPT-2's tokenizer, whose ranks are loaded first
   cancel    {of: id}: that request, running or waiting, is "done" at once, with cancelled: true

   Other events: progress {stage or null, file, loaded, total}, in bytes; done {cancelled};
   error {code, message}: for people, what to do included. code: "offline", "missing", "damaged",
   "input" or "internal". The same request can be sent again: what is not here is fetched anew.

   PIECE     {id, text, special, bytes}, drawn ones with p, their probability before topK and topP.
             text: "�" for part of a letter; special: true of <|end|> and the like
   ANSWER    {draw, text, ended, ids, tokens: [PIECE], verdict, true, score}. ended: false if cut
             off. verdict: as world/judge.py's, of a bare document's first line; null where nobody
             can judge, or a document asks on. true: nothing better can be said. score: null before
             the reward model is loaded, and of base models and prompts
   QUESTION  {kind: "fact", "unknown", "chat" or "other", place, attribute, answer, replies}

   Where a browser has no workers, `serve` does the same on the page's own thread and gives it back
   every few milliseconds: const receive = serve(onEvent); receive({id: 1, do: "start", base}); */

import { GPT, GPT2_SPLIT, RewardModel, Tokenizer, cut, generate, softmax } from "./gpt.js";
import { Judge, strip } from "./judge.js";
import { failure, readFile, readTensors, takeFrom } from "./weights.js";

const MOST = { qa: 24, chat: 40, bare: 60, document: 60 }; // tokens of an answer
const LONGEST = 20000; // letters of a text
const PAUSE = 10; // milliseconds between looks at what the page has sent

function demand(good, message) {
  if (!good) throw failure("input", message);
}

/* Let what has been sent in the meantime come in; unlike a timer, this does not wait. */
const pause = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(port1.close());
  port2.postMessage(null);
});

export function serve(post) {
  const running = new Map(); // id of a request → a function that cancels it
  const stages = new Map(); // name → the promise of a stage
  const here = {}; // files that need not be fetched
  let base, started, gpt2;
  let turn = Promise.resolve(); // kept when the models are free

  function receive({ id, do: what, ...asked }) {
    if (what === "cancel") return running.get(asked.of)?.();
    const task = { cancelled: false };
    task.say = (event, more) => task.cancelled || post({ ...more, id, event });
    const end = (event, more) => {
      task.say(event, more);
      task.cancelled = true; // whatever it still does is not told
      running.delete(id);
    };
    const work = async () => {
      demand(Object.hasOwn(requests, what), `The models know no request "${what}".`);
      demand(started || what === "start", "The first request is start.");
      task.say("result", await requests[what](asked, task));
      end("done", { cancelled: false });
    };
    running.set(id, () => end("done", { cancelled: true }));
    work().catch(({ code, message }) => {
      if (typeof code === "string") return end("error", { code, message });
      message = `Something went wrong (${message}). Load the page again.`;
      end("error", { code: "internal", message });
    });
  }

  /* Run `work` when no other request computes. It calls `rest` between tokens. */
  function compute(task, work) {
    let last = performance.now();
    const rest = async () => {
      if (performance.now() - last > PAUSE) last = await pause().then(() => performance.now());
      if (task.cancelled) throw failure("cancelled", "");
    };
    const done = turn.then(rest).then(() => work(rest));
    turn = done.catch(() => {});
    return done;
  }

  // ---- loading ----
  function read({ file, ...wanted }, task, parse, stage = null) {
    const tell = (loaded, total) => task.say("progress", { stage, file, loaded, total });
    return readFile(file, { here, base, tell, wanted, parse });
  }

  function readText({ file, bytes }, task, parse) {
    return read({ file, size: bytes }, task, (data) => parse(new TextDecoder().decode(data)));
  }

  async function start(asked, task) {
    base = asked.base;
    Object.assign(here, asked.files);
    const manifest = await readText({ file: "data/manifest.json" }, task, JSON.parse);
    const judge = await readText(manifest.facts, task, (facts) => new Judge(JSON.parse(facts)));
    const tokenizer = await readText(manifest.tokenizer, task, (ranks) => new Tokenizer(ranks));
    const names = manifest.stages.map(({ name }) => name);
    manifest.stages.push(...manifest.snapshots.filter(({ name }) => !names.includes(name)));
    return { manifest, judge, tokenizer };
  }

  /* The promise of a stage: loaded once; if that fails, anew for the next request. */
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
    demand(entry, `There is no stage "${name}", but ${known.map((s) => s.name).join(", ")}.`);
    const under = entry.parent && (await need(entry.parent, task));
    const build = (file) => {
      const take = takeFrom(file && readTensors(file));
      if (under) return new RewardModel(take, under.model, entry.sees_surprisal);
      return new GPT(take, entry.config);
    };
    return { ...entry, model: entry.file ? await read(entry, task, build, name) : build(null) };
  }

  // ---- asking ----
  /* How a stage is asked: the ids it goes on from, what ends its answer, and how to draw it. */
  async function asking(asked, task) {
    const { tokenizer, judge } = await started, stage = await need(asked.stage, task);
    const { question, prompt, form = "qa", more = [] } = asked;
    demand(stage.kind !== "reward", "A reward model cannot write, only score.");
    const kind = prompt !== undefined ? "document" : stage.chat ? "chat" : form;
    const words = strip(question ?? "");
    const text = { qa: `Q: ${words}\nA:`, bare: `${words}\n`, chat: words, document: prompt }[kind];
    demand(text !== undefined, `A question has no form "${kind}".`);
    demand(kind === "document" || words, "There is no question yet. Type one.");
    demand(text.length <= LONGEST, "This text is too long. Please shorten it.");
    const [begin, user, assistant, end] = Object.values(tokenizer.special);
    const [before, after] = kind === "chat" ? [[begin, user], [assistant]] : [[begin], []];
    const ids = [...before, ...tokenizer.encode(text), ...after, ...more];
    const { n = 1, temperature = 1, topK = null, topP = null, seed = 0 } = asked;
    const most = asked.maxTokens ?? MOST[kind], context = stage.config.block_size;
    const room = context - most - 1; // <|reward|> comes after the answer
    const share = (x, from, to) => typeof x === "number" && x >= from && x <= to;
    demand(Number.isInteger(n) && share(n, 1, 1000), `${n} draws: choose 1 to 1,000.`);
    demand(share(temperature, 0, 100), `The temperature is ${temperature}: choose 0 to 100.`);
    demand(topK === null || share(topK, 1, Infinity), `Top-k is ${topK}: choose 1 or more.`);
    demand(topP === null || share(topP, 1e-9, 1), `Top-p is ${topP}: choose 1 or less, above 0.`);
    demand(most >= 1, "An answer has one token or more.");
    demand(ids.length <= room, `This has ${ids.length} tokens. The models read ${context} at once, `
      + `answer included: ${room} are left. Please shorten it.`);
    const stop = new Set(kind === "chat" ? [end] : [begin]);
    tokenizer.tokens.forEach((token, id) => kind === "qa" && token.includes("\n") && stop.add(id));
    const known = kind === "document" ? null : judge.understood(words);
    const drawn = { n, temperature, topK, topP, seed, most, stop };
    return { model: stage.model, kind, ids, question: known, options: drawn };
  }

  function piece(id, tokenizer, more = {}) {
    const special = Object.values(tokenizer.special).includes(id);
    const bytes = Array.from(tokenizer.tokens[id], (c) => c.charCodeAt(0));
    return { id, text: tokenizer.decode([id]), special, bytes, ...more };
  }

  /* An answer as people read it: without the special token that ended it. */
  function readable(ids, kind, tokenizer) {
    const end = tokenizer.special[kind === "chat" ? "<|end|>" : "<|endoftext|>"];
    const said = tokenizer.decode(ids.filter((id) => id !== end));
    if (kind === "chat") return said.replace(/^ /, "");
    return kind === "document" ? said : strip(kind === "qa" ? said.split("\n")[0] : said);
  }

  function judged(judge, question, text, kind) {
    const lines = text.split("\n"), asksOn = lines.some((line) => strip(line).endsWith("?"));
    if (!question || (kind === "bare" && asksOn)) return { verdict: null, true: null };
    const verdict = judge.verdict(question, kind === "bare" ? lines[0] : text);
    return { verdict, true: judge.isBest(question, verdict) };
  }

  // ---- requests ----
  const requests = {
    async start(asked, task) {
      started = start(asked, task);
      return { manifest: (await started).manifest };
    },

    async load({ stage }, task) {
      await need(stage, task);
      return { stage };
    },

    async complete(asked, task) {
      const { tokenizer, judge } = await started;
      const { model, kind, ids, question, options } = await asking(asked, task);
      return compute(task, async (rest) => {
        const answers = [];
        for (let draw = 0; draw < options.n; draw++) {
          const said = [], tokens = [];
          let text = "";
          for (const { id, p } of generate(model, ids, { ...options, draw })) {
            said.push(id);
            tokens.push(piece(id, tokenizer, { p }));
            text = readable(said, kind, tokenizer);
            task.say("token", { draw, token: tokens.at(-1), text });
            await rest();
          }
          const reward = kind === "chat" ? stages.get("reward")?.stage : null;
          const read = [...ids, ...said, tokenizer.special["<|reward|>"]];
          const score = reward?.model.score(read) ?? null, ended = options.stop.has(said.at(-1));
          const verdict = judged(judge, question, text, kind);
          answers.push({ draw, text, ended, ids: said, tokens, ...verdict, score });
          task.say("answer", answers.at(-1));
          await rest();
        }
        return { question, answers };
      });
    },

    async best(asked, task) {
      await need("reward", task);
      const { question, answers } = await requests.complete({ stage: "sft", ...asked }, task);
      const scores = answers.map(({ score }) => score), order = Array.from(scores.keys());
      order.sort((a, b) => scores[b] - scores[a]);
      return { question, answers, winner: order[0], order };
    },

    async score({ question, answer }, task) {
      const { tokenizer, judge } = await started, { model, parent } = await need("reward", task);
      demand(answer.length <= LONGEST, "This answer is too long. Please shorten it.");
      const { special } = tokenizer, said = [...tokenizer.encode(` ${answer}`), special["<|end|>"]];
      const asked = await asking({ stage: parent, question, maxTokens: said.length }, task);
      const read = [...asked.ids, ...said, special["<|reward|>"]];
      const score = await compute(task, () => model.score(read));
      return { score, question: asked.question, ...judged(judge, asked.question, answer, "chat") };
    },

    async next({ most = 20, ...asked }, task) {
      const { tokenizer } = await started;
      const { model, ids, options } = await asking({ ...asked, maxTokens: 1 }, task);
      const { temperature, topK, topP } = options;
      const logits = await compute(task, () => model.logits(ids)), raw = softmax(logits);
      const kept = temperature ? cut(softmax(logits, temperature), topK, topP) : cut(raw, 1);
      const sum = kept.reduce((a, b) => a + b), p = kept.map((share) => share / sum);
      const order = Array.from(raw.keys()).sort((a, b) => raw[b] - raw[a]).slice(0, most);
      const shown = (id) => piece(id, tokenizer, { p: p[id], raw: raw[id], kept: p[id] > 0 });
      const rest = Math.max(0, order.reduce((left, id) => left - p[id], 1));
      const entropy = -p.reduce((bits, share) => bits + (share && share * Math.log2(share)), 0);
      const prompt = ids.map((id) => piece(id, tokenizer));
      return { prompt, tokens: order.map(shown), rest, entropy };
    },

    async encode({ text, gpt2: both = false }, task) {
      const { tokenizer, manifest } = await started, { file } = manifest.gpt2;
      demand(text.length <= LONGEST, "This text is too long. Please shorten it.");
      const build = (ranks) => new Tokenizer(ranks, GPT2_SPLIT, ["<|endoftext|>"]);
      if (both) gpt2 ??= await readText({ file }, task, build);
      const pieces = (by) => by.encode(text).map((id) => piece(id, by));
      const bytes = new TextEncoder().encode(text).length;
      return { pieces: pieces(tokenizer), bytes, gpt2: both ? pieces(gpt2) : null };
    },
  };
  return receive;
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const receive = serve((event) => postMessage(event));
  onmessage = ({ data }) => receive(data);
}
