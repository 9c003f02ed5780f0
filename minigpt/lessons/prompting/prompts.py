"""Questions as documents for a base model to go on with, and what it then writes.

A prompt hides a question in a document whose next piece is the answer. `candidates` looks at the
next token alone.
"""

from dataclasses import dataclass

from minigpt.generate import keep_top_k, keep_top_p, next_token_distribution
from minigpt.show.strip import pieces
from minigpt.stages.scoring import few_shots, qa_prompt
from minigpt.stages.stage import Stage
from minigpt.world.facts import World
from minigpt.world.questions import Question

FORMS = ("bare", "qa", "few_shot", "interview", "encyclopaedia")
NAME = "Mara"  # who asks in the interview


def write_prompt(world: World, question: Question, form: str, shots: int = 3, seed: int = 0) -> str:
    """The question as a document with a gap where the answer belongs; "bare": without the gap.

    shots: answered questions shown before it, for "few_shot" alone. ValueError for a form that is
    not one of FORMS.
    """
    text = world.text
    if form == "bare":
        return f"{question.text}\n"
    if form == "qa":
        return qa_prompt(question)
    if form == "few_shot":
        return qa_prompt(question, few_shots(world, question, shots, seed))
    if form == "interview":  # a story of the Books, up to where the guide answers
        return text.BOOK_DIALOGUE[0].partition("{a}")[0].format(q=question.text, n=NAME)
    if form == "encyclopaedia":  # an article of Wikipedia, up to the value
        sentence = text.STATEMENTS[question.attribute][0].partition("{v}")[0]
        name = question.place.name
        return f"# {name}\n\n{sentence.format(p=name).rstrip()}"
    raise ValueError(f"no form {form!r}: choose one of {', '.join(FORMS)}")


@dataclass
class Candidate:
    """A token that may come next."""

    id: int
    text: str  # with what is invisible made visible
    probability: float  # at the temperature, before top-k and top-p
    drawn: float  # … and after them: 0 where they removed it


def candidates(
    stage: Stage, ids: list[int], temperature=1.0, top_k=None, top_p=None, count: int = 10
) -> list[Candidate]:
    """The `count` most likely tokens after `ids`, most likely first.

    At temperature 0 the probabilities are those at 1, and the first token alone is drawn.
    """
    probs = next_token_distribution(stage.model, ids, temperature or 1.0)[None]  # (1, V)
    kept = keep_top_k(probs, 1 if temperature == 0 else top_k or probs.shape[-1])
    kept = keep_top_p(kept, top_p or 1.0)
    kept = kept / kept.sum()
    values, found = probs[0].topk(count)
    texts = pieces(stage.encoding, found.tolist())
    rows = zip(found.tolist(), texts, values.tolist(), kept[0, found].tolist())
    return [Candidate(*row) for row in rows]
