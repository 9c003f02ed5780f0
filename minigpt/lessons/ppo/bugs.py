"""The bug museum: runs of a small copy of PPO, `buggy_ppo`, each with one known bug in it.

    choices()                                  # what the bugs do, each with its key
    exhibit("A")                               # its readings, beside those of a run without a bug
    exhibit("A").checks()                      # what no dashboard shows, for the bugs that hide
    diagnose({"A": "dropout", "B": "none"})    # which of these are right

Each bug was published: it stood in somebody's code, was found, and was told of. Few raise an error,
and with some the score even rises. A project is named only where it has told of the bug itself.
"""

import copy
import hashlib
from dataclasses import dataclass, replace
from functools import cache

from minigpt.lessons.ppo.buggy_ppo import MOVES, ppo_with
from minigpt.lessons.ppo.instruments import LIMITS, Reading, readings
from minigpt.ppo import PPOConfig
from minigpt.sft import chat_prompt
from minigpt.show.table import Table
from minigpt.stages.fast import shorten
from minigpt.stages.stage import load_stage
from minigpt.world.questions import sample_questions

# Answers of at most 20 tokens end less often, and in five rounds a value function learns little.
LIMITS_HERE = replace(LIMITS, ended=(0.8, 0.6), explained=(0.0, -0.2))


def small() -> PPOConfig:
    """Runs of a few seconds: few answers, learned from fast, with a high price of KL and without
    the pretraining term."""
    return PPOConfig(
        iterations=shorten(5, 2), prompts=24, minibatch=12, epochs=2, max_new_tokens=20,
        muon_lr=0.0045, lr=6e-4, gain_lr=0.15, value_lr=0.006, kl_coef=0.4, ptx_coef=0.0, seed=1,
    )  # fmt: skip


# ---- the exhibits -------------------------------------------------------------------------------

TEXT = {
    "en": {
        "choices": ["key", "what the code does"],
        "choices_caption": "One of these is in each exhibit",
        "header": ["instrument", "without a bug", "{letter}, first round", "{letter}, last round",
                   "light"],
        "caption": "Exhibit {letter} after {rounds} rounds, and a run without a bug",
        "checks_header": ["check", "without a bug", "{letter}", "what it compares"],
        "checks_caption": "Exhibit {letter}: checks that are 0 where the step is right",
        "overview": ["exhibit", "lights that are not green, in the first or the last round"],
        "overview_caption": "All exhibits",
        "quiet": "none",
        "diagnosis": ["exhibit", "you say", "", "why"],
        "diagnosis_caption": "{right} of {said} right; there are {all} exhibits",
        "right": "right",
        "wrong": "not this",
        "would": "That would move {moves} Look at these again.",
        "checks": {
            "scored": ("log-probability", "log-probability of a sampled token when it was drawn "
                       "and when it was read again, in nats"),
            "alone": ("score alone", "score of an answer in the batch and by itself"),
            "cut_off": ("cut-off answers", "scores of answers that did not end and the fixed one "
                        "for them, summed over a round"),
            "learned": ("tokens learned", "sampled tokens of an answer and those in the loss"),
            "sum": ("sum of rewards", "the rewards of an answer's tokens, summed, and its score "
                    "less the price of its KL"),
            "target": ("last target", "what the value function is to say at the last token, and "
                       "the reward there: nothing comes after"),
            "own_token": ("own token", "the value of an answer's last token, and the same with "
                          "another token in its place"),
            "padding": ("padding", "the value function's targets, and the same with other padding "
                        "after the end"),
            "clip": ("clip", "the loss at ratios of 1.5 and 0.5 with advantages of 1 and -1, and "
                     "that by hand"),
        },
        "bugs": {  # what it does, what it moves, what there is to learn
            "alias": (
                "The reference is the policy itself and not a copy of it, so it learns along.",
                "the KL, which would stay at exactly 0 however long the policy learns.",
                "A KL of exactly 0 after an update is no sign of health: the policy is compared "
                "with itself, and leaving the SFT model costs nothing.",
            ),
            "clip_min": (
                "The clipped objective takes the smaller of its two losses, not the larger.",
                "the KL, which would be higher, and the check \u201cclip\u201d.",
                "The clip now takes away the losses that would mend a step too far and keeps the "
                "gains. Where little is clipped the instruments hardly show it; four cases by hand "
                "do.",
            ),
            "direction": (
                "The log-ratio of the KL is taken the other way round, log π_ref - log π, in the "
                "price and in what is logged.",
                "k1, which would be below 0 by far more than three standard errors while the exact "
                "KL is above 0.",
                "A KL cannot be negative, so a k1 that stays below 0 has the wrong direction. As a "
                "price it pays for leaving the SFT model.",
            ),
            "dropout": (
                "Dropout is on while the policy learns, and was off while the old "
                "log-probabilities were read.",
                "the ratio on the first minibatch, which would not be 1.",
                "The same weights gave one token two probabilities, for each pass drops other "
                "units: the ratio is off before anything has been learned.",
            ),
            "every_token": (
                "The score is added to the reward of every token, not once at the end.",
                "the check \u201csum of rewards\u201d, by many scores an answer.",
                "A long answer now earns its score many times over. No light says so at first, for "
                "the logged score is the right one; the sum of rewards does.",
            ),
            "kl_sign": (
                "The price of KL has the wrong sign: leaving the SFT model is paid for.",
                "the KL, which would rise faster, with k1 and the exact KL in agreement; and the "
                "check \u201csum of rewards\u201d.",
                "All estimates are right and agree, and what is done with them is wrong: the "
                "policy is paid to leave. The score may look fine for long.",
            ),
            "no_penalty": (
                "An answer that was cut off is scored like any other.",
                "the check \u201ccut-off answers\u201d, and the mean score of the first round, a "
                "little.",
                "What is not an answer must not be scored as one. Where nearly all answers end, "
                "only the check shows it; where they do not, they never learn to.",
            ),
            "none": (
                "Nothing is wrong; only the seed is another one.",
                "nothing: all checks would be 0.",
                "Other prompts and other luck move every reading a little. No check moves, so "
                "there is nothing to mend.",
            ),
            "pad_is_end": (
                "Padding is the end token, and what equals padding is left out of the loss.",
                "the check \u201ctokens learned\u201d, by one an answer.",
                "The end token is an answer's last decision, and it is never learned. Padding "
                "needs an id of its own.",
            ),
            "past_end": (
                "The advantages are summed on past the end, over the values that stand at padding.",
                "the check \u201cpadding\u201d, and with it \u201clast target\u201d.",
                "After the end nothing is to be expected, so the next value is 0. Here it is what "
                "the value function says of padding, and a longer row changes what is learned.",
            ),
            "position": (
                "The score is read at the last position of the padded batch and not at each "
                "answer's <|reward|>.",
                "the mean score of the first round, which would be far from that of the SFT model, "
                "0 \u00b1 1; and the check \u201cscore alone\u201d.",
                "Scores of the SFT model's own answers are 0 \u00b1 1 by construction, so a first "
                "round far from that says that something else is read. Padding must not change a "
                "score.",
            ),
            "score_sign": (
                "The score has the wrong sign; the price of KL is right. OpenAI told of a run that "
                "learned the worst answers, and wrote them fluently (Ziegler et al. 2019).",
                "the mean score, which would fall; and the check \u201csum of rewards\u201d.",
                "The policy learns to do worse, and stays fluent, for the price of KL still holds "
                "it near the SFT model. A score that falls is a reason to stop at once.",
            ),
            "shift": (
                "Log-probabilities are read one position late, from logits that have seen the "
                "token.",
                "k1, which would be nowhere near the exact KL; the clipped share; the score, which "
                "would not rise; and the check \u201clog-probability\u201d.",
                "Logits at a position are about the next token. Ratio and KL agree with themselves "
                "all the same; the log-probabilities from sampling do not agree with them.",
            ),
            "temperature": (
                "Answers are sampled at temperature 0.6 and scored as if at 1. OpenRLHF mended "
                "this in 2025 (pull requests 853 and 857).",
                "surprisal less entropy in the first round, which would be far below 0; and the "
                "check \u201clog-probability\u201d.",
                "The samples are less surprising than the distribution that is learned says they "
                "should be: they come from another one. Its ratio is 1 and its score is high.",
            ),
            "value_after": (
                "The value of a token is read after it, when the value function has seen it.",
                "the check \u201cown token\u201d.",
                "A baseline must not know what it is a baseline of: what a token does then shows "
                "in the value and is lost from the advantage. No light shows it.",
            ),
            "whitened": (
                "Advantages are whitened first, and the value function's targets are made of them.",
                "the check \u201clast target\u201d, and not the check \u201cpadding\u201d.",
                "Returns are advantages plus values before whitening: the value function now "
                "learns a number on another scale. Explained variance compares it with that same "
                "number, and so looks fine.",
            ),
        },
    }
}  # fmt: skip
BUGS = tuple(MOVES)  # the keys, in the order of the alphabet
ORDER = sorted(BUGS, key=lambda bug: hashlib.sha256(f"museum 210/{bug}".encode()).hexdigest())
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(BUGS)])
WORST = ("off", "green", "amber", "red")


@dataclass(frozen=True)
class Exhibit:
    """A run with one bug, in readings and checks, beside a run without any."""

    letter: str
    rounds: int
    first: list[Reading]  # after the first round
    readings: list[Reading]  # after the last round
    found: dict[str, float]  # the checks, the largest of all rounds
    healthy: "Exhibit | None"  # the run without a bug
    lang: str = "en"

    def light(self, name: str) -> str:
        """The worse of an instrument's two lights."""
        return max((r.light for r in self.first + self.readings if r.name == name), key=WORST.index)

    def instruments(self) -> Table:
        """The readings, as a table."""
        text, healthy = TEXT[self.lang], self.healthy or self
        rows = [
            [r.label, h.text, f.text, r.text, self.light(r.name)]
            for h, f, r in zip(healthy.readings, self.first, self.readings)
            if r.name != "gold"  # that takes many more answers
        ]
        header = [h.format(letter=self.letter) for h in text["header"]]
        caption = text["caption"].format(letter=self.letter, rounds=self.rounds)
        return Table(header, rows, caption)

    def checks(self) -> Table:
        """The checks, as a table."""
        text, healthy = TEXT[self.lang], self.healthy or self
        rows = [
            [label, *(number(e.found.get(name, 0.0)) for e in (healthy, self)), what]
            for name, (label, what) in text["checks"].items()
        ]
        header = [h.format(letter=self.letter) for h in text["checks_header"]]
        return Table(header, rows, text["checks_caption"].format(letter=self.letter), width=44)

    def _repr_html_(self) -> str:
        return self.instruments()._repr_html_()

    def __repr__(self) -> str:
        return repr(self.instruments())


def number(value: float) -> str:
    """0 for what is rounding, else two significant digits."""
    return "0" if abs(value) < 1e-4 else f"{value:.2g}"


def exhibit(letter: str, lang: str = "en") -> Exhibit:
    """The exhibit of that letter. The first takes twice as long as the others: it comes with the
    run without a bug. ValueError where there is no such letter."""
    letter = known_letter(letter)
    bug = ORDER[LETTERS.index(letter)]
    config = small()
    config = replace(config, seed=3) if bug == "none" else config
    healthy = run("none", small().seed, config.iterations, lang)
    return Exhibit(letter, config.iterations, *run(bug, config.seed, config.iterations, lang),
                   Exhibit("", config.iterations, *healthy, None, lang), lang)  # fmt: skip


def overview(lang: str = "en") -> Table:
    """Every exhibit and its lights that are not green."""
    text, rows = TEXT[lang], []
    for letter in LETTERS:
        shown = exhibit(letter, lang)
        lights = {r.label: shown.light(r.name) for r in shown.readings}
        seen = [f"{label}: {light}" for label, light in lights.items() if light in WORST[2:]]
        rows.append([letter, "; ".join(seen) or text["quiet"]])
    return Table(text["overview"], rows, text["overview_caption"], width=70)


def choices(lang: str = "en") -> Table:
    """What the bugs do, each with the key that `diagnose` takes."""
    text = TEXT[lang]
    rows = [[bug, what] for bug, (what, _, _) in text["bugs"].items()]
    return Table(text["choices"], rows, text["choices_caption"], width=70)


def diagnose(answers: dict[str, str], lang: str = "en") -> Table:
    """Which diagnoses {letter: key} are right, and why; of the others, what to look at again.

    ValueError where a letter or a key is not known.
    """
    text, rows, hits = TEXT[lang], [], 0
    for letter, bug in sorted((known_letter(k), v) for k, v in answers.items()):
        if bug not in BUGS:
            raise ValueError(f"{letter}: there is no key {bug!r}. Choose from {', '.join(BUGS)}")
        _, moves, lesson = text["bugs"][bug]
        right = ORDER[LETTERS.index(letter)] == bug
        hits += right
        said = text["right" if right else "wrong"]
        rows.append([letter, bug, said, lesson if right else text["would"].format(moves=moves)])
    caption = text["diagnosis_caption"].format(right=hits, said=len(rows), all=len(LETTERS))
    return Table(text["diagnosis"], rows, caption, width=60)


def known_letter(letter: str) -> str:
    """The letter in upper case; ValueError where there is no such exhibit."""
    found = str(letter).strip().upper()
    if found not in LETTERS:
        raise ValueError(f"there is no exhibit {letter!r}: choose from {LETTERS[0]}–{LETTERS[-1]}")
    return found


@cache
def run(bug: str, seed: int, iterations: int, lang: str) -> tuple:
    """The readings after the first and the last round, and the largest of each check."""
    sft, reward, prompts = stages(lang)
    config = replace(small(), seed=seed, iterations=iterations)
    policy = copy.deepcopy(sft.model).requires_grad_(True)
    steps, found = [], {}
    for step, checks in ppo_with(bug, policy, reward.model, prompts, sft.encoding, config):
        steps.append(step)
        found = {name: max(found.get(name, 0.0), abs(value)) for name, value in
                 {**found, **checks}.items()}  # fmt: skip
    first, last = (readings(s, limits=LIMITS_HERE, lang=lang) for s in (steps[:1], steps))
    return first, last, found


@cache
def stages(lang: str) -> tuple:
    """The shipped SFT and reward models, and prompts of split A."""
    sft, reward = (
        load_stage(name, own=False, lang=lang, device="cpu", quiet=True)
        for name in ("sft", "reward")
    )
    questions = sample_questions(sft.world, "A", 400, seed=91)
    return sft, reward, [chat_prompt(sft.encoding, q.text) for q in questions]
