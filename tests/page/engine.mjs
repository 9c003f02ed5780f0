/* Runs the page's modules in node: a job as JSON on stdin, its outcome as JSON on stdout. */
import { readFileSync } from "node:fs";
import { GPT2_SPLIT, Tokenizer } from "../../minigpt/page/gpt.js";
import { Judge } from "../../minigpt/page/judge.js";
import { serve } from "../../minigpt/page/worker.js";

const jobs = {
  /* The ids of texts. */
  encode({ ranks, gpt2, texts }) {
    const by = gpt2 ? new Tokenizer(ranks, GPT2_SPLIT, ["<|endoftext|>"]) : new Tokenizer(ranks);
    return texts.map((text) => by.encode(text));
  },

  /* The texts of lists of ids. */
  decode({ ranks, ids }) {
    return ids.map((list) => new Tokenizer(ranks).decode(list));
  },

  /* How each [question, answer] is read and judged. */
  judge({ facts, asked }) {
    const judge = new Judge(facts);
    return asked.map(([text, answer]) => {
      const question = judge.understood(text);
      return [question, question && judge.verdict(question, answer)];
    });
  },

  /* What a worker says to requests, sent one after another, or all at once. Of each: its events. */
  async serve({ files, base, requests, together = false, events = false }) {
    const waiting = new Map();
    const receive = serve((event) => {
      const [said, resolve] = waiting.get(event.id);
      said.push(event);
      if (event.event === "done" || event.event === "error") resolve(said);
    });
    const call = (request, id) => new Promise((resolve) => {
      waiting.set(id, [[], resolve]);
      receive({ ...request, id });
      if (request.do === "cancel") resolve([]);
    });
    const all = [{ do: "start", base, files }, ...requests], found = [];
    for (const [id, request] of all.entries()) {
      const answer = call(request, id);
      found.push(together ? answer : await answer);
    }
    const said = (await Promise.all(found)).slice(1); // without start's
    const last = (list) => list.find(({ event }) => event === "result" || event === "error");
    return said.map((list) => (events ? list : last(list) ?? list.at(-1)));
  },
};

const job = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await jobs[job.do](job)));
