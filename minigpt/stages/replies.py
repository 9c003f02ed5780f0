"""What each stage makes of one question: the same question put to base, SFT and PPO, and scored.

The comparing widget and `python3 -m minigpt chat` both show these replies.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from minigpt.reward import RewardModel
from minigpt.stages.own import own_checkpoints
from minigpt.stages.sizes import DEFAULT
from minigpt.stages.stage import LONGEST_DOCUMENT, Stage, load_stage
from minigpt.store.words import language

NAMES = ("base", "sft", "reward", "ppo")
LONGEST = 2000  # characters; more are refused before they are encoded


@dataclass
class Reply:
    """One stage's text for a question."""

    stage: str  # its name, such as "base", "sft" or "ppo"
    form: str  # how the question was put: "bare", "qa" or "chat"
    text: str
    ended: bool = True  # False: it did not end by itself and was cut off
    score: float | None = None  # the reward model's, for assistants
    own: bool = False  # whether the stage is the learner's
    own_score: float | None = None  # their reward model's


def load_stages(
    names: Iterable[str] = NAMES, own: bool = True, shipped: bool = True, size: str = DEFAULT,
    lang: str | None = None, device: str = "auto", say: Callable[[str], None] = print,
) -> dict[str, Stage]:  # fmt: skip
    """The stages by name, and beside each the learner's, where there is one, as "your NAME".

    Errors as load_stage; but where a file of the learner's cannot be used beside the shipped one,
    `say` is told so.
    """
    lang, found = lang or language(), {}
    for name in names:
        mine = own and (own_checkpoints(lang, size) / f"{name}.safetensors").is_file()
        for theirs in [False] * shipped + [True] * mine:
            try:
                stage = load_stage(name, theirs, lang, device, True, size)
                found[f"your {name}" if theirs else name] = stage
            except (FileNotFoundError, ValueError) as error:
                if not (shipped and mine):
                    raise
                say(str(error))
    return found


def check_question(stages: dict[str, Stage], question: str, temperature: float) -> str:
    """The question without spaces around it. ValueError with a sentence for whoever typed it."""
    question = question.strip()
    if not question:
        raise ValueError("There is no question yet. Type one, or pick a place and what to ask.")
    encoding = next(iter(stages.values())).encoding
    context = min(getattr(s.model, "gpt", s.model).config.block_size for s in stages.values())
    most = context - LONGEST_DOCUMENT - 10  # for `Q:`, `A:` and special tokens
    long = len(question) > LONGEST
    tokens = len(question) if long else len(encoding.encode_ordinary(question))
    if tokens > most:
        size = f"{tokens:,} {'characters' if long else 'tokens'}"
        raise ValueError(
            f"This question has {size}. The models read {context} tokens at once, "
            f"answer included: {most} are left for a question. Please shorten it."
        )
    if not 0 <= temperature < 100:
        raise ValueError(f"The temperature is {temperature}: choose one from 0 to 100.")
    return question


def replies(
    stages: dict[str, Stage], question: str, temperature: float = 1.0, seed: int = 0,
    draws: int = 1,
) -> list[Reply]:  # fmt: skip
    """The replies of `stages`, in their order: of a base model two, as a bare document and after
    `Q: … A:`, of an assistant one; of each so many draws, one after the other. With "reward" or
    "your reward" among them, assistants' answers are scored.

    Raises ValueError for a question that is empty or too long for the models' context.
    """
    question, out = check_question(stages, question, temperature), []
    asked, judges = [question] * draws, [stages.get(name) for name in ("reward", "your reward")]
    for stage in (stage for stage in stages.values() if not isinstance(stage.model, RewardModel)):
        if stage.is_chat:
            for answer in stage.ask(asked, temperature, seed):
                score, own = (judge and judge.score(question, answer.text) for judge in judges)
                said = Reply(stage.name, "chat", answer.text, answer.ended, score, stage.own, own)
                out.append(said)
            continue
        for form in ("bare", "qa"):
            found = stage.ask(asked, temperature, seed, form == "bare", LONGEST_DOCUMENT)
            out += [Reply(stage.name, form, answer.text, own=stage.own) for answer in found]
    return out
