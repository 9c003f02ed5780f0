"""The words of the worksheet's tasks: titles, texts, and what to look at after a wrong answer.

`tasks.py` fills in each student's numbers and facts. The entries of `mistakes` belong, in
order, to the typical wrong answers that the task's maker computes. No hint names a right value.
"""

TEXT = {
    "en": {
        "training-days": {
            "title": "Days of training",
            "again": "00, The whole recipe on one slide",
            "text": """\
A model with **{p:g} billion parameters** is trained on **{t:g} trillion tokens**. There are
**{g} GPUs** of the kind {gpu}, each of which does {s} trillion operations a second at full speed;
in this run they reach **{u} %** of it. How many **days** does the training take?

Set `training_days` to the number. 1 % more or less counts as right.""",
            "mistakes": (
                "how many operations does one parameter take for one token? Two on the way forward "
                "are not all: notebook 00, *The cost of training*",
                "the GPUs do not run at full speed: does that make it longer or shorter?",
                "that is for one GPU, and they share the work",
                "those are hours",
                "those are seconds",
            ),
            "hint": "operations = 6 × parameters × tokens; divide them by what all GPUs together "
            "really do in a day of 86,400 seconds",
        },
        "word-tokens": {
            "title": "A word by hand",
            "again": "01, Reading a new word",
            "text": """\
A small tokenizer knows the single letters and these tokens, in the order in which training made
them:

{table}

Encode the word `{word}` by hand, as notebook 01 does it.

Set `word_tokens` to the list of its tokens, in order, such as `["l", "an", "d"]`.""",
            "mistakes": (
                "you took the longest token at each place: what counts is the rank, wherever in "
                "the word the two neighbours stand",
                "the lowest rank goes first: the token that training made first",
                "the word is still in letters: which neighbours make a token of the list?",
            ),
            "hint": "put together, the tokens have to give the word. Begin with its letters. Of "
            "all neighbours that together are in the list, join those whose token stands highest "
            "(the leftmost of several); then look at all neighbours again",
        },
        "target-loss": {
            "title": "The loss of one guess",
            "again": "02, What a guess costs",
            "text": """\
A very small vocabulary has four tokens. At some place, a model gives them these logits:

| token | logit |
|---|---|
{rows}

In the text, **{target}** comes next. How large is the **loss** of this guess, in nats, as
everywhere in this course?

Set `target_loss` to the number, to three digits after the point.""",
            "mistakes": (
                "that is the probability of the true token; the loss is made from it",
                "a loss is never negative: look at the sign",
                "that is in bits, with the logarithm to base 2: nats have the natural logarithm",
                "that is the logarithm to base 10: nats have the natural one",
                "the target is not the most likely of the others but the token that really came",
            ),
            "hint": "softmax first: e to the power of each logit, divided by the sum of all four. "
            "Then minus the natural logarithm of what the true token has",
        },
        "perplexity-and-bits": {
            "title": "One loss, two other units",
            "again": "02, Beside the shipped run",
            "text": """\
A tokenizer cuts this text, with its quotation marks, into **{n} tokens**:

> {text}

On it, a model has a mean loss of **{loss} nats a token**. What is its **perplexity**, and how many
**bits per byte** of the text (in UTF-8) does it need?

Set `perplexity_and_bits` to the list of the two, to three digits after the point.""",
            "mistakes": (
                "bits per byte are not bits per character: some characters of this text take more "
                "than one byte in UTF-8",
                "the second number is in nats: a bit is a choice between two",
                "the loss is that of one token on average: how much is that for the whole text?",
                "the loss is in nats: of what number is it the logarithm?",
            ),
            "hint": "perplexity undoes the logarithm of the loss. For the other one: bits of the "
            "whole text, divided by its bytes, len(text.encode('utf-8'))",
        },
        "few-shot-prompt": {
            "title": "A prompt for your question",
            "again": "03, Turn the task into a gap",
            "text": """\
The course's base model has read the answer to your question, but asked directly it writes more
questions. **{question}**

Write a few-shot prompt: a document with your question in it, word for word, and a gap at its end
where the answer belongs. At least two other questions with their answers stand before it. These are
true in the model's world, and you may use them or others:

{shots}

The answer to your own question must not stand in the prompt.

Set `few_shot_prompt` to the text. The check lets the shipped base model write its most likely
continuation, up to the end of the line, and that has to be the answer.""",
        },
        "kept-tokens": {
            "title": "Top-p",
            "again": "03, Your turn 3: top-p",
            "text": """\
A model gives the next token these probabilities:

| id | probability |
|---|---|
{rows}

Which ids may still be drawn at **top-p = {p}**?

Set `kept_tokens` to the list of their ids, in any order.""",
            "mistakes": (
                "the token with which the sum reaches p stays, too",
                "the sum had reached p before your last token",
                "those are the ones that are removed",
            ),
            "hint": "sort them by probability, add up from the most likely one, and stop as soon "
            "as the sum reaches p",
        },
        "counted-positions": {
            "title": "Which positions count",
            "again": "04, Which tokens are learned from",
            "text": """\
A demonstration of two turns in the chat template of notebook 04. To keep it short, each word,
number or sign is one token here. Each stands behind its position in the row:

```
{row}
```

At which positions is the model asked for a token that **counts** in the loss, if both answers are
learned from?

Set `counted_positions` to the list of these positions.""",
            "mistakes": (
                "those are the tokens that count; the model is asked for each of them one position "
                "earlier",
                "from what does the model learn to stop?",
                "both answers are the assistant's",
                "the questions are read, but nobody wants the model to learn to write them",
                "position t is asked for token t + 1; and from what does the model learn to stop?",
            ),
            "hint": "position t is asked for token t + 1, and it counts if that token belongs to "
            "an answer: from its first word to its <|end|>",
        },
        "preference": {
            "title": "Who is preferred",
            "again": "05, From a choice to a loss",
            "text": """\
A reward model gives answer A the reward **{a}** and answer B the reward **{b}**. With what
probability, according to Bradley and Terry, does a labeler prefer **A**?

Set `preference` to the number, to three digits after the point.""",
            "mistakes": (
                "that is the probability of the other answer",
                "that is the difference; a probability lies between 0 and 1",
                "the 400 belong to the ratings of chess: rewards have e and no 400",
                "those are the odds, A against B; a probability lies between 0 and 1",
                "that is the loss of this pair if A was preferred; its probability is asked for",
            ),
            "hint": "the sigmoid of a difference: σ(x) = 1 / (1 + e^-x). Which of the two is taken "
            "from which?",
        },
        "ranking-pairs": {
            "title": "Pairs of a ranking",
            "again": "05, Your turn: from a ranking to pairs",
            "text": """\
A labeler has ranked six answers, the best first; `=` is a tie:

`{ranking}`

Which pairs *(better, worse)* does the reward model learn from?

Set `ranking_pairs` to the list of all of them, in any order, in the form
`[("a", "b"), ("a", "c")]`.""",
            "mistakes": (
                "answers that are no neighbours in the ranking make pairs as well",
                "the better answer stands first in each pair",
                "a tie says nothing about who is better: it makes no pair",
            ),
            "hint": "each answer of a group with each answer of all groups after it, and nothing "
            "else",
        },
        "clipped-loss": {
            "title": "One token in PPO",
            "again": "06, Your turn: the clip",
            "text": """\
A token had the log-probability **{old}** when it was drawn and has **{new}** now. Its advantage is
**{a}**, and the ratio is clipped at 1 ± **{clip}**. How large is PPO's **loss** of this token?

Set `clipped_loss` to the number, to three digits after the point.""",
            "mistakes": (
                "of the two losses, the one with the ratio and the one with the clipped ratio, PPO "
                "takes the other",
                "that is the objective, which is made large; a loss has the other sign",
                "look at the sign of the loss, and at which of the two is taken",
                "the ratio is not the difference of the log-probabilities but e to the power of it",
            ),
            "hint": "ratio = e^(new - old). Compute minus advantage times ratio, and the same with "
            "the ratio held within the clip; the clip may take away a gain and never a loss",
        },
        "token-advantages": {
            "title": "Advantages of three tokens",
            "again": "06, Your turn: who gets the blame",
            "text": """\
An answer has three tokens. Their rewards are `{rewards}`, what was expected before each of them
(the values) is `{values}`, and after the last one nothing more is expected. γ is **{gamma}** and
λ is **{lam}**. How large is the **advantage** of each token, by generalized advantage estimation?

Set `token_advantages` to the list of the three, in the order of the tokens, to three digits after
the point.""",
            "mistakes": (
                "go from the last token to the first, and then turn the list round",
                "λ is missing: what lies further ahead counts less",
                "γ is missing",
                "that is only the first difference of each token: add what the later ones brought",
                "how much is expected after a token belongs to what it brought",
            ),
            "hint": "δ = reward + γ × next value - value; advantage = δ + γ × λ × next advantage; "
            "begin with the last token",
        },
        "new-ratings": {
            "title": "One vote",
            "again": "07, From votes to ratings",
            "text": """\
In an arena, the left player has the rating **{left}** and the right one **{right}**. They meet, and
the left one scores **{result:g}** (1 is a win, 0.5 a tie, 0 a loss). k is **{k}**. What are the two
**Elo ratings** afterwards?

Set `new_ratings` to the list of both, the left one first, to one digit after the point.""",
            "mistakes": (
                "who is expected to win, the higher rating or the lower?",
                "what one gains the other loses",
                "the left player's rating stands first",
                "only what was scored beyond what was expected counts",
            ),
            "hint": "the left player is expected to score 1 / (1 + 10^((right - left) / 400)); its "
            "rating changes by k times the difference to what it scored",
        },
        "false-sentences": {
            "title": "Find the errors",
            "again": "07, Errata: what is often told differently",
            "text": """\
Somebody retells in nine sentences how an assistant is made. Some of them are false:

{sentences}

Set `false_sentences` to the list of the numbers of the false ones.""",
            "wrong": "a false sentence is missing in your list. Notebook 07 hints: {hint}",
            "true": "a sentence in your list is true. Notebook 07 hints: {hint}",
            "hint": "give the numbers of sentences, from 1 to 9",
        },
    },
}
