"""The arena's players: whom a judge picks, and what training did to them besides.

Entropy and repetition are of the answers that each gives; bits per byte are of documents.
"""

import numpy as np
import torch

from minigpt.engine.answers import kl_and_entropy
from minigpt.engine.batching import pad_right
from minigpt.pretrain import evaluate_loss
from minigpt.show.figure import Figure, figure
from minigpt.show.style import stage_colour, stage_name
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.corpus import Corpus
from minigpt.world.questions import Question


@torch.inference_mode()
def answer_entropies(stage: Stage, questions: list[Question], seed: int = 0) -> list[list[float]]:
    """The entropy of the next token, in nats, before each token of one sampled answer a question.

    exp of it is how many equally likely tokens would be as open a choice. What ends an answer is
    one of its tokens.
    """
    prompts = [stage.prompt(q)[0] for q in questions]
    answers = [answer.ids for answer in stage.ask(questions, 1.0, seed)]
    device = stage.model.embedding.weight.device
    idx, _ = pad_right([p + a for p, a in zip(prompts, answers)], device)  # (B, T)
    logits = stage.model(idx)
    _, entropy = kl_and_entropy(logits, logits)  # (B, T)
    return [
        entropy[i, len(p) - 1 : len(p) + len(a) - 1].tolist()
        for i, (p, a) in enumerate(zip(prompts, answers))
    ]


def pick_one(right: np.ndarray, scores: np.ndarray, n: int) -> dict[str, list]:
    """Whether the picked one of each question's first `n` answers is right, by who picks.

    right, scores: (questions, N). A coin picks any, the reward model the highest score, and a
    perfect judge a right one wherever there is one.
    """
    rows = np.arange(len(right))
    tossed = np.random.default_rng(0).integers(0, n, len(right))
    return {
        "a coin": right[rows, tossed].tolist(),
        "the reward model": right[rows, scores[:, :n].argmax(axis=1)].tolist(),
        "a perfect judge": right[:, :n].any(axis=1).tolist(),
    }


def repeats_itself(text: str) -> bool:
    """Whether some three words in a row stand more than once in the text."""
    parts = text.split()
    runs = list(zip(parts, parts[1:], parts[2:]))
    return len(set(runs)) < len(runs)


def document_bits(stage: Stage, corpus: Corpus) -> float:
    """The model's bits per byte of documents."""
    loss = evaluate_loss(stage.model, corpus.tokens)
    return bits_per_byte(loss, len(corpus.tokens), count_bytes(corpus.documents))


def ratings_figure(found: dict[str, dict], order: list[str]) -> tuple[Figure, str]:
    """Ratings by several voters, {voter: {player: (rating, low, high)}}, and the sentence for them.

    One group of dots and intervals a voter, the players in the given order and in their colours.
    """
    fig, ax = figure(8, 1.0 + 0.8 * len(found))
    said = []
    for y, (voter, ratings) in enumerate(found.items()):
        for i, name in enumerate(n for n in order if n in ratings):
            rating, low, high = ratings[name]
            colour, at = stage_colour(name), y + 0.18 * (i - 1.5)
            ax.plot([low, high], [at, at], color=colour, linewidth=2)
            label = None if y else stage_name(name)
            ax.plot(rating, at, "os^D"[i % 4], color=colour, label=label)
        listed = sorted(ratings.items(), key=lambda item: -item[1][0])
        rated = ", ".join(
            _("{name} {r:.0f} ({low:.0f} to {high:.0f})", name=stage_name(n), r=r, low=low,
              high=high) for n, (r, low, high) in listed
        )  # fmt: skip
        said.append(_("by {voter}: {rated}", voter=voter, rated=rated))
    ax.set_yticks(range(len(found)), list(found))
    ax.set(xlabel="rating (mean 1000)", ylim=(len(found) - 0.4, -0.6))
    ax.grid(axis="x", alpha=0.3)
    fig.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return fig, _("Ratings with 95 % intervals, {said}.", said="; ".join(said))
