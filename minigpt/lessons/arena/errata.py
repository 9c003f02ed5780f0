"""Find the errors: a short retelling of how an assistant is made, written to contain some.

The false sentences are errors that retellings of the talk really have. `check_errors` compares
the numbers that a learner has noted with the right ones and gives a hint for each difference,
never the number of one that is still missing.
"""

import textwrap
from collections.abc import Collection
from dataclasses import dataclass

from minigpt.store.words import _, language


@dataclass(frozen=True)
class Sentence:
    """A sentence of the retelling. hint: for who has missed an error, or accused a true one."""

    text: str
    wrong: bool
    hint: str


SUMMARY = {
    "en": [
        Sentence(
            "A language model reads tokens, pieces of text that may be whole words or parts of "
            "words, and no word is unknown to it.",
            False,
            "A rare word becomes several tokens: notebook 01.",
        ),
        Sentence(
            "Two thirds of what LLaMA read came from CommonCrawl; among the smaller sources were "
            "GitHub, Wikipedia, books, papers from ArXiv and reports from the stock exchange.",
            True,
            "Read the names of the seven sources in notebook 02 once more, letter by letter.",
        ),
        Sentence(
            "C4, the second largest source, was gathered from other pages than CommonCrawl's.",
            True,
            "Ask where each source was gathered: what do the letters of its name stand for?",
        ),
        Sentence(
            "GPT-3 has 175 billion parameters and LLaMA 65 billion, yet LLaMA is not the weaker of "
            "the two, for it read over four times as many tokens.",
            False,
            "300 billion tokens against 1.4 trillion: the talk warns against judging a model's "
            "power by its parameters.",
        ),
        Sentence(
            "Nearly all the computing goes into pretraining; the other stages take days on far "
            "fewer machines.",
            False,
            "For models of that size it is so; only our small one differs.",
        ),
        Sentence(
            "Asked a question, a base model may go on with more questions, as pages that it has "
            "read do.",
            False,
            "You have seen it in notebook 03.",
        ),
        Sentence(
            "Supervised finetuning then replaces the loss of pretraining by one that compares "
            "answers with each other.",
            True,
            "For each stage, ask whether its loss or its data are new: notebooks 04 and 05.",
        ),
        Sentence(
            "For the reward model, people rank several answers to the same prompt.",
            False,
            "They compare; nobody writes a mark under an answer: notebook 05.",
        ),
        Sentence(
            "Since it has learned what people want, the reward model is often the one that is "
            "finally put online.",
            True,
            "Which of the four models writes no text?",
        ),
        Sentence(
            "In reinforcement learning the answers are written by the very model that is being "
            "trained.",
            False,
            "It starts as the SFT model, but it samples anew in every round: notebook 06.",
        ),
        Sentence(
            "An answer with a reward of -1.2 is reinforced as well, only more weakly: its tokens "
            "become slightly more likely.",
            True,
            "Think of the sign of each number: which way does a reward push?",
        ),
        Sentence(
            "The model pays a price for moving away from the SFT model, because the reward model "
            "can be trusted only near the answers that it learned from.",
            False,
            "That is the KL penalty: notebook 06.",
        ),
        Sentence(
            "It is also in this practice that the assistant learns the facts which pretraining "
            "had not taught it.",
            True,
            "For each stage, ask where its knowledge could come from. The table of the stages in "
            "this notebook counts the facts.",
        ),
        Sentence(
            "Afterwards its answers are less varied, and for many different ideas the base model "
            "can be the better tool.",
            False,
            "It is measured above in this notebook.",
        ),
        Sentence(
            "One notices the lost variety by the same words coming back again and again inside one "
            "answer.",
            True,
            "Two things that sound alike are counted separately in this notebook. Which of the "
            "two has changed?",
        ),
    ],
}


def print_summary() -> None:
    """Print the retelling, sentence by sentence, with their numbers."""
    for number, sentence in enumerate(SUMMARY[language()], 1):
        print(textwrap.fill(sentence.text, 96, initial_indent=f"{number:2}. ",
                            subsequent_indent="    "))  # fmt: skip


def check_errors(numbers: Collection[int]) -> tuple[list, list]:
    """Hints for the false sentences that are missing among the numbers, and for the true ones that
    are there: two lists, both empty where the numbers are right.

    ValueError for anything that is no set of sentence numbers.
    """
    sentences = SUMMARY[language()]
    try:
        noted = list(numbers)
    except TypeError:
        noted = [None]
    whole = all(type(n) is int and 1 <= n <= len(sentences) for n in noted)
    if not whole or len(set(noted)) < len(noted):
        raise ValueError(_("Give the numbers of the false sentences, whole numbers from 1 to {n}, "
                           "each once, in the form [1, 4].", n=len(sentences)))  # fmt: skip
    missing, accused = [], []
    for number, sentence in enumerate(sentences, 1):
        if sentence.wrong and number not in noted:
            missing.append(_("One more error is in the text. {hint}", hint=sentence.hint))
        elif not sentence.wrong and number in noted:
            accused.append(_("Sentence {n} is no error. {hint}", n=number, hint=sentence.hint))
    return missing, accused
