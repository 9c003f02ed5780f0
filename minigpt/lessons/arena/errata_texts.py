"""The retelling of how an assistant is made: (text, whether it is wrong, hint) a sentence.

The wrong ones are errors that retellings of the talk really have. The hint is for whoever has
missed the error, or accused a true sentence.
"""

TEXTS = {
    "en": [
        (
            "A language model reads tokens, pieces of text that may be whole words or parts of "
            "words, and no word is unknown to it.",
            False,
            "A rare word becomes several tokens: notebook 01.",
        ),
        (
            "Two thirds of what LLaMA read came from CommonCrawl; among the smaller sources were "
            "GitHub, Wikipedia, books, papers from ArXiv and reports from the stock exchange.",
            True,
            "Read the names of the seven sources in notebook 02 once more, letter by letter.",
        ),
        (
            "C4, the second largest source, was gathered from other pages than CommonCrawl's.",
            True,
            "Ask where each source was gathered: what do the letters of its name stand for?",
        ),
        (
            "GPT-3 has 175 billion parameters and LLaMA 65 billion, yet LLaMA is not the weaker of "
            "the two, for it read over four times as many tokens.",
            False,
            "300 billion tokens against 1.4 trillion: the talk warns against judging a model's "
            "power by its parameters.",
        ),
        (
            "Nearly all the computing goes into pretraining; the other stages take days on far "
            "fewer machines.",
            False,
            "For models of that size it is so; only our small one differs.",
        ),
        (
            "Asked a question, a base model may go on with more questions, as pages that it has "
            "read do.",
            False,
            "You have seen it in notebook 03.",
        ),
        (
            "Supervised finetuning then replaces the loss of pretraining by one that compares "
            "answers with each other.",
            True,
            "For each stage, ask whether its loss or its data are new: notebooks 04 and 05.",
        ),
        (
            "For the reward model, people rank several answers to the same prompt.",
            False,
            "They compare; nobody writes a mark under an answer: notebook 05.",
        ),
        (
            "Since it has learned what people want, the reward model is often the one that is "
            "finally put online.",
            True,
            "Which of the four models writes no text?",
        ),
        (
            "In reinforcement learning the answers are written by the very model that is being "
            "trained.",
            False,
            "It starts as the SFT model, but it samples anew in every round: notebook 06.",
        ),
        (
            "An answer with a reward of -1.2 is reinforced as well, only more weakly: its tokens "
            "become slightly more likely.",
            True,
            "Think of the sign of each number: which way does a reward push?",
        ),
        (
            "The model pays a price for moving away from the SFT model, because the reward model "
            "can be trusted only near the answers that it learned from.",
            False,
            "That is the KL penalty: notebook 06.",
        ),
        (
            "It is also in this practice that the assistant learns the facts which pretraining "
            "had not taught it.",
            True,
            "For each stage, ask where its knowledge could come from. The table of the stages in "
            "this notebook counts the facts.",
        ),
        (
            "Afterwards its answers are less varied, and for many different ideas the base model "
            "can be the better tool.",
            False,
            "It is measured above in this notebook.",
        ),
        (
            "One notices the lost variety by the same words coming back again and again inside one "
            "answer.",
            True,
            "Two things that sound alike are counted separately in this notebook. Which of the "
            "two has changed?",
        ),
    ],
}
