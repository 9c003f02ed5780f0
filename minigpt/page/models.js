/* The way to the models: requests go to the worker, events come back (worker.js tells which). */

import {w} from "./cards.js";

export const stages = new Map();  // name → what the manifest says of it; share, here: of its file
const waiting = new Map();  // id → {on, resolve, reject}
export let manifest;
let post, number = 0, spoken = false, changed;

/** Send a request; `on` has functions for its events. `result` is a promise of what it brings, null
    if it is cancelled; it fails with {code, values}, for which there are words. */
export function call(request, on = {}) {
  const id = ++number;
  const result = new Promise((resolve, reject) => waiting.set(id, {on, resolve, reject}));
  post({...request, id});
  return {id, result};
}

function cancel(id) {
  waiting.get(id)?.resolve(null);
  waiting.delete(id);
  post({do: "cancel", of: id});
}

/** A function that sends [request, on] some, in place of those that it sent before, and gives what
    they bring; [] where something went wrong, or others have taken their place. */
export function asker(guarded) {
  let running = [];
  return async (...requests) => {
    running.forEach(cancel);
    const calls = requests.map(([request, on]) => call(request, on));
    running = calls.map(({id}) => id);
    const found = await guarded(Promise.all(calls.map(({result}) => result)));
    return found?.every(Boolean) ? found : [];
  };
}

function receive({id, event, ...told}) {
  spoken = true;
  if (event === "stage") changed(Object.assign(stages.get(told.name), told));
  const {on, resolve, reject} = waiting.get(id) ?? {};
  on?.[event]?.(told);
  if (event !== "result" && event !== "error") return;
  waiting.delete(id);
  (event === "result" ? resolve : reject)?.(told);
}

const fail = (code) => waiting.forEach((_, id) => receive({id, event: "error", code, values: {}}));

/** Start the worker and get a language's manifest. onChange: called when loading goes on. */
export async function connect(lang, onChange) {
  const inside = globalThis.minigptSingle;  // a single file brings everything along
  changed = onChange;
  try {
    const worker = inside ? inside.worker()
      : new Worker(new URL("worker.js", import.meta.url), {type: "module"});
    worker.onmessage = (event) => receive(event.data);
    worker.onerror = () => fail(spoken ? "stopped" : "noModels");
    post = (request) => worker.postMessage(request);
  } catch {
    throw Object.assign(new Error(), {code: "noModels", values: {}});
  }
  const base = inside ? "" : new URL("./", document.baseURI).href;
  manifest = await call({do: "start", lang, files: inside?.files, base}).result;
  for (const stage of [...manifest.stages, ...manifest.snapshots]) {
    const name = w("stages")[stage.name.split("_")[0]];
    stages.set(stage.name, {...stage, label: stage.own ? w("yours", {name}) : name});
  }
}
