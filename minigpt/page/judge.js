/* The judge: what somebody's question asks for, and the verdict on an answer to it.

   As minigpt/world/questions.py (`understood`) and judge.py, which say why. The places, the phrases
   and the sentence forms of both, as regular expressions, come as facts.json (site.py). */

const SPACE = "[\\p{White_Space}\\x1c-\\x1f]"; // as Python has it
const [SPACES, ENDS] = [`${SPACE}+`, `^${SPACE}+|${SPACE}+$`].map((way) => new RegExp(way, "gu"));

export const strip = (text) => text.replace(ENDS, "");
const whole = (source, flags = "u") => new RegExp(`^(?:${source})$`, flags);
const first = (forms, text) => forms.map((form) => form.exec(text)).find(Boolean)?.groups;
const mapped = (table, make) =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, make(value)]));

/* A text in which capital and small letters are one, letter by letter. */
function folded(text) {
  const fold = (letter) => (letter === "ı" ? letter : letter.toUpperCase().toLowerCase());
  return Array.from(text, fold).join("");
}

export class Judge {
  constructor(facts) {
    this.facts = facts;
    // Of two places of a name the first counts: it is the last that is put into the map.
    this.places = new Map(facts.places.map((place) => [folded(place.name), place]).reverse());
    this.questions = facts.questions.map(([key, source]) => [key, whole(source, "iu")]);
    this.offWorld = facts.off_world.map((source) => whole(source, "iu"));
    this.forms = facts.forms.map(([key, source]) => [key, whole(source)]);
    this.decline = facts.decline.map((source) => whole(source));
    this.numbers = mapped(facts.numbers, (ways) => ways.map((source) => whole(source)));
    this.manners = whole(facts.manners); // around an answer
    this.inside = mapped(facts.inside, (source) => new RegExp(source, "gu"));
    this.between = new RegExp(facts.between, "u");
    this.invented = whole(facts.invented);
  }

  /* What somebody typed as a question whose answers can be judged, {kind, place, attribute, answer,
     replies}; null for other words. kind: "fact", "unknown", "chat" or "other". */
  understood(text) {
    const typed = strip(text).replace(SPACES, " ");
    for (const [attribute, form] of this.questions) {
      const name = form.exec(typed)?.[1], place = name && this.places.get(folded(name));
      const answer = place?.values[attribute];
      if (!name || (place && answer === undefined)) continue;
      return { kind: place ? "fact" : "unknown", place: place?.name ?? name, attribute, answer };
    }
    for (const [asks, replies] of this.facts.small_talk) {
      if (asks.map(folded).includes(folded(typed))) return { kind: "chat", replies };
    }
    const other = this.offWorld.some((form) => form.test(typed));
    return other ? { kind: "other", replies: this.facts.off_world_reply } : null;
  }

  /* The verdict on an answer to a question: one of judge.py's VERDICTS. */
  verdict({ attribute, answer: truth, replies, place }, answer) {
    let body = strip(answer);
    if (this.facts.rude.some((line) => body.includes(line))) return "rude";
    if (replies) return replies.includes(body) ? "correct" : "malformed";
    if (Array.from(body).length > this.facts.longest) return "malformed";
    body = this.manners.exec(body)[1];
    const asked = folded(place), declined = this.declinedName(body), { stop } = this.facts;
    if (declined !== null) {
      const [before, after] = this.facts.asked_for[attribute];
      const same = [asked, before + asked + after].includes(folded(declined));
      return same ? "declined this name" : "declined another name";
    }
    const bare = body.endsWith(stop) ? body.slice(0, -stop.length) : body;
    const value = this.value(bare, attribute);
    if (value) return value === truth ? "correct" : "wrong value";
    if (Object.keys(this.inside).some((other) => this.value(bare, other))) return "wrong subject";
    const claims = body.split(this.between).filter(Boolean).map((sentence) => this.read(sentence));
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
    const match = first(this.decline, body);
    return match && !this.read(match.p + this.facts.stop).length ? match.p : null;
  }

  /* The text as a value of this attribute, without a hedge; null where it is none. */
  value(text, attribute) {
    if (attribute in this.numbers) return first(this.numbers[attribute], text)?.v ?? null;
    return this.facts.values[attribute].includes(text) ? text : null;
  }

  /* All readings {attribute, place, value} of a sentence. */
  read(sentence) {
    if (this.facts.leads.some((lead) => sentence.startsWith(lead))) return [];
    return this.forms.flatMap(([attribute, form]) => {
      const match = form.exec(sentence)?.groups;
      const value = match && (this.value(match.v, attribute) ?? this.newName(match.v, attribute));
      return value ? [{ attribute, place: match.p, value }] : [];
    });
  }

  /* The text if it is an invented value. */
  newName(text, attribute) {
    const fits = !(attribute in this.numbers) && this.invented.test(text);
    return fits && this.valuesIn(text, attribute).size < 2 ? text : null;
  }

  valuesIn(body, attribute) {
    return new Set(body.match(this.inside[attribute]) ?? []);
  }
}
