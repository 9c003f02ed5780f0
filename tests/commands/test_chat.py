"""The terminal chat: piped questions, kind messages, and options that do not fit."""

import io
import sys

import pytest

from minigpt.commands import chat
from minigpt.stages import replies as core
from minigpt.stages import stage as stages_module
from minigpt.stages.replies import Reply
from minigpt.store.files import Problem


@pytest.fixture
def talk(monkeypatch, capsys):
    """Run the command on piped lines; the replies tell how they were asked for."""

    def said(stages, question, temperature, seed):
        if "long" in question:
            raise ValueError("This question has too many tokens.")
        return [Reply("sft", "chat", f"{question}|{temperature}|{seed}", True, 1.0)]

    monkeypatch.setattr(chat, "load", lambda options: {})
    monkeypatch.setattr(core, "replies", said)

    def run(text, *argv):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert chat.main(list(argv)) == 0
        return capsys.readouterr().out

    return run


def test_each_line_is_a_question_and_has_its_own_seed(talk):
    out = talk("Where is Rome?\n\n  hi \n", "--temperature", "0.5", "--seed", "7")
    assert "sft: Where is Rome?|0.5|7  [score +1.00]" in out
    assert "sft: hi|0.5|8" in out


def test_exit_ends_and_a_bad_question_does_not(talk):
    out = talk("too long\nfirst\nEXIT\nsecond\n")
    assert "too many tokens" in out and "first" in out and "second" not in out


def test_long_and_cut_off_replies_are_readable():
    text = chat.show_reply(Reply("base", "bare", "word " * 60 + "\nlast", False))
    assert text.startswith("base (bare question):\n    word")
    assert text.endswith("    last … (cut off)")
    assert max(map(len, text.split("\n"))) <= chat.WIDTH
    assert chat.show_reply(Reply("sft", "chat", "")) == "sft: (nothing)"


def test_a_snapshot_is_asked_as_a_base_model_is():
    name = stages_module.snapshots()[1]
    stages = {name: stages_module.load_stage(name, own=False, quiet=True)}
    found = core.replies(stages, "Where is Rome?", temperature=0.0)
    assert [(reply.stage, reply.form) for reply in found] == [(name, "bare"), (name, "qa")]
    assert chat.show_reply(found[0]).startswith(f"{name} (bare question):")


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--stage", "reward"], "cannot write"),
        (["--temperature", "-1"], "--temperature"),
        (["--temperature", "nan"], "--temperature"),
        (["--seed", "-3"], "--seed"),
        (["--seed", "1" + "0" * 23], "--seed is 10*: give 0 or more, at most 10"),
        (["--size", "huge"], "no size 'huge'. Choose one of: tiny, mini, small, medium, gpt2"),
        (["--size", "huge", "--own"], "no size 'huge'"),
        (["--lang", "xx"], "no world in the language 'xx': choose 'en'"),
        (["--lang", "zh", "--own"], "no base model in .*train --lang zh` makes them"),
    ],
)
def test_what_cannot_be_is_said(argv, message):
    with pytest.raises(Problem, match=message):
        chat.load(chat.parse(argv))


def test_models_of_a_size_are_your_own(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    with pytest.raises(Problem, match="train --size mini` makes them"):
        chat.main(["--size", "mini"])


def test_missing_models_are_a_problem_not_a_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path))
    monkeypatch.setattr(stages_module, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(Problem, match="there is no stage 'base'"):
        chat.main([])
