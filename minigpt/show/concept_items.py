"""The ten questions of the concept test: what the course as a whole teaches.

The wrong options are what people commonly believe. `right` is the index of the right option; the
order of the options is the same in every language, so that answers can be kept as numbers.
"""

ITEMS = {
    "en": [
        {
            "id": "token",
            "question": "What does a language model read?",
            "options": [
                "Words. A word that is not in its list becomes a special mark for unknown words.",
                "Letters, one after the other.",
                "Pieces of text, whole words or parts of words, each with a number.",
                "Sentences, each turned into one number that stands for its meaning.",
            ],
            "right": 2,
            "why": "A tokenizer cuts any text into pieces that it has learned: a common word is "
            "one piece, a rare one several, and no word is unknown.",
        },
        {
            "id": "loss",
            "question": "While a model reads text in pretraining, its loss falls. "
            "What does the loss measure?",
            "options": [
                "How many of the statements that the model makes are false.",
                "How surprised the model is by what comes next in the text.",
                "How far the model's own writing still is from correct and fluent text.",
                "How much of the text the model can repeat by heart.",
            ],
            "right": 1,
            "why": "It is the mean of minus the logarithm of the probability that the model gave "
            "to the token that came next. Truth and style are not in it.",
        },
        {
            "id": "base",
            "question": "A model fresh from pretraining has read a city's population many times. "
            "Asked for it, it writes five more questions. Why?",
            "options": [
                "It does not know the number.",
                "It has too few parameters to understand what a question is and what is wanted.",
                "It chose its words at random, because it was run at a high temperature.",
                "In what it read, such a line is often followed by more questions.",
            ],
            "right": 3,
            "why": "A base model continues a document; where the answer is the likely next thing, "
            "as after Q: and A:, the same model gives the number.",
        },
        {
            "id": "few-shot",
            "question": "Three solved examples stand in a prompt, and the model solves a fourth. "
            "What have the examples changed in the model?",
            "options": [
                "Its weights, a little for each example.",
                "Nothing. The answer is now the likely next thing in the text.",
                "Its memory: the examples are stored, and later prompts can use them too.",
                "Its mode: it was switched from completing text to answering.",
            ],
            "right": 1,
            "why": "No weight moves while a model writes; the examples are text that it reads, and "
            "they are gone with the prompt.",
        },
        {
            "id": "sft",
            "question": "Supervised finetuning turns a base model into an assistant. "
            "What is mainly different from pretraining?",
            "options": [
                "The loss: answers are now compared with each other.",
                "The network: a new part, which answers questions, is added to the base model.",
                "The knowledge: most facts are learned here.",
                "The data: the same loss, now on questions with answers.",
            ],
            "right": 3,
            "why": "Next-token prediction goes on as before; what it predicts is now how an "
            "assistant answers.",
        },
        {
            "id": "mask",
            "question": "In supervised finetuning the loss is counted on the answer's tokens and "
            "masked on the question's. What is that for?",
            "options": [
                "The model must not see the answer while it is being taught to predict it.",
                "The model must not be distracted by reading the question.",
                "The model should learn to write the answers, not the users' questions.",
                "Questions of different lengths have to be made equally long.",
            ],
            "right": 2,
            "why": "The question is still read; the mask only says which tokens the model is "
            "taught to write.",
        },
        {
            "id": "reward",
            "question": "What does a reward model give?",
            "options": [
                "A number for an answer, higher for what people tend to prefer.",
                "The probability that an answer is true, as far as the model knows.",
                "A better answer in place of a poor one.",
                "The mark, say from 1 to 10, that a person would write under the answer.",
            ],
            "right": 0,
            "why": "It is trained on which of two answers people chose; only differences of its "
            "numbers mean something, and it writes no text.",
        },
        {
            "id": "kl",
            "question": "While the assistant practises for reward, it pays a price for moving "
            "away from where it started (the KL penalty). Why?",
            "options": [
                "To make training faster: small steps need less computing.",
                "To keep its answers short, since longer ones would collect more reward.",
                "So that it takes up new facts slowly, without mixing them up with the old ones.",
                "The reward model can be trusted only near the answers it learned from.",
            ],
            "right": 3,
            "why": "Far from the answers that people compared, a high score may mean nothing, and "
            "without the price practice goes and finds such answers.",
        },
        {
            "id": "over-optimisation",
            "question": "Practice against one reward model goes on for very long, and the scores "
            "that it gives keep rising. How good are the answers?",
            "options": [
                "Better at first, and then worse and worse.",
                "Better and better, for as long as the score goes on rising.",
                "As good as the best example that people wrote, and no better.",
                "As before: the score has nothing to do with what people like.",
            ],
            "right": 0,
            "why": "The score only stands in for what people want; past a point practice raises "
            "the stand-in at the cost of the thing itself.",
        },
        {
            "id": "taste",
            "question": "The people who compared answers like a polite opening, such as Thank you "
            "for asking. Which models come to write it?",
            "options": [
                "None: over many comparisons by many people such tastes cancel out.",
                "The one that practised for reward, because the reward model learned their taste.",
                "The base model, because it is trained again on the answers that they preferred.",
                "All of them, because all are built on the same network.",
            ],
            "right": 1,
            "why": "The reward model learns the taste of whoever compares, and practice passes it "
            "on; the stages before saw none of these comparisons.",
        },
    ],
}
