/* The judge: what somebody's question asks for, and the verdict on an answer to it.

   As minigpt/world/questions.py (`understood`) and judge.py, which say why. The places, the phrases
   and all forms of the language come as facts.json, in which {regex, flags} is a form (site.py). */

const SPACE = "[\\p{White_Space}\\x1c-\\x1f]"; // as Python has it
const [SPACES, ENDS] = [`${SPACE}+`, `^${SPACE}+|${SPACE}+$`].map((way) => new RegExp(way, "gu"));

export const strip = (text) => text.replace(ENDS, "");
const first = (forms, text) => forms.map((form) => form.exec(text)).find(Boolean)?.groups;

/* A text in which capital and small letters are one, letter by letter. */
function folded(text) {
  const fold = (letter) => (letter === "ı" ? letter : letter.toUpperCase().toLowerCase());
  return Array.from(text, fold).join("");
}

export class Judge {
  constructor(facts) {
    const compiled = (_, found) => (found?.regex ? new RegExp(found.regex, found.flags) : found);
    this.facts = JSON.parse(facts, compiled);
    // Of two places of a name the first counts: it is the last that is put into the map.
    this.places = new Map(this.facts.places.map((one) => [folded(one.name), one]).reverse());
  }

  /* What somebody typed as a question whose answers can be judged, {kind, place, attribute, answer,
     replies}; null for other words. kind: "fact", "unknown", "chat" or "other". */
  understood(text) {
    let typed = strip(text).replace(SPACES, " ");
    for (const [form, tidy] of this.facts.tidy) typed = typed.replace(form, tidy);
    const nobody = []; // of their names the shortest: the others have words of the question in them
    for (const [attribute, form] of this.facts.questions) {
      const name = form.exec(typed)?.[1], place = name && this.places.get(folded(name));
      const answer = place?.values[attribute];
      if (answer !== undefined) return { kind: "fact", place: place.name, attribute, answer };
      if (name && !place) nobody.push({ kind: "unknown", place: name, attribute });
    }
    if (nobody.length) return nobody.reduce((a, b) => (b.place.length < a.place.length ? b : a));
    for (const [asks, replies] of this.facts.small_talk) {
      if (asks.map(folded).includes(folded(typed))) return { kind: "chat", replies };
    }
    const other = this.facts.off_world.some((form) => form.test(typed));
    return other ? { kind: "other", replies: this.facts.off_world_reply } : null;
  }

  /* The verdict on an answer to a question: one of judge.py's VERDICTS. */
  verdict({ attribute, answer: truth, replies, place }, answer) {
    let body = strip(answer);
    if (this.facts.rude.some((line) => body.includes(line))) return "rude";
    if (replies) return replies.includes(body) ? "correct" : "malformed";
    if (Array.from(body).length > this.facts.longest) return "malformed";
    body = this.facts.manners.exec(body)[1];
    const asked = folded(place), declined = this.declinedName(body), { stop } = this.facts;
    if (declined !== null) {
      const [before, after] = this.facts.asked_for[attribute];
      const same = [asked, before + asked + after].includes(folded(declined));
      return same ? "declined this name" : "declined another name";
    }
    const bare = body.endsWith(stop) ? body.slice(0, -stop.length) : body;
    const value = this.value(bare, attribute);
    if (value) return value === truth ? "correct" : "wrong value";
    const others = Object.keys(this.facts.inside);
    if (others.some((other) => this.value(bare, other))) return "wrong subject";
    const claims = body.split(this.facts.between).filter(Boolean).map((one) => this.read(one));
    if (!claims.length || claims.some((readings) => !readings.length)) {
      return this.valuesIn(body, attribute).size > 1 ? "several values" : "malformed";
    }
    const mine = claims.map((readings) =>
      readings.filter((one) => one.attribute === attribute && folded(one.place) === asked));
    if (mine.some((readings) => !readings.length)) return "wrong subject";
    const values = new Set(mine.flat().map((reading) => reading.value));
    if (values.size > 1) return "several values";
    return values.has(truth) ? "correct" : "wrong value";
  }

  /* The name that the answer says it does not know; null for other answers. */
  declinedName(body) {
    const match = first(this.facts.decline, body);
    return match && !this.read(match.p + this.facts.stop).length ? match.p : null;
  }

  /* The text as a value of this attribute, without a hedge; null where it is none. */
  value(text, attribute) {
    const { numbers, values, counted } = this.facts;
    if (attribute in values) return values[attribute].includes(text) ? text : null;
    const found = first(numbers[attribute], text)?.v ?? null, unit = counted[attribute];
    return unit && /^\d+$/.test(found) ? unit.replace("{v}", found) : found;
  }

  /* All readings {attribute, place, value} of a sentence. */
  read(sentence) {
    if (this.facts.leads.some((lead) => sentence.startsWith(lead))) return [];
    return this.facts.forms.flatMap(([attribute, form]) => {
      const match = form.exec(sentence)?.groups;
      const value = match && (this.value(match.v, attribute) ?? this.newName(match.v, attribute));
      return value ? [{ attribute, place: match.p, value }] : [];
    });
  }

  /* The text if it is an invented value. */
  newName(text, attribute) {
    const fits = !(attribute in this.facts.numbers) && this.facts.invented.test(text);
    return fits && this.valuesIn(text, attribute).size < 2 ? text : null;
  }

  valuesIn(body, attribute) {
    return new Set(body.match(this.facts.inside[attribute]) ?? []);
  }
}
