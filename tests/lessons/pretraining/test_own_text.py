"""The learner's own text: every way in which a file can be wrong, and what is said about it."""

import importlib

import pytest

from minigpt.lessons.pretraining.own_text import own_text
from minigpt.show.widget import uploaded
from minigpt.tokenizer import load_tokenizer

module = importlib.import_module(
    "minigpt.lessons.pretraining.own_text"
)  # its name is a function's, too

STORY = "The train stopped in Köln, and 北京 was far away.\n" * 40


@pytest.fixture
def file(tmp_path):
    def write(data: bytes):
        path = tmp_path / "story.txt"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_comes_back_as_it_was_written(file, encoding):
    data = STORY.encode(encoding)
    assert own_text(file(data)) == STORY
    assert own_text(str(file(data))) == STORY
    assert own_text(data) == own_text(bytearray(data)) == own_text(memoryview(data)) == STORY


@pytest.mark.parametrize("encoding, mark", [("utf-16-be", b"\xfe\xff"), ("utf-16-le", b"\xff\xfe")])
def test_utf16_is_recognised_by_its_mark(encoding, mark):
    assert own_text(mark + STORY.encode(encoding)) == STORY


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_become_newlines(end):
    assert own_text(STORY.replace("\n", end).encode("utf-8")) == STORY


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*nowhere.txt.*notebook's folder"):
        own_text(tmp_path / "nowhere.txt")
    with pytest.raises(ValueError, match="is a folder"):
        own_text(tmp_path)


def test_a_file_that_may_not_be_read_says_why(file, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    path = file(STORY.encode("utf-8"))
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        own_text(path)


def test_too_short_says_how_many_characters_are_enough():
    short = "Köln is in Germany. " * 5
    with pytest.raises(ValueError, match="too short: it has 100 characters") as error:
        own_text(short.encode("utf-8"), name="mine.txt")
    message = str(error.value)
    assert message.startswith("'mine.txt' ") and "257 tokens" in message
    enough = int(message.rsplit("about ", 1)[1].split()[0].replace(",", ""))
    longer = (short * 100)[: enough + 20]  # the figure is about right: a word more is enough
    assert own_text(longer.encode("utf-8")) == longer


def test_one_window_and_one_token_more_is_exactly_enough():
    encoding = load_tokenizer("en")
    ids = encoding.encode_ordinary("The train stopped in Rome, and it was late.\n" * 9)
    text = encoding.decode(ids[:17])
    assert len(encoding.encode_ordinary(text)) == 17
    assert own_text(text.encode("utf-8"), block_size=16) == text
    with pytest.raises(ValueError, match="needs 18 tokens"):
        own_text(text.encode("utf-8"), block_size=17)


@pytest.mark.parametrize("data", [b"", b"  \n\n ", b"\xef\xbb\xbf"])
def test_empty_files_say_so(data):
    with pytest.raises(ValueError, match="is empty"):
        own_text(data)


NOT_TEXT = {
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" * 99, 2),
    "a zip archive": (b"PK\x03\x04\x14\x00\x08" * 99, 1),
    "a byte 0": (b"hello\n\x00world" * 99, 2),
    "UTF-16 without its mark": (STORY.encode("utf-16-le"), 1),
    "UTF-16 with a 0": (b"\xff\xfe" + ("a\n\0b" * 500).encode("utf-16-le"), 2),
    "UTF-16 of an odd length": (b"\xff\xfe" + b"abc" * 301, 1),
    "UTF-32": (STORY.encode("utf-32"), 1),
    "Windows-1252": (("One line.\nKöln. " * 99).encode("cp1252"), 2),
    "GBK": (("a\n北京。" * 99).encode("gbk"), 2),
}


@pytest.mark.parametrize("what", NOT_TEXT)
def test_what_is_no_text_is_refused_with_its_line_and_the_mend(what):
    data, line = NOT_TEXT[what]
    with pytest.raises(ValueError, match=f"in UTF-8: see line {line}\\. .* as .txt in UTF-8"):
        own_text(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_large_file_is_cut_between_characters_and_says_so(file, monkeypatch, capsys, encoding):
    data = ("北京" * 3000).encode(encoding)
    monkeypatch.setattr(module, "LARGEST", 10_001)
    for source in (file(data), data):
        text = own_text(source)
        assert set(text) == {"北", "京"} and 10_001 - 6 < len(text.encode(encoding)) <= 10_001
        assert "the first 10 thousand of " in capsys.readouterr().out


def test_a_file_that_is_not_cut_is_quiet(capsys):
    own_text(STORY.encode("utf-8"))
    assert capsys.readouterr().out == ""


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="given is int"):
        own_text(3)
    with pytest.raises(TypeError, match="NoneType"):
        own_text(None)


def test_uploads_of_ipywidgets_7_and_8():
    seven = {"old.txt": {"metadata": {"name": "old.txt"}, "content": b"old"},
             "a.txt": {"metadata": {"name": "a.txt"}, "content": b"abc"}}  # fmt: skip
    eight = ({"name": "a.txt", "type": "text/plain", "size": 3, "content": memoryview(b"abc")},)
    assert uploaded(seven) == uploaded(eight) == ("a.txt", b"abc")
    assert uploaded({}) is None and uploaded(()) is None


def test_the_widget_that_is_installed_starts_without_a_file():
    widgets = pytest.importorskip("ipywidgets")
    assert uploaded(widgets.FileUpload(multiple=False).value) is None
