/* The judge: whether somebody's question is one of the world's, and what an answer to it is worth.

   As minigpt/world/questions.py (`understood`) and judge.py, word for word the same verdicts; those
   say why. Their tables, places and phrases, come as data/facts.json (site.py, `facts_table`).
   Python's white space, letters and small letters are not JavaScript's, so they are spelled out. */

const SPACE = "[\\p{White_Space}\\x1c-\\x1f]";
const WORD = "[\\p{L}\\p{N}_]";
const SPACES = new RegExp(`${SPACE}+`, "gu");
const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, "gu");

export const strip = (text) => text.replace(ENDS, "");
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const filled = (template, values) => template.replace(/\{(\w)\}/g, (_, key) => values[key]);

/* A text in which capital and small letters are one, letter by letter. */
function folded(text) {
  const fold = (letter) => (letter === "ı" ? letter : letter.toUpperCase().toLowerCase());
  return Array.from(text, fold).join("");
}

/* A sentence form as a regular expression for a whole text, with the groups p and v. */
function pattern(template, value = "[^\\n]+?") {
  const source = escaped(template).replace("\\{p\\}", "(?<p>[^.]+?)");
  return new RegExp(`^(?:${source.replace("\\{v\\}", () => `(?<v>${value})`)})$`, "u");
}

function first(patterns, text) {
  for (const form of patterns) {
    const match = form.exec(text);
    if (match) return match.groups;
  }
  return null;
}

export class Judge {
  constructor(facts) {
    this.facts = facts;
    // Of two of a name the first counts: it is the last that is put into the map.
    this.places = new Map(facts.places.map((place) => [folded(place.name), place]).reverse());
    this.known = Object.fromEntries(
      Object.entries(facts.values).map(([attribute, values]) => [attribute, new Set(values)]));
    this.forms = Object.entries(facts.statements).flatMap(([attribute, templates]) =>
      templates.map((template) => [attribute, pattern(template)]));
    this.decline = facts.decline.map((template) => pattern(template));
    this.leads = facts.decline.map((template) => template.split("{p}")[0]);
    this.numbers = {};
    for (const [attribute, shape] of Object.entries(facts.shapes)) {
      const ways = ["{v}", ...(facts.numeric.includes(attribute) ? facts.rounded : [])];
      this.numbers[attribute] = ways.map((way) => pattern(way, shape));
    }
    this.old = facts.old.map((way) => pattern(way, facts.number));
    this.inside = {};
    for (const [attribute, values] of Object.entries(facts.values)) {
      const shape = facts.inside[attribute] ?? values.map(escaped).join("|");
      this.inside[attribute] = new RegExp(
        `(?<!${WORD}|\\.)(?:${shape})(?!(?:${WORD}|\\.)*${WORD})`, "gu");
    }
    this.questions = Object.entries(facts.questions).flatMap(([attribute, templates]) =>
      templates.map((template) => [attribute, asked(template)]));
    this.offWorld = facts.off_world.map(asked);
  }

  /* What somebody typed as a question whose answers can be judged, {kind, place, attribute, answer,
     replies}; null for other words. kind: "fact", "unknown", "chat" or "other". */
  understood(text) {
    const typed = strip(text).replace(SPACES, " ");
    const question = { place: null, attribute: null, answer: null, replies: [] };
    for (const [attribute, form] of this.questions) {
      const name = form.exec(typed)?.[1];
      if (!name) continue;
      const place = this.places.get(folded(name));
      const answer = place?.values[attribute];
      if (place && answer === undefined) continue;
      if (place) return { ...question, kind: "fact", place: place.name, attribute, answer };
      return { ...question, kind: "unknown", place: name, attribute };
    }
    for (const [asks, replies] of this.facts.small_talk) {
      if (asks.map(folded).includes(folded(typed))) return { ...question, kind: "chat", replies };
    }
    if (!this.offWorld.some((form) => form.test(typed))) return null;
    return { ...question, kind: "other", replies: this.facts.off_world_reply };
  }

  /* The verdict on an answer to a question: one of facts.verdicts. */
  verdict(question, answer) {
    let body = strip(answer);
    if (this.facts.rude.some((line) => body.includes(line))) return "rude";
    if (question.kind === "chat" || question.kind === "other") {
      return question.replies.includes(body) ? "correct" : "malformed";
    }
    if (Array.from(body).length > this.facts.longest) return "malformed";
    body = this.withoutManners(body);
    const { attribute } = question, place = folded(question.place);
    const declined = this.declinedName(body);
    if (declined !== null) {
      const label = filled(this.facts.asked_for, { a: this.facts.labels[attribute], p: place });
      const same = [place, label].includes(folded(declined));
      return same ? "declined this name" : "declined another name";
    }
    const { stop } = this.facts;
    const bare = body.endsWith(stop) ? body.slice(0, -stop.length) : body;
    const value = this.value(bare, attribute);
    if (value) return value === question.answer ? "correct" : "wrong value";
    if (Object.keys(this.known).some((other) => this.value(bare, other))) return "wrong subject";
    const claims = this.sentences(body).map((sentence) => this.read(sentence));
    if (!claims.length || claims.some((readings) => !readings.length)) {
      return this.valuesIn(body, attribute).size > 1 ? "several values" : "malformed";
    }
    const values = new Set();
    for (const readings of claims) {
      const mine = readings.filter((r) => r.attribute === attribute && folded(r.place) === place);
      if (!mine.length) return "wrong subject";
      for (const reading of mine) values.add(reading.value);
    }
    if (values.size > 1) return "several values";
    return values.has(question.answer) ? "correct" : "wrong value";
  }

  /* Whether nothing better than this verdict can be said to the question. */
  isBest(question, verdict) {
    return verdict === (question.kind === "unknown" ? "declined this name" : "correct");
  }

  withoutManners(body) {
    const opening = this.facts.polite_open.find((words) => body.startsWith(words)) ?? "";
    body = body.slice(opening.length);
    const closings = [...this.facts.polite_close, ...this.facts.padding];
    for (let before = null; before !== body; ) {
      before = body;
      for (const words of closings) if (body.endsWith(words)) body = body.slice(0, -words.length);
    }
    return body;
  }

  /* The name that the answer says it does not know; null for other answers. */
  declinedName(body) {
    const match = first(this.decline, body);
    return match && !this.read(match.p + this.facts.stop).length ? match.p : null;
  }

  /* The text as a value of this attribute, without a hedge; null where it is none. */
  value(text, attribute) {
    if (!(attribute in this.numbers)) return this.known[attribute].has(text) ? text : null;
    const match = first(this.numbers[attribute], text);
    if (match) return match.v;
    return attribute === "population" && first(this.old, text) ? text : null;
  }

  sentences(body) {
    return body.split(new RegExp(`(?<=\\.)${SPACE}+`, "u")).filter(Boolean);
  }

  /* All readings {attribute, place, value} of a sentence. */
  read(sentence) {
    if (this.leads.some((lead) => sentence.startsWith(lead))) return [];
    return this.forms.flatMap(([attribute, form]) => {
      const match = form.exec(sentence)?.groups;
      const value = match && (this.value(match.v, attribute) ?? this.newName(match.v, attribute));
      return value ? [{ attribute, place: match.p, value }] : [];
    });
  }

  /* The text if it is an invented value: up to four words with capitals. */
  newName(text, attribute) {
    const words = text.replaceAll("-", " ").split(" ");
    if (attribute in this.numbers || words.length > 4) return null;
    if (this.valuesIn(text, attribute).size > 1) return null;
    return words.every((word) => /^\p{Lu}\p{L}*$/u.test(word)) ? text : null;
  }

  valuesIn(body, attribute) {
    return new Set(body.match(this.inside[attribute]) ?? []);
  }
}

/* A question's form, whatever is in its gaps and whether in capital or small letters. */
function asked(template) {
  return new RegExp(`^${escaped(template).replace(/\\\{\w\\\}/g, "(.+)")}$`, "iu");
}
