/* The way to the models: requests go to the worker, events come back (worker.js tells which). */

import {w} from "./cards.js";

export const FIRST = ["base", "sft", "reward", "ppo"];  // in the order in which they are loaded
export const stages = new Map();  // name → {label, step, tokens, loss, loading, share, here}
const waiting = new Map();  // id → {request, on, resolve, reject, value}
let post, number = 0, spoken = false, changed;

/** Send a request; `on` has functions for its events. `result` is a promise of what it brought,
    null if it was cancelled; it fails with an event "error", whose message is for people. */
export function call(request, on = {}) {
  const id = ++number;
  const result = new Promise((resolve, reject) =>
    waiting.set(id, {request: {...request, id}, on, resolve, reject, value: null}));
  post({...request, id});
  return {id, result};
}

export const cancel = (id) => waiting.has(id) && post({id: ++number, do: "cancel", of: id});

function receive(event) {
  const entry = waiting.get(event.id), known = stages.get(event.stage);
  spoken = true;
  if (event.event === "progress" && known) {
    known.share = event.total ? event.loaded / event.total : 0;
    changed();
  }
  entry?.on[event.event]?.(event);
  if (event.event === "result" && entry) entry.value = event;
  if (event.event !== "done" && event.event !== "error") return;
  waiting.delete(event.id);
  if (event.event === "error") entry?.reject(event);
  else entry?.resolve(event.cancelled ? null : entry.value);
}

function fail(message) {
  for (const id of waiting.keys()) receive({id, event: "error", code: "internal", message});
}

/** Start the worker and get the manifest. say: told a sentence where the models run in the page
    itself, for there are no workers; onChange: called when loading goes on. */
export async function connect(say, onChange) {
  const inside = globalThis.minigptSingle;  // a single file brings everything along
  const onPage = () => import("./worker.js").then(({serve}) => {
    post = serve(receive);
    waiting.forEach(({request}) => post(request));
    say(w("ownThread"));
  }).catch(() => fail(w("noModels")));
  changed = onChange;
  try {
    const worker = inside ? inside.worker()
      : new Worker(new URL("worker.js", import.meta.url), {type: "module"});
    worker.onmessage = (event) => receive(event.data);
    worker.onerror = () => (spoken ? fail(w("stopped")) : onPage());
    post = (request) => worker.postMessage(request);
  } catch {
    post = () => {};  // what is asked until then waits
    onPage();
  }
  const {manifest} = await call({do: "start", files: inside?.files,
    base: inside ? "" : new URL("./", document.baseURI).href}).result;
  for (const {name, label, step, tokens, loss, hidden} of manifest.stages)
    if (!hidden) stages.set(name, {label: label ?? name, step, tokens, loss});
  return manifest;
}

/** Load these stages, one after the other; those that are here or on their way are not asked for
    again. The last one's entry in `stages`. After a failure it can be called again. */
export async function load(...names) {
  let known;
  for (const name of names.filter((one) => stages.has(one))) {
    known = stages.get(name);
    known.loading ??= call({do: "load", stage: name}).result;
    changed();
    try {
      await known.loading;
      known.here = true;
    } catch (error) {
      known.loading = null;
      throw error;
    } finally {
      changed();
    }
  }
  return known;
}
