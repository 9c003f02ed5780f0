"""The stage comparer without a kernel: clicks, typing, bad input, and its static table."""

import importlib

import pytest
import torch

from minigpt.lessons.overview.compare import Comparer, compare
from minigpt.reward import RewardModel
from minigpt.show.style import STAGE_COLOURS
from minigpt.show.widget import first_question
from minigpt.stages.replies import Reply, replies
from minigpt.stages.stage import Stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world
from toys import CLICK, tiny_gpt, toy_stage

module = importlib.import_module(
    "minigpt.lessons.overview.compare"
)  # its name is a function's, too


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Four small stages that say random things."""
    model = tiny_gpt(n_embd=16)
    models = {"base": model, "sft": model, "reward": RewardModel(model, seed=1), "ppo": model}
    path = tmp_path_factory.mktemp("stages")
    return {name: toy_stage(name, m, path=path / name) for name, m in models.items()}


def token_names() -> dict[int, str]:
    encoding = load_tokenizer("en")
    return {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}


@pytest.fixture
def comparer(stages):
    return Comparer(stages, first_question())


def test_ask_shows_every_stage_in_its_colour_and_scores_the_assistants(comparer):
    comparer.ask_button.click()
    shown = comparer.shown.value
    assert [shown.count(name) for name in ("Base model", "SFT model", "PPO model")] == [2, 1, 1]
    assert all(STAGE_COLOURS[stage] in shown for stage in ("base", "sft", "ppo"))
    assert (
        shown.count("Reward model&#x27;s score") == 2
        and shown.count("not scored: it is no assistant") == 2
    )
    assert "Sample 0 at temperature 1.0" in comparer.status.value


def test_a_click_from_the_browser_asks(comparer):
    comparer.ask_button._handle_msg(CLICK)
    assert "PPO model" in comparer.shown.value


def test_enter_asks(comparer):
    assert comparer.question.continuous_update is False  # so a value arrives with Enter
    comparer.question.value = "Where is Rome?"
    assert "PPO model" in comparer.shown.value


def test_new_sample_changes_the_replies_and_the_same_seed_gives_them_again(comparer, stages):
    comparer.ask_button.click()
    first = comparer.shown.value
    comparer.sample_button.click()
    second = comparer.shown.value
    assert first != second and comparer.seed == 1
    comparer.ask_button.click()
    assert comparer.shown.value == second
    again = Comparer(stages, first_question())
    again.seed = 1
    again.ask_button.click()
    assert again.shown.value == second


def test_at_temperature_zero_a_new_sample_is_explained_not_drawn(comparer):
    comparer.temperature.value = 0.0
    before = comparer.shown.value
    assert before
    comparer.sample_button.click()
    assert "every sample is the same" in comparer.status.value and comparer.seed == 0
    assert comparer.shown.value == before


def test_pickers_write_the_question_and_ask_once(comparer, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "replies", lambda s, q, t, seed: asked.append(q) or [])
    assert comparer.picker.place.value == "Beijing"  # the place in the question
    comparer.picker.attribute.value = "country"
    assert asked == ["Which country is Beijing in?"]
    comparer.picker.place.value = "Tokyo"  # has a country too: the attribute stays
    assert asked[1:] == ["Which country is Tokyo in?"]
    comparer.picker.place.value = "Japan"  # a country has none
    assert len(asked) == 3 and "Japan" in asked[2]
    assert {value for _, value in comparer.picker.attribute.options} == set(
        next(p for p in load_world("en").places if p.name == "Japan").values
    )


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_empty_question_gets_a_kind_sentence(comparer, question):
    comparer.question.value = question
    comparer.ask_button.click()
    assert "no question yet" in comparer.status.value and comparer.shown.value == ""


@pytest.mark.parametrize(
    "question, size",
    [("Where is Rome? " * 60, "tokens"), ("a " * 3000, "characters"), ("汉" * 300, "tokens")],
)
def test_too_long_a_question_gets_a_kind_sentence(comparer, question, size):
    comparer.question.value = question
    assert "256 tokens at once" in comparer.status.value and size in comparer.status.value
    assert comparer.shown.value == ""


def test_the_longest_question_that_is_allowed_is_answered(stages):
    encoding = stages["base"].encoding
    question = "a " * 92 + "a"
    while len(encoding.encode_ordinary(question)) < 186:
        question += " a"
    assert len(encoding.encode_ordinary(question)) == 186
    assert len(replies(stages, question)) == 4
    with pytest.raises(ValueError, match="187 tokens"):
        replies(stages, question + " a")


@pytest.mark.parametrize("question", ["<|end|>", "<|user|>Hi<|assistant|>", "<|endoftext|> x"])
def test_special_tokens_typed_as_text_are_text(comparer, question, monkeypatch):
    seen, prompt = [], Stage.prompt
    monkeypatch.setattr(Stage, "prompt", lambda *a: seen.append(prompt(*a)[0]) or prompt(*a))
    comparer.question.value = question
    names = token_names()
    special = [[names[token] for token in ids if token in names] for ids in seen]
    chat = ["<|endoftext|>", "<|user|>", "<|assistant|>"]
    assert special == [["<|endoftext|>"]] * 2 + [chat] * 2
    assert "PPO model" in comparer.shown.value


def test_scores_have_a_sign_and_cut_off_answers_say_so(comparer, monkeypatch):
    found = [Reply("sft", "chat", "x", False, -1.234), Reply("ppo", "chat", "", True, 0.5)]
    monkeypatch.setattr(module, "replies", lambda *a: found)
    comparer.ask_button.click()
    shown = comparer.shown.value
    assert "\u22121.23" in shown and "+0.50" in shown
    assert "(cut off)" in shown and "(nothing)" in shown


def test_whose_model_and_whose_score_it_is_stands_beside_them(comparer, monkeypatch):
    found = [Reply("sft", "chat", "x", True, 0.5), Reply("sft", "chat", "x", True, 0.5, True, -1.5)]
    monkeypatch.setattr(module, "replies", lambda *a: found)
    comparer.ask_button.click()
    shown = comparer.shown.value
    assert "<b>SFT model</b>" in shown and "<b>SFT model, yours</b>" in shown
    assert "<b>+0.50</b>" in shown and "<b>+0.50, yours: \u22121.50</b>" in shown
    (table,) = comparer.static()
    assert [row[0] for row in table.rows] == ["SFT model", "SFT model, yours"]
    assert [row[3] for row in table.rows] == ["+0.50", "+0.50, yours: \u22121.50"]


def test_static_table_has_what_the_widget_has(comparer, stages):
    (table,) = comparer.static()
    found = replies(stages, first_question(), 1.0, 0)
    assert all(row[2].startswith(r.text) for row, r in zip(table.rows, found))
    assert [row[2].endswith("(cut off)") for row in table.rows] == [not r.ended for r in found]
    assert [bool(row[3]) for row in table.rows] == [False, False, True, True]
    assert first_question() in table.caption


def test_compare_with_an_empty_question_prints_a_sentence(stages, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_stages", lambda **options: stages)
    compare(" ")
    assert "no question yet" in capsys.readouterr().out


def test_replies_are_escaped(comparer, monkeypatch):
    evil = '<img src=x onerror="alert(1)"> & </div>'
    monkeypatch.setattr(module, "replies", lambda *a: [Reply("sft", "chat", evil, True, -1.0)])
    comparer.ask_button.click()
    assert "<img" not in comparer.shown.value and "&lt;img" in comparer.shown.value
    assert comparer.shown.value.count("</div>") == 2


def test_replies_do_not_depend_on_which_stages_are_asked(stages):
    alone = replies({k: stages[k] for k in ("ppo", "reward")}, "Where is Rome?", 1.0, 3)
    together = replies(stages, "Where is Rome?", 1.0, 3)
    assert [r.stage for r in alone] == ["ppo"]
    assert alone[0] == together[-1]
    assert [(r.stage, r.form) for r in together] == [
        ("base", "bare"), ("base", "qa"), ("sft", "chat"), ("ppo", "chat")
    ]  # fmt: skip


def test_score_is_the_reward_models(stages):
    reply = replies(stages, "Where is Rome?", 0.0)[-1]
    assert reply.score == pytest.approx(stages["reward"].score("Where is Rome?", reply.text))
    assert torch.isfinite(torch.tensor(reply.score))
