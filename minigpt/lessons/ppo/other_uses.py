"""What PPO must be compared with: the SFT model, less random or choosing among its own answers.

PPO lowers the entropy, and a less random model errs less. So its answers stand beside those of the
untouched SFT model cooled, greedy, and at best-of-n, each with its KL from it at temperature 1.
"""

from dataclasses import dataclass

import numpy as np

from minigpt.model import GPT
from minigpt.reward import kl_bound
from minigpt.show.progress import progress
from minigpt.show.style import signed
from minigpt.show.table import Table
from minigpt.stages.exam import sample_pool
from minigpt.stages.scoring import DECLINED, Score, answer_kl, chat_score, judged, mean_of
from minigpt.stages.stage import Stage, assistant
from minigpt.store.words import _
from minigpt.world.questions import Question


@dataclass
class Contender:
    """One way of answering, and how its answers to the questions came out."""

    name: str
    score: Score  # questions, answers, verdicts
    kl: float  # from the SFT model at temperature 1, in nats an answer
    bound: bool = False  # True: the KL is at most this

    def share(self, kind: str, *verdicts: str) -> float:
        """Share of these verdicts among the answers to questions of a kind."""
        found = [v for q, v in zip(self.score.questions, self.score.verdicts) if q.kind == kind]
        return float(np.mean([v in verdicts for v in found])) if found else float("nan")

    def ahead_of(self, other: "Contender") -> tuple[float, float, float]:
        """By how much its mean gold is higher, with the 95 % interval: the questions are the same
        for both, so the difference is taken question by question."""
        found = mean_of(self.score.questions, np.subtract(self.score.gold, other.score.gold))
        return found.value, found.low, found.high


def contend(
    policies: dict[str, tuple[GPT, float]], sft: Stage, reward: Stage, questions: list[Question],
    best_of: int = 16,
) -> list[Contender]:  # fmt: skip
    """Ask every policy the same questions; the SFT model also as the best of `best_of` answers.

    policies: {name: (model, temperature)}, 0 for the most likely answer. Shows how far it is.
    """
    prompts, out = [sft.prompt(q)[0] for q in questions], []
    for name, (model, temperature) in progress([*policies.items()], _("ways of answering")):
        stage = assistant(model, sft.encoding, sft.world)
        score, _ended = chat_score(stage, questions, temperature)
        kl = answer_kl(model, sft.model, prompts, score.ids, temperature)
        out.append(Contender(name, score, float(kl.mean())))
    best, name = [], _("SFT, best of {n}", n=best_of)
    for part in progress(questions, _("questions, {n} answers each", n=best_of), by=20):
        best += sample_pool(sft, reward, part, best_of, seed=61 + len(best)).best()
    score = judged(sft.world, questions, best)
    return [*out, Contender(name, score, kl_bound(best_of), bound=True)]


def contender_table(found: list[Contender]) -> Table:
    """A row a contender."""
    rows = []
    for c in found:
        kl = f"{'≤ ' * c.bound}{c.kl:.1f}"
        shares = c.share("fact", "correct"), c.share("unknown", *DECLINED)
        rows.append([c.name, kl, signed(np.mean(c.score.gold)), *map("{:.0%}".format, shares)])
    header = [_("answers of"), _("KL, nats"), _("gold"), _("known: right"), _("unknown: says so")]
    caption = _("{n} questions that no stage has seen. KL: from the SFT model at temperature 1",
                n=len(found[0].score.questions))  # fmt: skip
    return Table(header, rows, caption)
