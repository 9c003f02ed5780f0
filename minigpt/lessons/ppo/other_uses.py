"""What PPO must be compared with: the SFT model, less random or choosing among its own answers.

PPO lowers the entropy of what it samples, and a less random model errs less. So its answers stand
beside those of the untouched SFT model at a low temperature, at temperature 0, and at best-of-n,
each with its distance (KL) from the SFT model at temperature 1.
"""

from dataclasses import dataclass

import numpy as np

from minigpt.generate import generate_all
from minigpt.model import GPT
from minigpt.sft import answer_text, chat_prompt
from minigpt.show.table import Table
from minigpt.stages.report import ATTEMPTS, answer_kl, best_of_answers, paired, proxy_scores
from minigpt.stages.scoring import Score, judged
from minigpt.stages.stage import Stage
from minigpt.world.questions import Question

LONGEST = 40  # new tokens of an answer, as in PPO's sampling
TOGETHER = 20  # questions whose best-of-n is drawn at once
TEXT = {
    "en": {
        "header": ["answers of", "KL", "proxy", "gold (95 % interval)", "correct, of known places",
                   "correct, of attempts", "says so, of unknown places", "rude"],
        "caption": "{n} questions of split E. KL in nats an answer, from the SFT model at "
        "temperature 1.",
        "bound": "at most {kl:.2f}",
        "best_of": "SFT, best of {n}",
    }
}  # fmt: skip


@dataclass
class Contender:
    """One way of answering, and how its answers to the questions came out."""

    name: str
    score: Score  # questions, answers, verdicts
    proxy: np.ndarray  # (questions,) the reward model's scores
    kl: float  # from the SFT model at temperature 1, in nats an answer
    bound: bool = False  # True: the KL is at most this

    def share(self, kind: str, *verdicts: str) -> float:
        """Share of these verdicts among the answers to questions of a kind."""
        found = [v for q, v in zip(self.score.questions, self.score.verdicts) if q.kind == kind]
        return float(np.mean([v in verdicts for v in found])) if found else float("nan")

    @property
    def attempts_right(self) -> float:
        """Of the answers about known places that give a value, the share that is correct."""
        tried = self.share("fact", *ATTEMPTS)
        return self.share("fact", "correct") / tried if tried else float("nan")

    def gold(self) -> tuple[float, float, float]:
        """Mean gold and its 95 % interval, drawn by entity."""
        values = np.array(self.score.gold)
        return paired(self.score.questions, lambda rows: float(values[list(rows)].mean()))

    def ahead_of(self, other: "Contender") -> tuple[float, float, float]:
        """By how much its mean gold is higher, with the 95 % interval: the questions are the same
        for both, so the difference is taken question by question."""
        values = np.array(self.score.gold) - np.array(other.score.gold)
        return paired(self.score.questions, lambda rows: float(values[list(rows)].mean()))


def contend(
    policies: dict[str, tuple[GPT, float]], sft: Stage, reward: Stage, questions: list[Question],
    best_of: int | None = 16, seed: int = 0,
) -> list[Contender]:  # fmt: skip
    """Ask every policy the same questions; the SFT model also as the best of `best_of` answers.

    policies: {name: (model, temperature)}, 0 for the most likely answer.
    """
    encoding, out = sft.encoding, []
    end = encoding.encode_single_token("<|end|>")
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    for name, (model, temperature) in policies.items():
        rows = generate_all(model, prompts, LONGEST, temperature=temperature, stop=end, seed=seed)
        answers = [sample.ids for (sample,) in rows]
        score = judged(sft.world, questions, [answer_text(encoding, ids) for ids in answers])
        proxy = proxy_scores(reward, score, [ids[-1] == end for ids in answers])
        kl = answer_kl(model, sft.model, prompts, answers, temperature)
        out.append(Contender(name, score, proxy, kl))
    if best_of:
        answers = []
        for start in range(0, len(questions), TOGETHER):  # or memory would hold thousands of rows
            score, kl = best_of_answers(sft, reward, questions[start : start + TOGETHER], best_of)
            answers += score.answers
        score = judged(sft.world, questions, answers)
        proxy = proxy_scores(reward, score, [True] * len(questions))
        name = TEXT[sft.world.lang]["best_of"].format(n=best_of)
        out.append(Contender(name, score, proxy, kl, bound=True))
    return out


def contender_table(found: list[Contender], lang: str = "en") -> Table:
    """A row a contender; gold with its interval, drawn by entity."""
    words, rows = TEXT[lang], []
    for c in found:
        value, low, high = c.gold()
        kl = words["bound"].format(kl=c.kl) if c.bound else f"{c.kl:.2f}"
        shares = [c.share("fact", "correct"), c.attempts_right,
                  c.share("unknown", "declined this name"), c.score.share("rude")]  # fmt: skip
        rows.append([c.name, kl, f"{c.proxy.mean():+.2f}", f"{value:.2f} ({low:.2f} to {high:.2f})",
                     *(f"{share:.0%}" for share in shares)])  # fmt: skip
    caption = words["caption"].format(n=len(found[0].score.questions))
    return Table(words["header"], rows, caption)
