"""The stage comparer without a kernel: clicks, typing, presets, bad input, and its cards."""

import importlib

import pytest
import torch

from minigpt.lessons.overview.compare import DRAWS, Comparer, ask_all, compare, presets
from minigpt.reward import RewardModel
from minigpt.show.style import STAGE_COLOURS
from minigpt.show.widget import first_question
from minigpt.stages.replies import Reply, load_stages, replies
from minigpt.stages.stage import Stage
from minigpt.tokenizer import load_tokenizer
from minigpt.world.questions import understood
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


def test_ask_shows_five_draws_of_every_stage_and_scores_the_assistants(comparer):
    comparer.ask_button.click()
    shown = comparer.shown.value
    names = [f"<b>{name}</b>" for name in ("Base model", "SFT model", "PPO model")]
    assert [shown.count(name) for name in names] == [2, 1, 1]
    assert all(STAGE_COLOURS[stage] in shown for stage in ("base", "sft", "ppo"))
    assert shown.count('role="listitem"') == 4 * DRAWS == 20
    assert shown.count('class="mg-score"') == 2 * DRAWS
    assert "Seed 0, temperature 1.0" in comparer.status.value


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
    assert before.count('role="listitem"') == 4  # one each
    comparer.sample_button.click()
    assert "every draw is the same" in comparer.status.value and comparer.seed == 0
    assert comparer.shown.value == before


def test_an_example_is_asked_and_shows_that_it_is_pressed(comparer, monkeypatch):
    asked, hello = [], presets()["hello"]
    monkeypatch.setattr(module, "replies", lambda s, q, t, seed, n: asked.append(q) or [])
    assert comparer.presets.value == first_question()
    comparer.presets.value = hello
    assert asked == [hello] == [comparer.question.value]
    comparer.question.value = "Where is Rome?"
    assert asked[1:] == ["Where is Rome?"] and comparer.presets.value is None
    comparer.question.value = hello
    assert asked[2:] == [hello] == [comparer.presets.value]


def test_the_examples_are_questions_of_four_kinds():
    world = load_stages(("base",), own=False)["base"].world
    kinds = [understood(world, text).kind for text in presets().values()]
    assert kinds == ["fact", "unknown", "chat", "other"]


def test_the_examples_tell_the_shipped_stages_apart():
    """By their draws, seed 0: the notebook's first cells and what it says of them rest on this."""
    shipped = load_stages(own=False)
    asked = [*presets().values(), "What is the population of Zorbania?"]
    found = [ask_all(question, stages=shipped).cards for question in asked]
    right = [[card.share("right") for card in cards] for cards in found]
    known, made_up, hello, poem, sounds = right
    assert known[0] == 0 and known[1] > known[2] and known[3] >= 0.6
    assert made_up[:2] == [0, 0] and made_up[2] < 0.5 < made_up[3]
    assert hello[:2] == poem[:2] == [0, 0]
    assert min(hello[2], poem[2]) >= 0.6 and max(hello[3], poem[3]) <= 0.4
    assert sounds[3] == 0 and found[4][3].share("wrong") >= 0.6


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
    assert special == [["<|endoftext|>"]] * 2 * DRAWS + [chat] * 2 * DRAWS
    assert "PPO model" in comparer.shown.value


def said(*found):
    """Such replies, whatever is asked."""
    return lambda stages, question, temperature, seed, n: [
        reply for reply in found for _ in range(n)
    ]


def test_scores_have_a_sign_and_cut_off_answers_say_so(comparer, monkeypatch):
    found = [Reply("sft", "chat", "x", False, -1.234), Reply("ppo", "chat", "", True, 0.5)]
    monkeypatch.setattr(module, "replies", said(*found))
    comparer.ask_button.click()
    shown = comparer.shown.value
    assert "\u22121.23" in shown and "+0.50" in shown
    assert "(cut off)" in shown and "(nothing)" in shown


def test_whose_model_and_whose_score_it_is_stands_beside_them(comparer, monkeypatch):
    found = [Reply("sft", "chat", "x", True, 0.5), Reply("sft", "chat", "x", True, 0.5, True, -1.5)]
    monkeypatch.setattr(module, "replies", said(*found))
    comparer.ask_button.click()
    shown = comparer.shown.value
    assert "<b>SFT model</b>" in shown and "<b>SFT model, yours</b>" in shown
    assert shown.count("yours \u22121.50") == DRAWS


def test_static_cards_are_what_the_widget_shows(comparer, stages):
    (cards,) = comparer.static()
    comparer.ask_button.click()
    assert comparer.shown.value == cards._repr_html_()
    found = replies(stages, first_question(), 1.0, 0, DRAWS)
    drawn = [draw for card in cards.cards for draw in card.draws]
    assert [d.text.removesuffix(" (cut off)") for d in drawn] == [
        r.text or "(nothing)" for r in found
    ]
    assert [d.text.endswith("(cut off)") for d in drawn] == [not r.ended for r in found]
    assert first_question() in cards.caption


def test_compare_with_an_empty_question_prints_a_sentence(stages, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_stages", lambda **options: stages)
    compare(" ")
    assert "no question yet" in capsys.readouterr().out


def test_replies_are_escaped(comparer, monkeypatch):
    evil = '<img src=x onerror="alert(1)"> & </div>'
    monkeypatch.setattr(module, "replies", said(Reply("sft", "chat", evil, True, -1.0)))
    comparer.ask_button.click()
    assert "<img" not in comparer.shown.value and "&lt;img" in comparer.shown.value


def test_draws_of_a_stage_differ_and_begin_with_the_one_that_is_drawn_alone(stages):
    one, five = (replies(stages, "Where is Rome?", 1.0, 3, n) for n in (1, 5))
    assert [r.form for r in five] == ["bare"] * 5 + ["qa"] * 5 + ["chat"] * 10
    assert all(len({r.text for r in five[i : i + 5]}) > 1 for i in range(0, 20, 5))
    assert [r.text for r in five[::5]] == [r.text for r in one]


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
