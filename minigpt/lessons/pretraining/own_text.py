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
BOMS = (  # longest first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, None),
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def kinds() -> dict[bytes, str]:
    """How files that are no text begin, and what they are."""
    return {
        b"%PDF": _("a PDF"),
        b"PK\x03\x04": _("a zip archive (Word and EPUB files are that too)"),
        b"\x89PNG": _("a PNG picture"),
        b"\xff\xd8\xff": _("a JPEG picture"),
        b"\x1f\x8b": _("a gzip archive"),
        b"{\\rtf": _("a rich-text file"),
        b"\xd0\xcf\x11\xe0": _("an old Word or Excel file"),
    }


def own_text(source: str | os.PathLike | bytes, block_size: int = 256, name: str = "") -> str:
    """The text of a file, by its path or by its bytes, long enough for one training window.

    block_size: tokens a window; one more is needed, since each token's target is the next one.
    name: what an upload is called in messages. Line ends become "\\n". A file above 8 MB is cut,
    and a line says so. FileNotFoundError or ValueError with the mend; TypeError for another source.
    """
    data, size, name = read_given(source, LARGEST, name)
    cut = size > len(data)
    text = _decode(data, cut, name).replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise _binary(data, name)
    _long_enough(text, block_size, name)
    if cut:
        print(_("{name} is large: the first {read} of {all} bytes are used.",
                name=name, read=amount(len(data)), all=amount(size)))  # fmt: skip
    return text


def _decode(data: bytes, cut: bool, name: str) -> str:
    """Bytes to text. Where the file was cut, half a character at the end is left out."""
    mark, encoding = next(((m, e) for m, e in BOMS if data.startswith(m)), (b"", "utf-8"))
    if encoding is None:
        raise ValueError(_("{name} is in UTF-32: open it in an editor and save it as UTF-8",
                           name=name))  # fmt: skip
    for start, kind in kinds().items():
        if data.startswith(start):
            raise ValueError(_("{name} is {kind}, not plain text: open it, and save or export its "
                               "text as .txt in UTF-8", name=name, kind=kind))  # fmt: skip
    if encoding == "utf-8" and b"\0" in data:
        raise _binary(data, name)
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        return decoder.decode(data[len(mark) :], final=not cut)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ValueError(_(
                "{name} has the mark of UTF-16, but its bytes are not UTF-16: open it in an editor "
                "and save it as UTF-8", name=name,
            )) from None  # fmt: skip
        at = len(mark) + error.start
        raise ValueError(_(
            "{name} is not in UTF-8: byte {byte} (0x{value:02X}), in line {line}, fits nowhere. It "
            "may be in an older encoding, such as Windows-1252 or GBK. Open it in an editor and "
            "save it as UTF-8", name=name, byte=f"{at + 1:,}", value=data[at],
            line=data.count(b"\n", 0, at) + 1,
        )) from None  # fmt: skip


def _binary(data: bytes, name: str) -> ValueError:
    return ValueError(_(
        "{name} is binary, not text: byte {byte} is 0, which no text has. If it is a text in "
        "UTF-16 or UTF-32, open it in an editor and save it as UTF-8",
        name=name, byte=f"{data.index(0) + 1:,}",
    ))  # fmt: skip


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
