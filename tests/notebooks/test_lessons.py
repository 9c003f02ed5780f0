"""What holds for the lessons with loops: exercises that drop in, predictions, explanations."""

import ast
import inspect
import re

import pytest

import minigpt.arena
import minigpt.ppo
import minigpt.reward
import minigpt.sft
import minigpt.world
from editions import edition_outputs, explanations
from minigpt.classroom.notebook import is_exercise, read_notebook, sources

PACKAGE = {  # by lesson: whose functions it takes where a check has not passed
    "04_sft": (minigpt.sft,), "05_reward_model": (minigpt.reward, minigpt.world),
    "06_ppo": (minigpt.ppo,), "07_arena": (minigpt.arena,),
}  # fmt: skip
# lesson: {idea: (cell, code that stands in it, where the learner writes it: the function)}
IDEAS = {
    "04_sft": {
        "a chat is a document with marks": ("chat-pair", 'special("<|assistant|>")', "chat_pair"),
        "what is typed makes no mark": ("chat-pair", "encoding.encode_ordinary", "chat_pair"),
        "the answer alone counts": ("loss-mask", "[True] * len(answer)", "loss_mask"),
        "the loss is pretraining's": ("sft-loss", "log_softmax(-1)[counted]", "sft_loss"),
        "gradient and step": ("loop", "loss.backward()", ""),
        "documents are read on": ("loop", "replay * next_token_loss(", ""),
        "before and after": ("before", "mine.answer(tried), sft.answer(tried)", ""),
        "imitation or noise": ("noise", '"model, drawn": chat_score(sft, facts, 1.0)', ""),
        "few-shot, packed in": ("shots", '"base, three shots": asked_as_document(3)', ""),
        "teachers who know more": ("teachers", '"honest contractors": honest', ""),
        "what the mask leaves untrained": ("costs", "mask=every_token", ""),
        "what is forgotten": ("forgot", "replay=0.0", ""),
        "five of one's own": ("own", "my_sft(pupil, five * EPOCHS", ""),
        "the model is kept": ("keep", 'keep(model, "sft", parent=start)', ""),
    },
    "05_reward_model": {
        "two looks at a pair": ("own", "labeler.decided()", ""),
        "a choice is a loss": ("bt-loss", "logsigmoid(better - worse)", "bradley_terry"),
        "a ranking is pairs": ("pairs", "felt[i] - felt[j] >= margin", "ranked_pairs"),
        "one number, at the last token": ("head", "numbers[torch.arange(4), last]", ""),
        "gradient and step": ("loop", "loss = loss_of(rewards[better], rewards[worse])", ""),
        "rewards have no scale": ("train", "normalise(model, reference)", ""),
        "accuracy against a ceiling": ("exam", "ceiling = np.mean(exam.agreed)", ""),
        "where a judge is fooled": ("fooled", "weak_spots(named, known)", ""),
        "a judge of one's own labels": ("fooled", "my_reward(own, own_rows", ""),
        "best of n": ("best-pool", "pool.scores[i, :n].argmax()", ""),
        "over all draws": ("best", "math.comb(rank, n - 1)", "expected_best"),
        "a judge with a tool and one without": ("best-pool", "sees_surprisal=False", ""),
        "proxy and gold": ("search", "best_of_n_curve(p, best)", ""),
        "rejection sampling": ("reject", "whole[scores.argmax()]", ""),
        "the model is kept": ("keep", 'keep(model, "reward")', ""),
    },
    "06_ppo": {
        "four models": ("four", "one_answer(shipped, sft, reward, prompts)", ""),
        "REINFORCE": ("reinforce", "ppo.reinforce_loss(logp, reward - baseline(reward)", ""),
        "a baseline": ("reinforce", "reinforce(second, torch.mean)", ""),
        "the price of leaving": ("kl-rewards", "-kl_coef * (logp - ref_logp)", "kl_rewards"),
        "the clip": ("clipped-loss", "torch.maximum(plain, held)", "clipped_loss"),
        "advantages": ("gae-exercise", "rewards[:, t] + gamma * next_value", "gae"),
        "gradients and steps": ("loop", "optimizer.step(), value_optimizer.step()", ""),
        "instruments": ("instruments", "flight_instruments(watched.history.steps", ""),
        "beside cheaper ways": ("beside", '"SFT, temperature 0.5": (sft.model, 0.5)', ""),
        "a part taken out": ("parts", '["all but the gain"].gain.requires_grad_(False)', ""),
        "where to stop": ("cockpit", "cockpit()", ""),
        "with a price and without": ("cockpit", '"ppo_priced": "with a price', ""),
        "in whose image": ("taste", 'load_results("controls")', ""),
        "one's own labels": ("own", "reward_from_labels(labels, start", ""),
        "bugs that raise no error": ("museum", "museum(MUSEUM)", ""),
        "the model is kept": ("keep", 'keep(policy, "ppo", judge=judge)', ""),
    },
}  # fmt: skip
CELLS = {path.stem: read_notebook(path)["cells"] for path in sources("en")}


def tree(cell: dict) -> ast.Module:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    return compile(cell["source"], cell["id"], "exec", flags=flags)


@pytest.mark.parametrize("stem", IDEAS)
def test_its_ideas_stand_in_it_as_code(stem):
    cells = {cell["id"]: cell for cell in CELLS[stem]}
    for idea, (name, code, function) in IDEAS[stem].items():
        assert cells[name]["cell_type"] == "code" and code in cells[name]["source"], idea
        assert is_exercise(cells[name]) == bool(function), idea
        assert not function or f"def {function}(" in cells[name]["source"], idea


@pytest.mark.parametrize("stem", PACKAGE)
def test_the_lesson_takes_each_exercise_which_has_the_packages_signature(stem):
    code = [cell for cell in CELLS[stem] if cell["cell_type"] == "code"]
    lesson = "\n".join(cell["source"] for cell in code if not is_exercise(cell))
    taken = set(re.findall(r'yours\(\s*"(\w+)"', lesson))
    if many := re.search(r"yours\(name, .* for name in \((.*?)\)", lesson):
        taken |= set(re.findall(r'"(\w+)"', many[1]))
    answers = [cell for cell in code if cell["metadata"].get("nbgrader", {}).get("solution")]
    bodies = [node for cell in answers for node in tree(cell).body]
    written = [node for node in bodies if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in written} == taken
    for node in written:
        (theirs,) = (getattr(m, node.name) for m in PACKAGE[stem] if hasattr(m, node.name))
        theirs, mine = [*inspect.signature(theirs).parameters.values()], node.args.args
        assert [a.arg for a in mine] == [p.name for p in theirs[: len(mine)]], node.name
        assert all(p.default is not p.empty for p in theirs[len(mine) :]), node.name


@pytest.mark.parametrize("stem", CELLS)
def test_each_prediction_has_its_buttons_and_its_answer(stem):
    """Before the next text comes."""
    keys, asked = [], False
    for cell in CELLS[stem]:
        if cell["cell_type"] == "markdown":
            assert not asked, f"nothing to press before {cell['id']}"
            asked = "**Predict first" in cell["source"]
            continue
        calls = [node for node in ast.walk(tree(cell)) if isinstance(node, ast.Call)]
        calls = [node for node in calls if getattr(node.func, "id", "") == "predict"]
        for call in calls:
            key, _options, answer = call.args
            keys.append(key.value)
            assert isinstance(answer, (ast.Name, ast.Lambda)), cell["id"]
        asked = asked and not calls
    assert not asked and len({*keys}) == len(keys) > 0
    assert all(key.startswith(f"{stem[:2]}-") for key in keys)


@pytest.mark.parametrize("stem", PACKAGE)
def test_an_explanation_has_sixty_words_at_most(stem):
    cells = {cell["id"]: cell["source"] for cell in CELLS[stem]}
    found = explanations(edition_outputs(stem, cells))
    assert len(found) == sum("predict(" in source for source in cells.values())
    assert not {name: text for name, text in found.items() if not 5 < len(text.split()) <= 60}
