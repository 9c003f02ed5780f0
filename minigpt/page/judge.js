/* The judge: what somebody's question asks for, and the verdict on an answer to it.

   As minigpt/world/questions.py (`understood`) and judge.py, which say why. Their places and
   phrases come as data/facts.json. White space and letters are spelled out as Python has them. */

const SPACE = "[\\p{White_Space}\\x1c-\\x1f]", WORD = "[\\p{L}\\p{N}_]";
const [SPACES, ENDS, BETWEEN] = [`${SPACE}+`, `^${SPACE}+|${SPACE}+$`, `(?<=\\.)${SPACE}+`].map(
  (source) => new RegExp(source, "gu"));

export const strip = (text) => text.replace(ENDS, "");
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const first = (forms, text) => forms.map((form) => form.exec(text)).find(Boolean)?.groups;
const mapped = (table, make) =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, make(value, key)]));
const pairs = (table, make) => // [attribute, form] of each template of a table
  Object.entries(table).flatMap(([key, templates]) => templates.map((words) => [key, make(words)]));

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

/* A question's form: anything in its gaps, in capital or small letters. */
function asked(template) {
  return new RegExp(`^${escaped(template).replace(/\\\{\w\\\}/g, "(.+)")}$`, "iu");
}

export class Judge {
  constructor(facts) {
    this.facts = facts;
    // Of two places of a name the first counts: it is the last that is put into the map.
    this.places = new Map(facts.places.map((place) => [folded(place.name), place]).reverse());
    this.forms = pairs(facts.statements, (words) => pattern(words));
    this.questions = pairs(facts.questions, asked);
    this.offWorld = facts.off_world.map(asked);
    this.decline = facts.decline.map((words) => pattern(words));
    this.leads = facts.decline.map((words) => words.split("{p}")[0]);
    this.numbers = mapped(facts.shapes, (shape, attribute) => {
      const hedges = facts.numeric.includes(attribute) ? facts.rounded : [];
      return ["{v}", ...hedges].map((way) => pattern(way, shape));
    });
    this.old = facts.old.map((way) => pattern(way, facts.number));
    this.inside = mapped(facts.values, (values, attribute) => {
      const shape = facts.inside[attribute] ?? values.map(escaped).join("|");
      return new RegExp(`(?<!${WORD}|\\.)(?:${shape})(?!(?:${WORD}|\\.)*${WORD})`, "gu");
    });
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
      const label = this.facts.asked_for.replace("{a}", this.facts.labels[attribute]);
      const same = [place, label.replace("{p}", () => place)].includes(folded(declined));
      return same ? "declined this name" : "declined another name";
    }
    const { stop } = this.facts;
    const bare = body.endsWith(stop) ? body.slice(0, -stop.length) : body;
    const value = this.value(bare, attribute);
    if (value) return value === question.answer ? "correct" : "wrong value";
    if (Object.keys(this.inside).some((other) => this.value(bare, other))) return "wrong subject";
    const claims = body.split(BETWEEN).filter(Boolean).map((sentence) => this.read(sentence));
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
    const known = this.facts.values[attribute].includes(text);
    if (!(attribute in this.numbers)) return known ? text : null;
    const match = first(this.numbers[attribute], text);
    if (match) return match.v;
    return attribute === "population" && first(this.old, text) ? text : null;
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
