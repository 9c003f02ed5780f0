"""Whether an answer to an exercise is the learner's own, tried with shortcuts of students."""

import random
import sys
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest
import torch

import minigpt.classroom.grading.your_own as watch
from minigpt import ppo, tokenizer
from minigpt.classroom.grading.your_own import trial_random, your_own
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
    return merge_pair(tokens, pair)


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

    def endless(n):
        return endless(n + 1)

    with pytest.raises(RecursionError):
        your_own(endless)(0)
    assert sys.getprofile() is None


def test_switching_off_the_watch_is_noticed():
    def sly(tokens, pair):
        sys.setprofile(None)
        return by_name(tokens, pair)

    with pytest.raises(AssertionError, match="switched off the watch"):
        your_own(sly)(["a", "b"], PAIR)


# ---- checks that are run again, functions that call each other ---------------------------------


def test_watching_twice_is_watching_once():
    twice = your_own(your_own(honest))
    assert twice(["a", "b"], PAIR) == ["ab"]
    assert twice.__wrapped__ is honest
    with pytest.raises(AssertionError, match="merge_pair"):
        your_own(your_own(by_name))(["a", "b"], PAIR)
    names = {"f": lambda: 1}
    for expected in (1, 2):  # a check, a new answer, and the check again
        names["f"] = your_own(names["f"])
        assert names["f"]() == expected
        names["f"] = lambda: 2


def test_what_is_allowed_is_said_anew():
    assert your_own(your_own(by_name), allowed=("merge_pair",))(["a", "b"], PAIR) == ["ab"]
    with pytest.raises(AssertionError, match="merge_pair"):
        your_own(your_own(by_name, allowed=("merge_pair",)))(["a", "b"], PAIR)


def test_a_function_may_call_itself_and_earlier_answers_by_their_watched_names():
    names = {"your_own": your_own, "joined": your_own(honest)}
    exec(
        "def double(n):\n    return n and 2 + double(n - 1)\n\n"
        "def joined_twice(tokens):\n    return joined(joined(tokens, ('a', 'b')), ('ab', 'c'))\n\n"
        "double, joined_twice = your_own(double), your_own(joined_twice)",
        names,
    )
    assert names["double"](5) == 10
    assert names["joined_twice"](["a", "b", "c"]) == ["abc"]
    assert sys.getprofile() is None


def test_a_shortcut_behind_a_watched_function_is_refused():
    inner = your_own(by_name, allowed=("merge_pair",))  # the outer one has no such leave
    with pytest.raises(AssertionError, match=r"<lambda> lets minigpt's merge_pair\(\)"):
        your_own(lambda: inner(["a", "b"], PAIR))()


# ---- what is given back ------------------------------------------------------------------------


class Yes:
    """Equals everything, and is close to it."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0


class YesInt(int):
    def __eq__(self, other):
        return True


class YesList(list):
    def __eq__(self, other):
        return True


class YesTensor(torch.Tensor):
    pass


Yes.__module__ = "numpy"  # says so, and is not
ring: list = [1]
ring.append(ring)
sly = torch.ones(1)
sly.item = lambda: 7


@pytest.mark.parametrize(
    "plain",
    [None, True, 1, 1.5, 2j, "a", b"a", range(3), [], (1, [2.5, {"a"}]), {("a", "b"): [1]},
     frozenset({1}), Counter("aab"), defaultdict(int, a=1), OrderedDict(a=1), ring,
     torch.ones(2), [torch.ones(()), torch.ones(1, requires_grad=True) * 2], np.ones((2, 2)),
     np.float32(1), np.int64(1), np.bool_(True), np.str_("a"), np.array(["a", None], object)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_plain_values_pass_as_they_are(plain):
    assert your_own(lambda: plain)() is plain


@pytest.mark.parametrize(
    "strange",
    [Yes(), YesInt(1), YesList(), YesTensor([1.0]), sly, [1, Yes()], ((Yes(),),), {1: [Yes()]},
     {Yes(): 1}, {Yes()}, Counter({Yes(): 1}), np.array([Yes()], object), Yes, len, {}.keys()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_object_that_may_claim_anything_is_refused(strange):
    with pytest.raises(AssertionError, match="^<lambda> gives back something of type .*: give back"
                       " plain numbers, texts, lists or tensors"):  # fmt: skip
        your_own(lambda: strange)()


@pytest.mark.parametrize("lazy", [(i for i in [1]), map(abs, [1]), zip([1]), [reversed([1])]])
def test_what_would_be_computed_outside_the_watch_is_asked_for_as_a_list(lazy):
    with pytest.raises(AssertionError, match=r"of type \w+: put list\(...\) around it"):
        your_own(lambda: lazy)()


# ---- random inputs -----------------------------------------------------------------------------


def test_random_inputs_are_new_ones_or_those_of_the_seed(monkeypatch):
    def draw():
        return trial_random().random()

    monkeypatch.delenv("MINIGPT_SECRET", raising=False)
    random.seed(0)
    first = draw()
    random.seed(0)  # the seed of a learner's own draws changes nothing
    assert draw() != first
    monkeypatch.setenv("MINIGPT_SECRET", "")
    assert draw() != draw()
    monkeypatch.setenv("MINIGPT_SECRET", "17")
    first = draw()
    assert draw() == first == random.Random("17").random()
    monkeypatch.setenv("MINIGPT_SECRET", "18")
    assert draw() != first


# ---- what has passed, in the lesson's loops ------------------------------------------------------


def test_a_loop_takes_the_function_whose_check_has_passed(monkeypatch, capsys):
    monkeypatch.setattr(watch, "_PASSED", {})
    assert watch.yours("honest", merge_pair) is merge_pair
    watch.check_passed(your_own(honest))
    mine = watch.yours("honest", merge_pair)
    assert mine(["a", "b"], PAIR) == ["ab"] and mine.__wrapped__ is honest
    said = capsys.readouterr().out.split("\n")
    assert said[0] == "honest: the package's, until your check has passed"
    assert said[1:3] == ["All checks pass.", "honest: yours"]


def test_a_loop_names_the_function_that_fails_in_it(monkeypatch):
    monkeypatch.setattr(watch, "_PASSED", {})

    def half(x):
        return x / 0

    watch.check_passed(half)
    with pytest.raises(watch.Stopped, match="Your half stopped this: ZeroDivisionError") as caught:
        watch.yours("half", abs)(1)
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_loop_takes_the_mended_function_though_it_was_given_the_one_that_failed(monkeypatch):
    monkeypatch.setattr(watch, "_PASSED", {})

    def half(x):
        return x / 0

    watch.check_passed(half)
    called = watch.yours("half", abs)
    with pytest.raises(watch.Stopped):
        called(1)

    def half(x):
        return x / 2

    watch.check_passed(half)
    assert called(1) == 0.5
