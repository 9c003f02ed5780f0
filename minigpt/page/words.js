/* Every word that the page's scripts say, in one table a language. What stands in index.html is
   English there and bears `data-words="KEY"` (its text) or `data-label="KEY"` (its name for screen
   readers): another language has those keys too, and `<html lang>` chooses. */

const WORDS = {
  en: {
    title: "{part} – minigpt",
    stageNames: {base: "Base model", sft: "SFT model", reward: "Reward model", ppo: "PPO model"},
    forms: {bare: "bare question", qa: "as Q: … A:", chat: "as a chat"},
    what: {
      "base bare": "It has read documents and nothing else, and gets the question alone.",
      "base qa": "The same model; the question stands in a document of questions and answers.",
      "sft chat": "The base model, trained on demonstrations of a chat.",
      "ppo chat": "The SFT model, trained on to get high scores from the reward model.",
    },
    verdicts: {
      right: "right", fitting: "fitting", honest: "honest", wrong: "wrong", madeUp: "made up",
      unsure: "says it does not know", another: "names another place", rude: "rude",
      none: "no answer", beside: "beside the point", questions: "more questions",
      open: "not judged",
    },
    presets: {
      ask: [
        ["a known place", "What is the population of Beijing?"],
        ["a made-up place", "What is the population of Xiq?"],
        ["hello", "Hello!"],
        ["outside its world", "Write a poem about cheese."],
      ],
      pretraining: [
        ["a question", "Q: What is the capital of France?\nA:"],
        ["a page", "# Beijing\nBeijing is"],
        ["a made-up place", "The population of Xiq is"],
      ],
      best: [
        ["a known place", "What is the population of Beijing?"],
        ["a country", "What is the capital of France?"],
        ["a made-up place", "What is the population of Xiq?"],
      ],
    },
    text: "Zorblaxia has 2184000 residents 🙂 北京    spaces<|end|>",
    prompt: "The population of Beijing is",
    promptChat: "What is the population of Beijing?",
    scoreHead: "reward model’s score", nothing: "(nothing)", cutOff: "(cut off)",
    waiting: "waiting", loading: "loading {share}", here: "ready", failed: "not loaded",
    allHere: "All models are loaded.", offline: "All models are loaded; the page now works offline.",
    empty: "There is no question yet: type one, or press an example.",
    emptyText: "There is no text yet: type some.",
    sameDraws: "At temperature 0 every draw is the same: raise it for others.",
    seed: "Seed {seed}, temperature {heat}.",
    counts: "{name}: {n} tokens for {bytes} bytes, {ratio} bytes a token",
    ours: "Ours", theirs: "GPT-2’s", id: "number",
    goOn: "go on with {piece}, {share}", cut: "cut off", others: "all {n} others",
    added: "Added {piece}. Likeliest next: {next}, {share}.", ended: "The text ends here.",
    full: "The models read 256 tokens at once, and this text has as many: take some back.",
    stepName: "Step {step}: {tokens} tokens read, a loss of {loss} nats a token on unread text",
    stepShort: "step {step}", likeliest: "likeliest next tokens", goesOn: "how it goes on, drawn {n} times",
    million: "{n} million",
    sum: "The best of {n} scores {score} and is {word}; of the {n} answers, {right} can be called so.",
    sumTrue: "Of {n} answers the highest score, {score}, has one that is {word}; {right} of the {n} are.",
    sumFalse: "Of {n} answers the highest score, {score}, has one that is {word}, while {right} of the {n} are {good}.",
    sumOpen: "Of {n} answers this one has the highest score, {score}; nobody can judge whether it is true.",
    winner: "highest score", bestHow: "{n} draws as a chat",
    retry: "Try again",
    ownThread: "This browser starts no workers, so the models run in the page itself: it may halt for moments while they answer.",
    noModels: "The models’ program cannot be started here: reload the page, or take a newer browser.",
    noStorage: "This browser lets the page keep nothing, so it works now, but needs the network the next time; allow storage for this address to change that.",
    stopped: "The models stopped without a word, perhaps for want of memory: close other tabs and reload the page.",
    missing: "These models are not in this page’s folder: build it anew with python3 -m minigpt page.",
  },
};

export const language = document.documentElement.lang in WORDS ? document.documentElement.lang : "en";
const table = WORDS[language];

/** The words of a key, or the table that stands there, with {name}s filled in. */
export function w(key, values = {}) {
  const words = table[key];
  if (words === undefined) throw new Error(`no words for ${key}`);
  if (typeof words !== "string") return words;
  return words.replace(/\{(\w+)\}/g, (gap, name) => (name in values ? values[name] : gap));
}

/** Put the table's words where index.html has others: nothing to do in English. */
export function translate(root) {
  for (const node of root.querySelectorAll("[data-words]"))
    if (node.dataset.words in table && language !== "en") node.textContent = w(node.dataset.words);
  for (const node of root.querySelectorAll("[data-label]"))
    if (language !== "en") node.setAttribute("aria-label", w(node.dataset.label));
}
