"""The learner's own text as a corpus: read from a path or an upload, or a message that mends.

A text file is bytes, and bytes are letters only under an encoding. UTF-8 is read, with or without
its mark, and UTF-16 where its mark says so. Anything else is refused with the way out, because a
text read under the wrong encoding trains a model on gibberish without a word of complaint.
"""

import codecs
import math
import os

from minigpt.show.style import amount
from minigpt.store.given import read_given
from minigpt.store.words import _, language
from minigpt.tokenizer import load_tokenizer

LARGEST = 8_000_000  # bytes that are read of a file: some minutes of training on two cores


def own_text(source: str | os.PathLike | bytes, block_size: int = 256, name: str = "") -> str:
    """The text of a file, by its path or by its bytes, long enough for one training window.

    block_size: tokens a window; one more is needed, since each token's target is the next one.
    name: what an upload is called in messages. Line ends become "\\n". A file above 8 MB is cut,
    and a line says so. FileNotFoundError or ValueError with the mend; TypeError for another source.
    """
    data, size, name = read_given(source, LARGEST, name)
    cut = size > len(data)
    text = _decode(data, cut, name).replace("\r\n", "\n").replace("\r", "\n")
    _long_enough(text, block_size, name)
    if cut:
        print(_("{name} is large: the first {read} of {all} bytes are used.",
                name=name, read=amount(len(data)), all=amount(size)))  # fmt: skip
    return text


def _decode(data: bytes, cut: bool, name: str) -> str:
    """Bytes to text. Where the file was cut, half a character at the end is left out."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder, line = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")(), 0
    try:
        text = decoder.decode(data, final=not cut)
        if "\0" in text:  # which no text has
            line = text.count("\n", 0, text.index("\0")) + 1
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    if line:
        raise ValueError(_(
            "{name} is not plain text in UTF-8: see line {line}. Open it in the program that made "
            "it, and save or export its text as .txt in UTF-8", name=name, line=line,
        ))  # fmt: skip
    return text


def _long_enough(text: str, block_size: int, name: str) -> None:
    """ValueError that says how much is needed, unless the text makes one window."""
    needed = block_size + 1
    if not text.strip():
        raise ValueError(_("{name} is empty: choose a file with some text in it", name=name))
    tokens = len(load_tokenizer(language()).encode_ordinary(text[: 100 * needed]))
    if tokens < needed:
        enough = math.ceil(len(text) * needed / tokens)
        raise ValueError(_(
            "{name} is too short: it has {characters} characters, which make {tokens} tokens. One "
            "window of {block} needs {needed} tokens, about {enough} characters of such text",
            name=name, characters=f"{len(text):,}", tokens=tokens, block=block_size,
            needed=needed, enough=f"{enough:,}",
        ))  # fmt: skip
