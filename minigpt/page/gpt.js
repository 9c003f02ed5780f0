/* The whole model in plain JavaScript: text to token ids, ids to probabilities, draws, scores.

   As in minigpt/tokenizer.py, model.py, generate.py and reward.py. Simplified against the Python:
   nothing is trained, and one token of one sequence is read at a time, so a state, x, is one vector
   of C numbers. take("head.weight", V, C) gives weights: V rows of C numbers (weights.js). */

// ---- text to ids: byte-level BPE ----------------------------------------------------------------
export class Tokenizer {
  /* ranks: the text of a rank file, a token a line: its bytes in base64, a space, its id; special
     tokens follow. A token is kept as a string of one character a byte. split: a pattern; merges
     never cross the borders that it draws: words with the space before them, numbers, marks. */
  constructor(ranks, { split, special }) {
    this.split = new RegExp(split, "gu");
    this.tokens = ranks.split("\n").filter(Boolean).map((line) => atob(line.split(" ")[0]));
    this.ranks = new Map(this.tokens.map((token, id) => [token, id]));
    this.special = Object.fromEntries(special.map((name, i) => [name, this.tokens.length + i]));
    this.tokens.push(...special);
  }

  /* The ids of a text. A "<|end|>" that somebody typed is spelled out like other characters. */
  encode(text) {
    const byte = (b) => String.fromCharCode(b), utf8 = new TextEncoder();
    const words = text.match(this.split) ?? [];
    return words.flatMap((word) => this.merge(Array.from(utf8.encode(word), byte).join("")));
  }

  /* One word: join the two neighbours whose token has the lowest rank, again and again. Part i
     goes from starts[i] to starts[i + 1]; joined[i] is the rank of parts i and i + 1 as one. */
  merge(word) {
    const rank = (start, end) => this.ranks.get(word.slice(start, end)) ?? Infinity;
    if (rank(0) < Infinity) return [rank(0)];
    const starts = Array.from({ length: word.length + 1 }, (_, i) => i);
    const rankAt = (i) => (i + 2 < starts.length ? rank(starts[i], starts[i + 2]) : Infinity);
    const joined = starts.map((i) => rankAt(i));
    for (;;) {
      const best = joined.reduce((least, r, i) => (r < joined[least] ? i : least), 0);
      if (joined[best] === Infinity) return starts.slice(1).map((end, i) => rank(starts[i], end));
      for (const list of [starts, joined]) list.splice(best + 1, 1);
      joined[best] = rankAt(best);
      if (best > 0) joined[best - 1] = rankAt(best - 1);
    }
  }

  /* The text of ids; � for bytes that are no whole letter. */
  decode(ids) {
    const bytes = Uint8Array.from(ids.map((id) => this.tokens[id]).join(""), (b) => b.charCodeAt());
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }
}

// ---- the model ----------------------------------------------------------------------------------
/* W x, with W row after row. Four rows at a time, for which each number of x is fetched once. */
function times(W, x, rows) {
  const y = new Float64Array(rows), C = x.length;
  for (let row = 0; row < rows; row += 4) {
    let a = 0, b = 0, c = 0, d = 0;
    for (let column = 0, i = row * C; column < C; column++, i++) {
      a += W[i] * x[column];
      b += W[i + C] * x[column];
      c += W[i + 2 * C] * x[column];
      d += W[i + 3 * C] * x[column];
    }
    y[row] = a, y[row + 1] = b, y[row + 2] = c, y[row + 3] = d; // past the end of y: nothing
  }
  return y;
}

/* Layer norm without parameters: mean 0 and variance 1. */
function norm(x) {
  let mean = 0, variance = 0;
  for (let i = 0; i < x.length; i++) mean += x[i] / x.length;
  for (let i = 0; i < x.length; i++) variance += (x[i] - mean) ** 2 / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return x.map((number) => (number - mean) * scale);
}

/* RoPE: turn each pair of numbers by an angle; it grows with the position of the token. */
function rotate(x, cos, sin) {
  for (let i = 0; i < x.length; i += 2) {
    const a = x[i], b = x[i + 1];
    x[i] = a * cos[i] - b * sin[i];
    x[i + 1] = a * sin[i] + b * cos[i];
  }
  return x;
}

export function softmax(logits, temperature = 1) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/* One layer: the token looks at earlier tokens (attention), then thinks alone (MLP). The keys and
   values of all tokens so far are kept (KV cache), those of position t from t * C on. */
class Block {
  constructor(take, name, { n_embd: C, n_head, block_size }) {
    this.size = C / n_head; // of a head
    this.speeds = new Float64Array(this.size).map((_, i) => 1000 ** (-i / this.size));
    this.qkv = take(`${name}.qkv.weight`, 3 * C, C);
    this.attnOut = take(`${name}.attn_out.weight`, C, C);
    this.mlpIn = take(`${name}.mlp_in.weight`, 4 * C, C);
    const out = take(`${name}.mlp_out.weight`, C, 4 * C); // kept column after column
    this.mlpOut = out.map((_, i) => out[(i % C) * 4 * C + Math.floor(i / C)]);
    [this.keys, this.values] = [0, 1].map(() => new Float32Array(block_size * C));
  }

  /* Add to the state x of the token at position t what this layer makes of it. */
  read(x, t) {
    const C = x.length, qkv = times(this.qkv, norm(x), 3 * C);
    const [cos, sin] = [Math.cos, Math.sin].map((f) => this.speeds.map((speed) => f(t * speed)));
    for (let head = 0; head < 2 * C; head += this.size) { // each one's query, then each one's key
      qkv.set(rotate(norm(qkv.subarray(head, head + this.size)), cos, sin), head);
    }
    this.keys.set(qkv.subarray(C, 2 * C), t * C);
    this.values.set(qkv.subarray(2 * C), t * C);
    const seen = new Float64Array(C);
    for (let head = 0; head < C; head += this.size) this.attend(qkv, seen, head, t);
    times(this.attnOut, seen, C).forEach((number, i) => (x[i] += number));

    const hidden = times(this.mlpIn, norm(x), 4 * C);
    for (let j = 0; j < 4 * C; j++) {
      const squared = Math.max(hidden[j], 0) ** 2; // ReLU squared: most are zero, and skipped
      for (let i = 0; squared && i < C; i++) x[i] += squared * this.mlpOut[j * C + i];
    }
  }

  /* One head: the mean of all tokens' values, weighted by how well their keys fit the query. Both
     are normalised, so 0.5 in place of 1 / sqrt(size) lets it look at one token alone. */
  attend(query, seen, head, t) {
    const C = seen.length, end = head + this.size, scores = new Float64Array(t + 1);
    for (let u = 0; u <= t; u++)
      for (let i = head; i < end; i++) scores[u] += 0.5 * query[i] * this.keys[u * C + i];
    const weights = softmax(scores);
    for (let u = 0; u <= t; u++)
      for (let i = head; i < end; i++) seen[i] += weights[u] * this.values[u * C + i];
  }
}

export class GPT {
  constructor(take, config) {
    const { n_embd: C, vocab_size: V, n_layer } = (this.config = config);
    this.embedding = take("embedding.weight", V, C);
    this.blocks = Array.from({ length: n_layer }, (_, i) => new Block(take, `blocks.${i}`, config));
    this.gain = take("gain")[0];
    this.head = take("head.weight", V, C);
    [this.ids, this.states] = [[], []]; // what has been read, and each token's last state
  }

  /* Read ids, at most block_size. Those that were read the last time are not read again. */
  read(ids) {
    const C = this.config.n_embd;
    for (let t = ids.findIndex((id, i) => id !== this.ids[i]); t >= 0 && t < ids.length; t++) {
      const x = norm(new Float64Array(this.embedding.subarray(ids[t] * C, (ids[t] + 1) * C)));
      for (const block of this.blocks) block.read(x, t);
      this.states[t] = norm(x).map((number) => number * this.gain);
    }
    this.ids = [...ids];
  }

  /* Logits (V) of the token after ids[t]. */
  logits(ids, t = ids.length - 1) {
    this.read(ids);
    return times(this.head, this.states[t], this.config.vocab_size);
  }
}

// ---- writing ------------------------------------------------------------------------------------
/* Go on after the ids of a prompt, token by token, {id, p}, until one of `stop`; `most` at most.
   p is the probability before topK and topP. Temperature 0 takes the likeliest token. */
export function* generate(model, prompt, { most, stop, temperature, topK, topP, seed, draw }) {
  const ids = [...prompt];
  for (let step = 0; step < most; step++) {
    const probs = softmax(model.logits(ids), temperature || 1);
    let id = probs.indexOf(Math.max(...probs));
    if (temperature) id = pick(cut(probs, topK, topP), uniform(seed, draw, step));
    yield { id, p: probs[id] };
    if (stop.has(id)) return;
    ids.push(id);
  }
}

/* Probabilities, 0 for all but the topK largest, and of those the fewest that reach share topP. */
export function cut(probs, topK, topP) {
  if (!topK && !topP) return probs;
  const order = Array.from(probs.keys()).sort((a, b) => probs[b] - probs[a]);
  const best = order.slice(0, topK || order.length), kept = new Float64Array(probs.length);
  const goal = topP ? topP * best.reduce((sum, id) => sum + probs[id], 0) : Infinity;
  for (let i = 0, sum = 0; i < best.length && (i === 0 || sum < goal); i++) {
    kept[best[i]] = probs[best[i]];
    sum += probs[best[i]];
  }
  return kept;
}

/* Lay the probabilities end to end on a line: on which of them does the random number fall? */
function pick(probs, random) {
  let left = random * probs.reduce((a, b) => a + b);
  return probs.findIndex((p) => (left -= p) < 0);
}

/* A random number of [0, 1) that depends on three numbers alone, so no draw on another one. */
function uniform(...numbers) {
  let hash = 0;
  for (const number of numbers) { // mixed as MurmurHash3 mixes at its end
    hash = Math.imul(hash ^ (number + 0x9e3779b9), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return (hash >>> 0) / 2 ** 32;
}

// ---- scoring ------------------------------------------------------------------------------------
/* The reward model: the SFT model, two more blocks that read its last states and how unlikely it
   found each token, and a head of one number, which counts at the last token, <|reward|>. */
export class RewardModel {
  constructor(take, gpt, seesSurprisal) {
    const C = gpt.config.n_embd;
    Object.assign(this, { gpt, seesSurprisal, direction: take("layers.direction", C) });
    this.blocks = [0, 1].map((i) => new Block(take, `layers.blocks.${i}`, gpt.config));
    this.head = take("layers.head.weight", 1, C);
    [this.bias] = take("layers.head.bias", 1);
    [[this.mean], [this.std]] = [take("mean"), take("std")];
  }

  /* The score of a prompt, an answer and <|reward|>: 0 ± 1 on the SFT model's own answers. */
  score(ids) {
    let x;
    this.gpt.read(ids);
    for (let t = 0; t < ids.length; t++) {
      x = Float64Array.from(this.gpt.states[t]);
      if (t && this.seesSurprisal) {
        const surprisal = -Math.log(softmax(this.gpt.logits(ids, t - 1))[ids[t]]);
        this.direction.forEach((number, i) => (x[i] += surprisal * number));
      }
      for (const block of this.blocks) block.read(x, t);
    }
    const raw = norm(x).reduce((sum, number, i) => sum + number * this.head[i], this.bias);
    return (raw - this.mean) / this.std;
  }
}
