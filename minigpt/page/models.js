/* The way to the models: requests go to the worker, events come back (worker.js tells which). */

import {w} from "./words.js";

const waiting = new Map();  // id → {request, on, resolve, reject, value}
export const stages = new Map();  // name → {label, kind, step, share, here, meta}, as they load
const loads = new Map();  // name → the promise of a load under way or done
let post, number = 0, spoken = false, changed = () => {};

/** An error whose message tells people what to do. */
export class Refused extends Error {
  constructor({code, message}) {
    super(message);
    this.code = code;
  }
}

/** Send a request; `on` has functions for its events by name. `result` is a promise of what it
    brought, null if it was cancelled; it fails with a Refused. */
export function call(request, on = {}) {
  const id = ++number;
  const result = new Promise((resolve, reject) =>
    waiting.set(id, {request: {...request, id}, on, resolve, reject, value: null}));
  post({...request, id});
  return {id, result};
}

export function cancel(id) {
  if (waiting.has(id)) post({id: ++number, do: "cancel", of: id});
}

function receive(event) {
  spoken = true;
  const entry = waiting.get(event.id);
  if (!entry) return;
  if (event.event === "progress" && event.stage) progress(event);
  entry.on[event.event]?.(event);
  if (event.event === "result") entry.value = event;
  if (event.event !== "done" && event.event !== "error") return;
  waiting.delete(event.id);
  if (event.event === "error") entry.reject(new Refused(event));
  else entry.resolve(event.cancelled ? null : entry.value);
}

function progress({stage, loaded, total}) {
  const known = stages.get(stage);
  if (!known) return;
  known.share = total ? loaded / total : 0;
  changed();
}

/** Start the worker, or where there are none the same program in the page; then the manifest.
    say: told a sentence where the page is slower than it could be. onChange: when loading goes on. */
export async function connect(say, onChange) {
  const inside = globalThis.minigptSingle;  // a single file brings everything along
  changed = onChange;
  const onPage = async () => {
    try {
      if (inside) throw new Error("its program is in the worker");
      const {serve} = await import("./worker.js");
      post = serve(receive);
      for (const {request} of waiting.values()) post(request);
      say(w("ownThread"));
    } catch {
      post = () => setTimeout(fail, 0, "internal", w("noModels"));
      post();
    }
  };
  try {
    const worker = inside ? inside.worker()
      : new Worker(new URL("worker.js", import.meta.url), {type: "module"});
    worker.onmessage = (event) => receive(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (spoken) fail("internal", w("stopped"));
      else onPage();
    };
    post = (request) => worker.postMessage(request);
  } catch {  // there are no workers, or none for modules
    post = () => {};
    await onPage();
  }
  const base = new URL("./", document.baseURI).href;
  const start = inside ? {do: "start", base: "", files: inside.files} : {do: "start", base};
  const found = await call(start).result;
  for (const stage of found.manifest.stages) {
    if (stage.hidden) continue;
    const label = stage.label ?? w("stageNames")[stage.name] ?? stage.name;
    stages.set(stage.name, {...stages.get(stage.name), label, kind: stage.kind, step: stage.step});
  }
  return found.manifest;
}

function fail(code, message) {
  for (const [id, entry] of waiting) {
    waiting.delete(id);
    entry.reject(new Refused({code, message}));
  }
}

/** Load a stage unless it is here or on its way. After a failure it can be asked for again. */
export function load(name) {
  if (loads.has(name)) return loads.get(name);
  const known = stages.get(name);
  Object.assign(known, {share: 0, failed: false});
  changed();
  const loading = call({do: "load", stage: name}).result.then((found) => {
    Object.assign(known, {here: true, meta: found?.meta ?? {}});
    changed();
    return known;
  }, (error) => {
    loads.delete(name);
    known.failed = true;
    changed();
    throw error;
  });
  loads.set(name, loading);
  return loading;
}

/** The snapshots through pretraining in order of their steps, the base model last. */
export function snapshots() {
  const names = [...stages.keys()].filter((name) => name.startsWith("base_step_")).sort();
  return stages.has("base") ? [...names, "base"] : names;
}
