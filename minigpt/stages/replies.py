"""What each stage makes of one question: the same question put to base, SFT and PPO, and scored.

The comparing widget and `python3 -m minigpt chat` both show these replies.
"""

from dataclasses import dataclass

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


def load_stages() -> dict[str, Stage]:
    """The stages by name, without a word. Errors as load_stage."""
    return {name: load_stage(name, lang=language(), quiet=True) for name in NAMES}


def check_question(stages: dict[str, Stage], question: str, temperature: float) -> str:
    """The question without spaces around it. ValueError with a sentence for whoever typed it."""
    question = question.strip()
    if not question:
        raise ValueError("There is no question yet. Type one, or pick a place and what to ask.")
    stage = next(iter(stages.values()))
    gpt = getattr(stage.model, "gpt", stage.model)
    most = gpt.config.block_size - LONGEST_DOCUMENT - 10  # for `Q:`, `A:` and special tokens
    long = len(question) > LONGEST
    tokens = len(question) if long else len(stage.encoding.encode_ordinary(question))
    if tokens > most:
        size = f"{tokens:,} {'characters' if long else 'tokens'}"
        raise ValueError(
            f"This question has {size}. The models read {gpt.config.block_size} tokens at once, "
            f"answer included: {most} are left for a question. Please shorten it."
        )
    if not 0 <= temperature < 100:
        raise ValueError(f"The temperature is {temperature}: choose one from 0 to 100.")
    return question


def replies(
    stages: dict[str, Stage], question: str, temperature: float = 1.0, seed: int = 0
) -> list[Reply]:
    """The replies of `stages`, in their order: of a base model two, as a bare document and after
    `Q: … A:`, of an assistant one. With "reward" among them, assistants' answers are scored.

    Raises ValueError for a question that is empty or too long for the models' context.
    """
    question, out, reward = check_question(stages, question, temperature), [], stages.get("reward")
    for stage in (stage for name, stage in stages.items() if name != "reward"):
        if stage.is_chat:
            (answer,) = stage.ask([question], temperature, seed)
            score = reward.score(question, answer.text) if reward else None
            out.append(Reply(stage.name, "chat", answer.text, answer.ended, score))
            continue
        for form in ("bare", "qa"):
            (answer,) = stage.ask([question], temperature, seed, form == "bare", LONGEST_DOCUMENT)
            out.append(Reply(stage.name, form, answer.text))
    return out
