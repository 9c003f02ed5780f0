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
        raise ValueError(_("Give the demonstrations as one text with lines Q: and A:, not as "
                           "{kind}.", kind=type(text).__name__))  # fmt: skip
    pairs, question, asked_in = [], None, 0
    for number, line in enumerate(text.splitlines(), 1):
        if not (line := line.strip()):
            continue
        mark, rest = line[:2].upper(), line[2:].strip()
        if mark not in ("Q:", "A:"):
            raise ValueError(_(
                "Line {n} begins with neither Q: nor A: ({text!r}). Each demonstration has two "
                "lines: Q: and the question, then A: and the answer.",
                n=number, text=line[:30]))  # fmt: skip
        wanted = "Q:" if question is None else "A:"
        if mark != wanted:
            raise ValueError(_("Line {n} is {mark}, where {wanted} should come: after each "
                               "question comes its answer.",
                               n=number, mark=mark, wanted=wanted))  # fmt: skip
        if not rest:
            raise ValueError(_("Line {n} has nothing after {mark}", n=number, mark=mark))
        if mark == "Q:":
            question, asked_in = rest, number
        else:
            name = _("The demonstration that ends in line {n}", n=number)
            pairs.append(encoded(encoding, question, rest, block_size, name))
            question = None
    if question is not None:
        raise ValueError(_("The last question, in line {n}, has no answer. Add a line that begins "
                           "with A:", n=asked_in))  # fmt: skip
    if not pairs:
        raise ValueError(_("There are no demonstrations yet. Write a line Q: and a line A: for "
                           "each."))  # fmt: skip
    if len(pairs) > MOST:
        raise ValueError(_("These are {n} demonstrations. At most {most} are read here.",
                           n=len(pairs), most=MOST))  # fmt: skip
    return pairs


def encoded(
    encoding, question: str, answer: str, block_size: int, name: str
) -> tuple[list[int], list[int]]:
    """The (prompt ids, answer ids) of one demonstration.

    ValueError that calls it by the name, with its size, if it is longer than the model reads at
    once.
    """
    typed = len(question) + len(answer)
    size = _("{n:,} characters", n=typed)
    if typed <= LONGEST:  # more is refused before it is encoded
        pair = chat_prompt(encoding, question), chat_answer(encoding, answer)
        tokens = len(pair[0]) + len(pair[1])
        if tokens - 1 <= block_size:  # the last token is a target alone
            return pair
        size = _("{n:,} tokens", n=tokens)
    raise ValueError(_("{name} has {size}, more than the {n} tokens that the model reads at once. "
                       "Shorten it.", name=name, size=size, n=block_size))  # fmt: skip
