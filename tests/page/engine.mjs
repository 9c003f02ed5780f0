/* Runs the page's modules in node: a job as JSON on stdin, its outcome as JSON on stdout. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { GPT, RewardModel, Tokenizer } from "../../minigpt/page/gpt.js";
import { Judge } from "../../minigpt/page/judge.js";
import { readWeights } from "../../minigpt/page/weights.js";
import { serve } from "../../minigpt/page/worker.js";

const jobs = {
  /* The ids of texts. */
  encode({ ranks, told, texts }) {
    const by = new Tokenizer(ranks, told);
    return texts.map((text) => by.encode(text));
  },

  /* The texts of lists of ids. */
  decode({ ranks, told, ids }) {
    const by = new Tokenizer(ranks, told);
    return ids.map((list) => by.decode(list));
  },

  /* How each [question, answer] is read and judged. */
  judge({ facts, asked }) {
    const judge = new Judge(JSON.stringify(facts));
    return asked.map(([text, answer]) => {
      const question = judge.understood(text);
      return [question, question && judge.verdict(question, answer)];
    });
  },

  /* The scores of lists of ids. */
  score({ gpt, reward, config, sees, ids }) {
    const read = (file) => readWeights(new Uint8Array(gunzipSync(Buffer.from(file, "base64"))));
    const model = new RewardModel(read(reward), new GPT(read(gpt), config), sees);
    return ids.map((list) => model.score(list));
  },

  /* What a worker says to requests, sent one after another, or all at once: of each how it ended;
     or all events, of each request and then of the stages. */
  async serve({ lang, files, base, requests, together = false, events = false }) {
    const said = requests.map(() => []), ends = [];
    const receive = serve(({ id = "stages", ...event }) => {
      (said[id] ??= []).push(event);
      if (event.event === "result" || event.event === "error") ends[id]();
    });
    const call = (request, id) => new Promise((end) => {
      ends[id] = end;
      receive({ ...request, id });
      if (request.do === "cancel") for (const one of [id, request.of]) ends[one]();
    });
    const start = call({ do: "start", lang, base, files }, requests.length), found = [start];
    for (const [id, request] of requests.entries()) {
      if (!together) await found.at(-1);
      found.push(call(request, id));
    }
    await Promise.all(found);
    const answers = said.slice(0, requests.length);
    return events ? [...answers, said.stages] : answers.map((list) => list.at(-1));
  },
};

const job = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await jobs[job.do](job)));
