/* The page's models, in a Web Worker, so that the page never freezes.

   The page sends requests and gets events; each carries the `id` that the page gave the request.
   Requests are answered one after another, in order; each ends with one "done" or one "error".
   A request loads what it needs first (events "progress"), so "load" only says it early.

   Requests: {id, do, ...}
     start     {base, files?}            first, once. base: the URL of the folder that holds
                                         manifest.json and the files it names, with a "/" at its
                                         end. files: {name: Uint8Array}, those that are here
                                         already and are not fetched (a single file has them all);
                                         more can come with each "load".
               → result {manifest}
     load      {stage, files?}           → result {stage, label, parameters, meta}
     complete  {stage, question or prompt, form, n, temperature, topK, topP, seed, maxTokens}
               question: asked as the stage is asked: an assistant in the chat template, a base
               model as form "qa" (the default: Q: … A:, one line) or "bare" (the question alone).
               prompt: a text that goes on, as a document, in any stage. more: ids after it.
               Defaults: n 1, temperature 1 (0: greedy), topK and topP none, seed 0, maxTokens as
               Python's: 24 for qa, 40 for chat, 60 else. Draw i of the same seed is the same
               whatever n is.
               → token {draw, token: PIECE, text}    text: the answer so far, as people read it
               → answer ANSWER, one a draw
               → result {question: QUESTION or null, answers: [ANSWER]}
     best      {stage = "sft", question, n, temperature, topK, topP, seed, maxTokens}
               → token, answer as above, and result {question, answers, winner, order}
               winner: the draw with the highest score; order: draws, the best first.
     score     {question, answer, stage = "reward"}    → result {score, verdict, question}
     next      {stage, question or prompt, form, more, temperature, topK, topP, most = 20}
               → result {prompt: [PIECE], tokens: [{...PIECE, p, raw, kept}], rest, entropy}
               tokens: the `most` likeliest, likeliest first; p: under the knobs (0 where topK or
               topP cut it off: kept is false), raw: at temperature 1 without cuts; rest: p of all
               other tokens; entropy: of p, in bits. more: ids that come after the prompt, such as
               those that somebody clicked.
     encode    {text, gpt2 = false}      → result {pieces: [PIECE], bytes, gpt2: [PIECE] or null}
               With gpt2: true its ranks are loaded first (manifest.gpt2, some 800 kB).
     cancel    {of}                      ends the request with that id, running or waiting, at its
               next token: it gets "done" with cancelled: true, and so does its place in the queue.
               A cancel gets no event itself.

   Events: {id, event, ...}
     progress  {stage, file, loaded, total}    bytes. Of start and encode, stage is null.
     token, answer, result                     as above
     done      {cancelled: true or false}
     error     {code, message}           message: one or two sentences for people, what to do
               included. code: "offline" (not reached), "missing" (no such file), "damaged",
               "input" (what was asked is no good: empty, too long, not a number), "internal".
               After "offline" or "damaged" the same request can be sent again: it fetches anew.

   PIECE    {id, text, special, p?, bytes}     text: of these bytes alone, "�" for half a letter;
            special: true for tokens such as <|end|>; bytes: as an array of numbers; p: of a
            sampled token, its probability at the temperature sampled from (1 if greedy), before
            topK and topP.
   ANSWER   {draw, text, ended, ids, tokens: [PIECE], verdict, true, score}
            ended: false if cut off. ids: as sampled, with the token that ended it. verdict: one of
            judge.js's VERDICTS, null where the question is none that can be judged; true: whether
            the verdict says that it is the best that can be said ("correct", or "declined this
            name" of a place that is not in the world), null without a verdict. score: the reward
            model's, null where it is not loaded yet or the stage is a base model's.
   QUESTION {kind: "fact", "unknown", "chat" or "other", place, attribute, answer}
            null where nobody can judge answers. place, attribute, answer: null where there are
            none.

   Where a browser has no workers the page imports this module and calls `serve` itself: the same
   requests and events, on the page's own thread, which is given back every few milliseconds:

     const receive = serve(event => ...);  receive({id: 1, do: "start", base: "data/"});

   data/manifest.json: {lang, tokenizer: FILE, facts: FILE, gpt2: FILE or null, stages: [{name,
     label, kind: "language model" or "reward", file, bytes, sha256, config, step?, parent?}]}
     FILE: {file, bytes, sha256}. sha256: of the whole file, 64 hex digits. parent: of a reward
     model, the stage in it ("sft"). Only `name`, `file` and a reward model's `parent` are needed. */
