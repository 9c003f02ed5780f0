"""What the worksheet says of a wrong answer. Its other words stand in worksheet.ipynb.

The entries of `mistakes` belong, in order, to the typical wrong answers that the task's maker in
tasks.py computes. No hint names a right value.
"""

TEXT = {
    "en": {
        "training-days": {
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
        "few-shot-prompt": {},
        "kept-tokens": {
            "mistakes": (
                "the token with which the sum reaches p stays, too",
                "the sum had reached p before your last token",
                "those are the ones that are removed",
            ),
            "hint": "sort them by probability, add up from the most likely one, and stop as soon "
            "as the sum reaches p",
        },
        "counted-positions": {
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
            "mistakes": (
                "answers that are no neighbours in the ranking make pairs as well",
                "the better answer stands first in each pair",
                "a tie says nothing about who is better: it makes no pair",
            ),
            "hint": "each answer of a group with each answer of all groups after it, and nothing "
            "else",
        },
        "clipped-loss": {
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
            "wrong": "a false sentence is missing in your list. Notebook 07 hints: {hint}",
            "true": "a sentence in your list is true. Notebook 07 hints: {hint}",
            "hint": "give the numbers of sentences, from 1 to 9",
        },
    },
}
CHECKS = {
    "en": {  # what is wrong with the form of an answer
        "open": "{variable} is not answered yet",
        "number": "{variable} should be one number, such as 12.5, and not a value of type {type}",
        "finite": "{variable} holds a number that is infinite or no number (nan)",
        "numbers": "{variable} should be a list of {n} numbers, such as [0.5, -1.25], in order",
        "texts": '{variable} should be a list of texts, such as ["l", "an", "d"], in order',
        "set": "{variable} should be a list of whole numbers, such as [3, 5]",
        "pairs": '{variable} should be a list of pairs of texts, such as [("a", "b")]',
        "twice": "{variable} holds something twice: each belongs there once",
        "prompt": "{variable} should be one text and not a value of type {type}",
        "question": "your question has to stand in the prompt, letter by letter: {question}",
        "told": "the answer to your question stands in the prompt: the model has to find it itself",
        "shots": "few-shot means: at least two other questions with their answers, before yours",
        "long": "the prompt has {n} tokens, and the context has room for {most}: shorten it",
        "goes on": "the model goes on with {line}, and that is not the answer: is each shot in "
        "the same form, and does the prompt end where the answer begins, before its space?",
        "more": "the model goes on with more than the answer: let each shot have the bare value",
    },
}
