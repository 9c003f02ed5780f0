"""The catalogues hold what the code says, in every language, with the same gaps to fill."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigpt.maintain import words as command
from minigpt.store import words
from minigpt.store.files import Problem


def gaps(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("path", sorted(words.CATALOGUES.glob("*.po")), ids=lambda p: p.stem)
def test_every_string_of_the_code_stands_in_the_catalogue_and_no_other(path):
    kept, said = words.read_catalogue(path), command.strings()
    assert list(kept) == list(said)
    for text, translation in kept.items():
        if path.stem != "en":
            assert translation, f"{path.name} lacks {text!r}"
        if translation:
            assert gaps(translation) == gaps(text), text


def test_a_new_string_makes_a_catalogue_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "CATALOGUES", tmp_path)
    (tmp_path / "en.po").write_bytes(command.catalogue("en", {"Ask": "minigpt/a.py"}, {}))
    monkeypatch.setattr(command, "strings", lambda: {"Ask": "minigpt/a.py"})
    assert command.main(["--check"]) == 0
    monkeypatch.setattr(command, "strings", lambda: {"Ask": "minigpt/a.py", "Go": "minigpt/b.py"})
    with pytest.raises(Problem, match="words"):
        command.main(["--check"])
    assert command.main([]) == 0 and command.main(["--check"]) == 0
    assert words.read_catalogue(tmp_path / "en.po") == {"Ask": "", "Go": ""}


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("words") / "xx.po"
    path.write_bytes(command.catalogue("xx", dict.fromkeys(kept, "minigpt/a.py"), kept))
    assert words.read_catalogue(path) == kept


def test_a_catalogue_of_other_hands_is_read(tmp_path):
    """With the comments, empty lines and folded strings that editors of catalogues write."""
    path = tmp_path / "xx.po"
    path.write_text(
        '# a comment\nmsgid ""\nmsgstr ""\n"Language: xx\\n"\n\n#: a.py:3\n#, python-format\n'
        'msgid ""\n"Ask "\n"again\\n"\nmsgstr "Noch"\n" einmal\\n"\n\nmsgid "Go"\nmsgstr ""\n',
        encoding="utf-8",
    )
    assert words.read_catalogue(path) == {"Ask again\n": "Noch einmal\n", "Go": ""}


def test_the_words_of_the_page_are_its_texts_its_labels_and_its_table():
    html = (
        '<html lang="en"><title>A page</title><script type="x" id="words">\n{"a": "One {n}", '
        '"b": {"c": ["say \\"two\\"", "3"]}}\n</script><p class="x">Some\n text</p><b>1.0</b>'
        '<ul aria-label="Parts"><a href="?lang=zh" lang="zh">ZH</a></ul><pre>code</pre></html>'
    )
    assert words.page_words(html) == ["A page", "One {n}", 'say "two"', "3", "Some\n text", "Parts"]


def test_underscore_takes_one_plain_string(tmp_path):
    (tmp_path / "a.py").write_text('_("on" "e")\n', encoding="utf-8")
    assert list(command.strings(tmp_path)) == ["one"]
    (tmp_path / "b.py").write_text('_(f"one {x}")\n', encoding="utf-8")
    with pytest.raises(ValueError, match="b.py:1"):
        command.strings(tmp_path)


def test_the_language_in_use_is_spoken(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    monkeypatch.setattr(words, "_in_use", {"lang": "en", "words": {}})
    assert words._("Ask") == "Ask" and words.language() == "en"
    for lang in ("en", "xx"):
        made = command.catalogue(
            lang, {"Ask": "", "Go": ""}, {"Ask": "Frag"} if lang == "xx" else {}
        )
        (tmp_path / f"{lang}.po").write_bytes(made)
    words.use_language("xx")
    assert (words._("Ask"), words._("Go"), words.language()) == ("Frag", "Go", "xx")
    assert words._("Go {where:.1f}", where=2) == "Go 2.0"
    with pytest.raises(ValueError, match="choose one of en, xx"):
        words.use_language("yy")
    words.use_language("en")
    assert words._("Ask") == "Ask"


@pytest.mark.parametrize("said, lang", [
    ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"), ({"LANG": "zh_TW"}, "zh"),
    ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "de_DE"}, "zh"), ({"LANG": "de_DE"}, "en"),
    ({"LANG": "C.UTF-8"}, "en"), ({}, "zh"), ({"LANG": "../.."}, "en"),
])  # fmt: skip
def test_the_language_of_the_computer_is_taken_where_the_course_has_it(
    said, lang, tmp_path, monkeypatch
):
    for known in ("en", "zh"):
        (tmp_path / f"{known}.po").touch()
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    monkeypatch.setattr(words.locale, "getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert words.system_language() == lang
