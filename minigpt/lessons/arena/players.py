"""The arena's players: who rates them how, whom a judge picks, and what training did besides.

Entropy and repetition are of the answers that each gives; bits per byte are of documents.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from minigpt.engine.batching import pad_right
from minigpt.pretrain import evaluate_loss
from minigpt.show.figure import figure
from minigpt.show.style import GREY, stage_colour, stage_name
from minigpt.stages.scoring import bits_per_byte, count_bytes
from minigpt.stages.stage import Stage, document_completions
from minigpt.store.words import _
from minigpt.world.corpus import Corpus
from minigpt.world.questions import Question


@torch.inference_mode()
def first_entropies(stage: Stage, questions: list[Question]) -> list[float]:
    """How open the choice of each answer's first token is, where the sentence is chosen: its
    entropy at temperature 1, in nats."""
    device = stage.model.embedding.weight.device
    idx, last = pad_right([stage.prompt(q)[0] for q in questions], device)  # (B, T), (B,)
    logits = stage.model(idx)[torch.arange(len(last), device=device), last]  # (B, V)
    return torch.distributions.Categorical(logits=logits).entropy().tolist()


def pick_one(right: np.ndarray, scores: np.ndarray, n: int) -> dict[str, list]:
    """How likely the picked one of each question's first `n` answers is right, by who picks.

    right, scores: (questions, N). A coin picks any, the reward model the highest score, and a
    perfect judge a right one wherever there is one.
    """
    rows = np.arange(len(right))
    return {
        "a coin": right[:, :n].mean(axis=1).tolist(),
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


def places_named(stage: Stage, text: str, samples: int, document: bool = False) -> int:
    """How many different known places the answers to a text begin with, or what follows it in a
    document, in so many samples."""
    given = stage.model, stage.encoding, [text] * samples
    texts = (document_completions(*given, max_new_tokens=12, seed=11, line=True)
             if document else stage.sample(text, samples, seed=11))  # fmt: skip
    names = sorted((p.name for p in stage.world.places), key=len, reverse=True)
    found = (next((n for n in names if text.strip().startswith(n)), None) for text in texts)
    return len({*found} - {None})


def ratings_figure(found: dict[str, dict], order: list[str]) -> tuple[Figure, str]:
    """Ratings by several voters, {voter: {player: (rating, low, high)}}, and the sentence for them.

    A panel a voter, whose favourite alone has its colour; the players in the given order.
    """
    fig, axes = figure(8.5, 0.9 + 0.3 * len(order), columns=len(found))
    ends, said = [x for ratings in found.values() for row in ratings.values() for x in row], []
    for ax, (voter, ratings) in zip(np.atleast_1d(axes), found.items()):
        best, *_others, last = sorted(ratings, key=lambda name: -ratings[name][0])
        ax.axvline(1000, color=GREY, lw=0.5)
        for name in set(ratings) & set(order):
            (rating, low, high), y = ratings[name], order.index(name)
            colour, size = (stage_colour(name), 9) if name == best else (GREY, 6)
            ax.plot([low, high], [y, y], color=colour, lw=size / 4)
            ax.plot(rating, y, "o", color=colour, markersize=size)
        ax.set(xlim=(min(ends) - 20, max(ends) + 20), ylim=(len(order) - 0.5, -0.5))
        ax.set_yticks(range(len(order)), map(stage_name, order) if not said else [])
        ax.set_title(voter, loc="left", fontsize=9)
        ax.locator_params(axis="x", nbins=3)
        both = (
            _("{name} {r:.0f} ({low:.0f} to {high:.0f})", name=stage_name(n), r=ratings[n][0],
              low=ratings[n][1], high=ratings[n][2]) for n in (best, last)
        )  # fmt: skip
        said.append(_("{voter}: first {best}, last {last}", voter=voter, **dict(
            zip(("best", "last"), both))))  # fmt: skip
    fig.supxlabel("rating (mean 1000)", fontsize=9)
    return fig, _("Ratings with 95 % intervals. {said}.", said="; ".join(said))
