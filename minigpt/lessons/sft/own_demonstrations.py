"""The learner's own demonstrations: read from lines `Q: …` and `A: …`, or a message that mends."""

from minigpt.model import GPTConfig
from minigpt.sft import chat_answer, chat_prompt
from minigpt.stages.replies import LONGEST

MOST = 50  # demonstrations that are read: more take more than a moment
TEXT = {
    "en": {
        "kind": "Give the demonstrations as one text with lines Q: and A:, not as {kind}.",
        "mark": "Line {line} begins with neither Q: nor A: ({text!r}). Each demonstration has "
        "two lines: Q: and the question, then A: and the answer.",
        "order": "Line {line} is {found}, where {wanted} should come: after each question "
        "comes its answer.",
        "empty": "Line {line} has nothing after {mark}",
        "answer": "The last question, in line {line}, has no answer. Add a line that begins "
        "with A:",
        "none": "There are no demonstrations yet. Write a line Q: and a line A: for each.",
        "many": "These are {n} demonstrations. At most {most} are read here.",
        "long": "The demonstration that ends in line {line} has {size}, more than the {context} "
        "tokens that the model reads at once. Shorten it.",
        "tokens": "{n:,} tokens",
        "characters": "{n:,} characters",
    }
}


def read_demonstrations(
    text: str, encoding, block_size: int = GPTConfig.block_size, lang: str = "en"
) -> list[tuple[list[int], list[int]]]:
    """The (prompt ids, answer ids) of each demonstration in the text, as `sft` takes them.

    text: a line `Q: question` and a line `A: answer` each; empty lines do not matter. Raises
    ValueError that names the line and the mend.
    """
    words = TEXT[lang]
    if not isinstance(text, str):
        raise ValueError(words["kind"].format(kind=type(text).__name__))
    pairs, question, asked_in = [], None, 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        mark, rest = line[:2].upper(), line[2:].strip()
        if mark not in ("Q:", "A:"):
            raise ValueError(words["mark"].format(line=number, text=line[:30]))
        wanted = "Q:" if question is None else "A:"
        if mark != wanted:
            raise ValueError(words["order"].format(line=number, found=mark, wanted=wanted))
        if not rest:
            raise ValueError(words["empty"].format(line=number, mark=mark))
        if mark == "Q:":
            question, asked_in = rest, number
        else:
            pairs.append(encoded(encoding, question, rest, block_size, words, line=number))
            question = None
    if question is not None:
        raise ValueError(words["answer"].format(line=asked_in))
    if not pairs:
        raise ValueError(words["none"])
    if len(pairs) > MOST:
        raise ValueError(words["many"].format(n=len(pairs), most=MOST))
    return pairs


def encoded(
    encoding, question: str, answer: str, block_size: int, words: dict, **where
) -> tuple[list[int], list[int]]:
    """The (prompt ids, answer ids) of one demonstration.

    ValueError, `words["long"]` with its size, if it is longer than the model reads at once.
    """
    typed = len(question) + len(answer)
    size = words["characters"].format(n=typed)
    if typed <= LONGEST:  # more is refused before it is encoded
        pair = chat_prompt(encoding, question), chat_answer(encoding, answer)
        tokens = len(pair[0]) + len(pair[1])
        if tokens - 1 <= block_size:  # the last token is a target alone
            return pair
        size = words["tokens"].format(n=tokens)
    raise ValueError(words["long"].format(size=size, context=block_size, **where))
