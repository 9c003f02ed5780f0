/* The page's models, in a Web Worker, so that the page never freezes.

   The page sends requests {id, do, ...} and gets events {id, event, ...}; each request ends with
   one "result" or one "error" {code, values}, for which index.html has the words. The same request
   can be sent again: what is not here is fetched anew. A request waits for its own stage alone;
   models compute for one request after another.

   start     {lang, base, files}: whose models; the address of index.html's folder; {path: base64}
             of what is not to be fetched from there. It comes first → result: the manifest
   load      all stages, one after the other
   complete  {stage, question or prompt, form, more, n, temperature, topK, topP, seed, maxTokens}
             question: asked as the stage is asked, an assistant in the chat template, a base model
             as form "qa" (Q: … A:, one line) or "bare" (the question alone). prompt: a text that
             goes on as a document. more: ids after it. Temperature 0 takes the likeliest token.
             Draw i of a seed is the same whatever n is. scored: as the reward model scores it
             → token {draw, token: PIECE, text}, the answer so far → answer, of each draw
             → result {answers: [{draw, text, ended, ids, score, kind, verdict}]}. ended: false if
             cut off. kind, verdict: of the question and the answer, by judge.js, or null; of a
             bare document by its first line, or "asks on" where it goes on with questions
   next      as complete, and most → result {prompt: [PIECE], tokens: [PIECE with p, raw, kept],
             rest}: the `most` likeliest tokens; p: under the knobs, 0 where topK or topP cut it
             off (then not kept); raw: at temperature 1, uncut; rest: p of all other tokens
   encode    {text, gpt2: true to load GPT-2's ranks → progress {share}}
             → result {ours: [PIECE], theirs: [PIECE] or null, bytes}
   cancel    {of: id}: nothing more comes of that request

   Without id come events "stage" {name, share, here}: how far its file is loaded.
   PIECE: {id, text, special, bytes}; text: "�" for part of a letter; drawn ones with p. */

import { GPT, RewardModel, Tokenizer, cut, generate, softmax } from "./gpt.js";
import { Judge, strip } from "./judge.js";
import { failure, readFile, readWeights } from "./weights.js";

const MOST = { qa: 24, chat: 40, bare: 60, document: 60 }; // tokens of an answer
const PAUSE = 30; // milliseconds between looks at what the page has sent

export function serve(post) {
  const wanted = new Set(); // ids of requests that somebody waits for
  const stages = new Map(); // name → the promise of a stage
  let source, started, gpt2;
  let paused = 0, turn = Promise.resolve(); // kept when the models are free

  async function receive({ id, do: what, ...asked }) {
    if (what === "cancel") return wanted.delete(asked.of);
    const say = (event, more) => wanted.has(id) && post({ ...more, id, event });
    wanted.add(id);
    try {
      say("result", await requests[what](asked, say, id));
    } catch ({ code, values, message }) {
      say("error", values ? { code, values } : { code: "internal", values: { message } });
    }
    return wanted.delete(id);
  }

  /* Run `work` when no other request computes. */
  const compute = (work) => (turn = turn.catch(() => {}).then(work));

  /* Called between tokens: lets requests come in, and ends one that nobody waits for. */
  async function rest(id) {
    if (performance.now() - paused > PAUSE) {
      await new Promise((resolve) => setTimeout(resolve));
      paused = performance.now();
    }
    if (!wanted.has(id)) throw new Error("cancelled");
  }

  // ---- loading ----
  const read = (entry, tell, parse) => readFile(entry.file, { ...source, ...entry, tell, parse });
  const readText = (entry, parse, tell = () => {}) =>
    read(entry, tell, (data) => parse(new TextDecoder().decode(data)));

  async function start({ lang, base, files = {} }) {
    source = { base, here: files };
    const manifest = await readText({ file: `data/${lang}/models.json` }, JSON.parse);
    const judge = await readText(manifest.facts, (facts) => new Judge(facts));
    const build = (ranks) => new Tokenizer(ranks, manifest.tokenizer);
    return { manifest, judge, tokenizer: await readText(manifest.tokenizer, build) };
  }

  /* The promise of a stage: loaded once; if that fails, anew for the next request. */
  function need(name) {
    if (!stages.has(name)) stages.set(name, load(name).catch((error) => {
      stages.delete(name);
      post({ event: "stage", name, share: null, here: false });
      throw error;
    }));
    return stages.get(name);
  }

  async function load(name) {
    const tell = (share, here = false) => post({ event: "stage", name, share, here });
    const { manifest } = await started, known = [...manifest.stages, ...manifest.snapshots];
    const entry = known.find((stage) => stage.name === name);
    const before = entry.after && (await need(entry.after)); // of a reward model, what it is on
    const build = (file) => {
      const take = readWeights(file);
      if (entry.kind === "reward") return new RewardModel(take, before.model, entry.sees_surprisal);
      return new GPT(take, entry.config);
    };
    tell(0);
    const model = entry.file ? await read(entry, tell, build) : build(null);
    tell(1, true);
    return { ...entry, model };
  }

  // ---- asking ----
  /* How a stage is asked: the ids it goes on from, what ends its answer, and how to draw it. */
  async function asking({ stage, question = "", prompt, form = "qa", more = [], ...asked }) {
    const { tokenizer, judge } = await started, { model, chat, config } = await need(stage);
    const kind = prompt !== undefined ? "document" : chat ? "chat" : form, words = strip(question);
    const text = { qa: `Q: ${words}\nA:`, bare: `${words}\n`, chat: words, document: prompt }[kind];
    const [begin, user, assistant, end] = Object.values(tokenizer.special);
    const [before, after] = kind === "chat" ? [[begin, user], [assistant]] : [[begin], []];
    const ids = [...before, ...tokenizer.encode(text), ...after, ...more];
    const { maxTokens: most = MOST[kind], ...knobs } = asked, context = config.block_size;
    const room = context - most - 1; // <|reward|> comes after the answer
    if (ids.length > room) throw failure("tooManyTokens", { n: ids.length, context, room });
    const stop = new Set([kind === "chat" ? end : begin]);
    tokenizer.tokens.forEach((token, id) => kind === "qa" && token.includes("\n") && stop.add(id));
    const known = kind === "document" ? null : judge.understood(words);
    const options = { temperature: 1, seed: 0, ...knobs, most, stop };
    return { tokenizer, judge, model, kind, ids, question: known, options };
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

  /* The verdict on an answer; null where nobody can judge. */
  function judged(judge, question, text, kind) {
    const lines = kind === "bare" ? text.split("\n") : [text], asks = /[?？]$/;
    if (kind === "bare" && lines.some((line) => asks.test(strip(line)))) return "asks on";
    return question && judge.verdict(question, lines[0]);
  }

  // ---- requests ----
  const requests = {
    async start(asked) {
      started = start(asked);
      return (await started).manifest;
    },

    async load() {
      for (const { name } of (await started).manifest.stages) await need(name);
    },

    async complete({ n = 1, scored, ...asked }, say, waiting) {
      const { tokenizer, judge, model, kind, ids, question, options } = await asking(asked);
      const reward = scored ? (await need("reward")).model : null;
      return compute(async () => {
        const answers = [];
        for (let draw = 0; draw < n; draw++) {
          const said = [];
          let text = "";
          for (const { id, p } of generate(model, ids, { ...options, draw })) {
            await rest(waiting);
            said.push(id);
            text = readable(said, kind, tokenizer);
            say("token", { draw, token: piece(id, tokenizer, { p }), text });
          }
          const score = reward?.score([...ids, ...said, tokenizer.special["<|reward|>"]]) ?? null;
          const ended = options.stop.has(said.at(-1));
          const verdict = judged(judge, question, text, kind);
          answers.push({ draw, text, ended, ids: said, score, kind: question?.kind, verdict });
          say("answer", answers.at(-1));
        }
        return { answers };
      });
    },

    async next({ most, ...asked }) {
      const { tokenizer, model, ids, options } = await asking({ ...asked, maxTokens: 1 });
      const { temperature, topK, topP } = options;
      const logits = await compute(() => model.logits(ids)), raw = softmax(logits);
      const kept = cut(softmax(logits, temperature), topK, topP);
      const sum = kept.reduce((a, b) => a + b), p = kept.map((share) => share / sum);
      const order = Array.from(raw.keys()).sort((a, b) => raw[b] - raw[a]).slice(0, most);
      const shown = (id) => piece(id, tokenizer, { p: p[id], raw: raw[id], kept: p[id] > 0 });
      const rest = Math.max(0, order.reduce((left, id) => left - p[id], 1));
      return { prompt: ids.map((id) => piece(id, tokenizer)), tokens: order.map(shown), rest };
    },

    async encode({ text, gpt2: both }, say) {
      const { tokenizer, manifest } = await started;
      const build = (ranks) => new Tokenizer(ranks, manifest.gpt2);
      const tell = (share) => say("progress", { share });
      if (both) gpt2 ??= await readText(manifest.gpt2, build, tell);
      const pieces = (by) => by.encode(text).map((id) => piece(id, by));
      const bytes = new TextEncoder().encode(text).length;
      return { ours: pieces(tokenizer), theirs: both ? pieces(gpt2) : null, bytes };
    },
  };
  return receive;
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  const receive = serve((event) => postMessage(event));
  onmessage = ({ data }) => receive(data);
}
