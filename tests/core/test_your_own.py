"""Whether an answer to an exercise is the learner's own, tried with shortcuts of students."""

import sys

import pytest
import torch

import minigpt.core.your_own as watch
from minigpt import ppo, tokenizer
from minigpt.core.your_own import your_own
from minigpt.tokenizer import merge_pair

PAIR = ("a", "b")


def honest(tokens, pair):
    out = []
    for token in tokens:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return out


def test_own_work_passes_and_gives_what_it_gives():
    assert your_own(honest)(["a", "b", "c"], PAIR) == ["ab", "c"]
    assert your_own(lambda x, *, y=1: x + y)(2, y=3) == 5
    assert torch.equal(your_own(torch.relu)(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
    assert sys.getprofile() is None


def by_name(tokens, pair):
    tokens = list(tokens)
    merge_pair(tokens, pair)
    return tokens


def by_module(tokens, pair):
    tokenizer.merge_pair(tokens, pair)


def by_import(tokens, pair):
    __import__("importlib").import_module("minigpt.tokenizer").merge_pair(tokens, pair)


def by_string(tokens, pair):
    exec("from minigpt.tokenizer import merge_pair as m; m(tokens, pair)")


def by_detour(tokens, pair, helper=merge_pair):
    return list(map(lambda _: helper(tokens, pair), [1]))


def renamed(tokens, pair, mine={"merge": merge_pair}):  # noqa: B006
    return mine["merge"](tokens, pair)


@pytest.mark.parametrize(
    "shortcut", [by_name, by_module, by_import, by_string, by_detour, renamed, merge_pair]
)
def test_a_shortcut_is_refused_with_a_kind_word(shortcut):
    with pytest.raises(AssertionError, match=r"minigpt's merge_pair\(\) do the work.*your turn"):
        your_own(shortcut)(["a", "b"], PAIR)
    assert sys.getprofile() is None


def test_an_import_alone_is_no_shortcut(monkeypatch, tmp_path):
    text = "def f():\n    return 1\n\nclass C:\n    one = f()\n"
    (tmp_path / "of_the_package.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(watch, "PACKAGE", tmp_path.as_posix() + "/")
    monkeypatch.syspath_prepend(str(tmp_path))

    def curious(call):
        import of_the_package

        return of_the_package.f() if call else of_the_package.C.one

    assert your_own(curious)(call=False) == 1
    with pytest.raises(AssertionError, match=r"minigpt's f\(\)"):
        your_own(curious)(call=True)


def test_what_is_allowed_may_be_called():
    assert your_own(by_name, allowed=("merge_pair",))(["a", "b"], PAIR) == ["ab"]
    with pytest.raises(AssertionError, match="masked_mean"):
        your_own(ppo.whiten, allowed=("whiten",))(torch.ones(1, 3), torch.ones(1, 3))


def test_an_error_of_the_learners_own_stays_what_it_is():
    with pytest.raises(ZeroDivisionError):
        your_own(lambda: 1 / 0)()


def test_switching_off_the_watch_is_noticed():
    def sly(tokens, pair):
        sys.setprofile(None)
        return by_name(tokens, pair)

    with pytest.raises(AssertionError, match="switched off the watch"):
        your_own(sly)(["a", "b"], PAIR)
