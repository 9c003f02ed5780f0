"""What each stage makes of one question: the same question put to base, SFT and PPO, and scored.

The comparing widget and `python3 -m minigpt chat` both show these replies.
"""

from dataclasses import dataclass

from minigpt.stages.scoring import chat_answers, document_completions
from minigpt.stages.stage import Stage, load_stage

NAMES = ("base", "sft", "reward", "ppo")
DOCUMENT_TOKENS = 60  # how far a base model goes on with a document
LONGEST = 2000  # characters; more are refused before they are encoded


@dataclass
class Reply:
    """One stage's text for a question."""

    stage: str  # "base", "sft" or "ppo"
    form: str  # how the question was put: "bare", "qa" or "chat"
    text: str
    ended: bool = True  # False: it did not end by itself and was cut off
    score: float | None = None  # the reward model's, for assistants


def load_stages(names=NAMES, own: bool = True, lang: str = "en", device="auto") -> dict[str, Stage]:
    """The stages by name, without a word. Errors as load_stage."""
    return {name: load_stage(name, own, lang, device, quiet=True) for name in names}


def check_question(stages: dict[str, Stage], question: str, temperature: float) -> str:
    """The question without spaces around it. ValueError with a sentence for whoever typed it."""
    question = question.strip()
    if not question:
        raise ValueError("There is no question yet. Type one, or pick a place and what to ask.")
    stage = next(iter(stages.values()))
    gpt = getattr(stage.model, "gpt", stage.model)
    most = gpt.config.block_size - DOCUMENT_TOKENS - 10  # ten for `Q:`, `A:` and special tokens
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
    """The replies of those of base (as a bare document, and after `Q: … A:`), SFT and PPO that are
    in `stages`. With "reward" among them, assistants' answers are scored.

    Raises ValueError for a question that is empty or too long for the models' context.
    """
    question = check_question(stages, question, temperature)
    out = []
    if "base" in stages:
        out += _base_replies(stages["base"], question, temperature, seed)
    for name in [n for n in stages if n.startswith(("sft", "ppo"))]:
        out.append(_chat_reply(stages[name], stages.get("reward"), question, temperature, seed))
    return out


def _base_replies(base: Stage, question, temperature, seed) -> list[Reply]:
    def go_on(prompt, **options):
        return document_completions(
            base.model, base.encoding, [prompt], DOCUMENT_TOKENS, temperature, seed, **options
        )[0].strip()

    bare, qa = go_on(f"{question}\n"), go_on(f"Q: {question}\nA:", line=True)
    return [Reply("base", "bare", bare), Reply("base", "qa", qa)]


def _chat_reply(stage: Stage, reward: Stage | None, question, temperature, seed) -> Reply:
    (text,), (ended,) = chat_answers(stage.model, stage.encoding, [question], temperature, seed)
    score = reward.score(question, text) if reward else None
    return Reply(stage.name, "chat", text, ended, score)
