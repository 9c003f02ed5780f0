"""The learner's own demonstrations: read from lines `Q: …` and `A: …`, or a message that mends."""

from minigpt.model import GPTConfig
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages.replies import LONGEST
from minigpt.store.words import _

MOST = 50  # demonstrations that are read: more take more than a moment


def read_demonstrations(
    text: str, encoding, block_size: int = GPTConfig.block_size
) -> list[tuple[list[int], list[int]]]:
    """The (prompt ids, answer ids) of each demonstration in the text, as `sft` takes them.

    text: a line `Q: question` and a line `A: answer` each; empty lines do not matter. Raises
    ValueError that names the line and the mend.
    """
    if not isinstance(text, str):
        said = _("Give the demonstrations as one text with lines Q: and A:, not as {kind}.")
        raise ValueError(said.format(kind=type(text).__name__))
    pairs, question, asked_in = [], None, 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        mark, rest = line[:2].upper(), line[2:].strip()
        if mark not in ("Q:", "A:"):
            said = _(
                "Line {line} begins with neither Q: nor A: ({text!r}). Each demonstration has two "
                "lines: Q: and the question, then A: and the answer."
            )
            raise ValueError(said.format(line=number, text=line[:30]))
        wanted = "Q:" if question is None else "A:"
        if mark != wanted:
            said = _(
                "Line {line} is {found}, where {wanted} should come: after each question comes its "
                "answer."
            )
            raise ValueError(said.format(line=number, found=mark, wanted=wanted))
        if not rest:
            said = _("Line {line} has nothing after {mark}")
            raise ValueError(said.format(line=number, mark=mark))
        if mark == "Q:":
            question, asked_in = rest, number
        else:
            name = _("The demonstration that ends in line {line}").format(line=number)
            pairs.append(encoded(encoding, question, rest, block_size, name))
            question = None
    if question is not None:
        said = _("The last question, in line {line}, has no answer. Add a line that begins with A:")
        raise ValueError(said.format(line=asked_in))
    if not pairs:
        raise ValueError(
            _("There are no demonstrations yet. Write a line Q: and a line A: for each.")
        )
    if len(pairs) > MOST:
        said = _("These are {n} demonstrations. At most {most} are read here.")
        raise ValueError(said.format(n=len(pairs), most=MOST))
    return pairs


def encoded(
    encoding, question: str, answer: str, block_size: int, name: str
) -> tuple[list[int], list[int]]:
    """The (prompt ids, answer ids) of one demonstration.

    ValueError that calls it by the name, with its size, if it is longer than the model reads at
    once.
    """
    typed = len(question) + len(answer)
    size = _("{n:,} characters").format(n=typed)
    if typed <= LONGEST:  # more is refused before it is encoded
        pair = chat_prompt(encoding, question), chat_answer(encoding, answer)
        tokens = len(pair[0]) + len(pair[1])
        if tokens - 1 <= block_size:  # the last token is a target alone
            return pair
        size = _("{n:,} tokens").format(n=tokens)
    said = _(
        "{name} has {size}, more than the {context} tokens that the model reads at once. Shorten "
        "it."
    )
    raise ValueError(said.format(name=name, size=size, context=block_size))
