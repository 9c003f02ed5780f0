"""What a notebook is for: its ideas stand in it as code, as pictures, and in few words.

The ideas of 01 to 03 are those that a course on language models teaches there. An idea that the
learner writes down counts if the lesson then runs with the learner's function.
"""

import re

import pytest

from editions import printed
from minigpt.classroom.notebook import is_exercise, read_notebook, sources
from minigpt.store.files import ROOT

SOURCES = {path.stem: path for path in sources("en")}
MOST_WORDS = {"00_overview": 1500}  # that a reader of the edition sees; of the others:
WORDS, CELLS = 2500, 30
TASK = re.compile(r"^(#+ |\*\*)Your turn", re.M)  # the text of an exercise

# notebook: {idea: (cell, code that stands in it, where the learner writes it: the function)}
IDEAS = {
    "01_tokenization": {
        "text is bytes": ("round-trip", 'character.encode("utf-8")', ""),
        "first it is split by a pattern": ("split-pattern", "split_text(", ""),
        "pairs are counted": ("count-pairs", "zip(tokens, tokens[1:])", "count_pairs"),
        "a pair becomes a token": ("merge", "tokens[i] + tokens[i + 1]", "merge"),
        "training repeats both": ("train", "merges.append(pair)", ""),
        "encoding repeats the merges by rank": ("encode-solution", "min(known)", "encode"),
        "decoding joins bytes before it reads them": ("decode", 'b"".join(', "decode"),
        "special tokens are not what is typed": ("decode-and-special", "tokenizer.special(", ""),
        "a vocabulary costs parameters": ("sizes-table", "2 * encoding.n_vocab * config", ""),
        "bits per byte": ("sizes-table", "loss / math.log(2) * len(ids) / len(part.encode())", ""),
    },
    "02_pretraining": {
        "documents become windows": ("windows", "start : start + block_size + 1", "windows"),
        "targets are inputs shifted by one": ("loop", "batch[:, :-1], batch[:, 1:]", ""),
        "cross-entropy": ("next-token-loss", "logsumexp(logits, -1) - true", "next_token_loss"),
        "a table of counts": ("bigram", "counts / counts.sum(1", ""),
        "embedding, blocks, head": ("network", "for block in network.blocks:", ""),
        "a block adds to what it gets": ("network", "Block.forward", ""),
        "queries, keys and the causal mask": (
            "attention", "scores.masked_fill(future, -torch.inf)", "attention_weights"),
        "gradient and step": ("loop", "loss.backward()\n        optimizer.step()", ""),
        "the learning rate shrinks": ("loop", "lr_factor(step, steps)", ""),
        "draw, append, ask again": ("write", "ids.append(torch.multinomial(p", ""),
        "temperature": ("write", "(logits / temperature).softmax(-1)", ""),
        "perplexity and bits per byte": ("curve", "math.exp(loss)", ""),
        "6 N D": ("cost", "6 * n * d", ""),
    },
    "03_prompting": {
        "a prompt is continued": ("page", "document_completions(base.model", ""),
        "a document with a gap, and shots": ("qa-prompt", 'form.format(q=question.text, a="")',
                                             "qa_prompt"),
        "many facts, and an interval": ("headline", "share(asked, hits)", ""),
        "a space is a token": ("space", 'encoding.encode_ordinary(" ")', ""),
        "one change at a time": ("fragile", "prompt_score(base, asked, map(way, asked))", ""),
        "top-k": ("top-k", "probs.topk(", "keep_top_k"),
        "top-p": ("top-p", "values.cumsum(-1) - values", "keep_top_p"),
        "the loop with both": ("loop", "p = top_p_of(p / p.sum(), top_p)", ""),
    },
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
PICTURES = {  # notebook: the drawings in its edition, as their alternative texts begin
    "00_overview": ["The four stages of training."],
    "01_tokenization": ["How merges build a word."],
    "02_pretraining": ["The window, shifted by one.", "The loss of a guess.",
                       "Draw, append, ask again.", "Attention looks back."],
    "03_prompting": ["A prompt is a place in a document.", "Draw, append, ask again."],
    "04_sft": ["The mask over a chat."],
    "05_reward_model": ["Two answers, two scores, one probability."],
    "06_ppo": ["One round of PPO: four models", "The clip."],
    "07_arena": ["From votes to ratings."],
}  # fmt: skip


def source(stem: str) -> dict[str, dict]:
    return {cell["id"]: cell for cell in read_notebook(SOURCES[stem])["cells"]}


def edition(stem: str) -> list[dict]:
    return read_notebook(ROOT / "notebooks" / "en" / f"{stem}.ipynb")["cells"]


@pytest.mark.parametrize("stem", IDEAS)
def test_its_ideas_stand_in_it_as_code(stem):
    cells, order = source(stem), [*source(stem)]
    assert len(IDEAS[stem]) >= {"01": 10, "02": 13, "03": 8}.get(stem[:2], 14)
    for idea, (name, code, function) in IDEAS[stem].items():
        assert cells[name]["cell_type"] == "code" and code in cells[name]["source"], idea
        assert is_exercise(cells[name]) == bool(function), idea
        if function:
            assert f"def {function}(" in cells[name]["source"], idea
            later = [cells[n]["source"] for n in order[order.index(name) + 1 :]]
            assert any("yours(" in cell and f'"{function}"' in cell for cell in later), idea


@pytest.mark.parametrize("stem", SOURCES)
def test_what_the_learner_writes_is_what_the_lesson_runs(stem):
    """An exercise that nothing uses would be cut."""
    cells = source(stem).values()
    lesson = [c["source"] for c in cells if not is_exercise(c)]
    solved = [c["source"] for c in cells if "### BEGIN SOLUTION" in c["source"]]
    written = [re.search(r"^def (\w+)\(", text, re.M) for text in solved]
    used = "\n".join(text for text in lesson if "yours(" in text)
    assert solved and [f[1] for f in written if f and f'"{f[1]}"' not in used] == []


@pytest.mark.parametrize("stem", PICTURES)
def test_its_pictures_of_ideas_are_drawn(stem):
    shown = [
        output["data"] for cell in edition(stem) for output in cell.get("outputs", [])
        if "image/svg+xml;base64" in "".join(output.get("data", {}).get("text/html", ""))
    ]  # fmt: skip
    told = ["".join(data["text/plain"]) for data in shown]
    missing = [title for title in PICTURES[stem] if not any(t.startswith(title) for t in told)]
    assert missing == [], told


@pytest.mark.parametrize("stem", SOURCES)
def test_what_a_prediction_uncovers_is_told_in_sixty_words(stem):
    """By the cell that asks: a figure's sentence, options and the outcome are not counted."""
    seen = 0
    for cell in edition(stem):
        if cell["cell_type"] == "code" and 'predict("' in cell["source"]:
            text = printed(cell["outputs"]).split("Your prediction: ", 1)[1]
            lines = r"^choose .*$|^  \([a-h]\) .*$|^It was .*$|^\w+: the package's, until .*$"
            told = " ".join(re.sub(lines, "", text, flags=re.M).split())
            for output in cell["outputs"]:
                alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
                told = told.replace(" ".join(alt.split()), "")
            assert (10 if stem == "07_arena" else 5) < len(told.split()) <= 60, cell["id"]
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("stem", SOURCES)
def test_hints_are_folded_twice_and_one_open_task_carries_no_points(stem):
    cells = [*source(stem).values()]
    written = [c for c in cells if re.search(r"^def .*### BEGIN", c["source"], re.M | re.S)]
    text = {i: c["source"] for i, c in enumerate(cells) if c["cell_type"] == "markdown"}
    folds = [t.count("<details>") for t in text.values() if TASK.search(t)]
    assert written and folds.count(2) == len(written)
    (place,) = [i for i, t in text.items() if re.search("^## Open task", t, re.M)]
    assert not any(map(is_exercise, cells[place:]))


@pytest.mark.parametrize("stem", SOURCES)
def test_few_words_and_few_cells(stem):
    """Markdown and what is printed: not tables, nor options, which are buttons' labels."""
    cells = [cell for cell in edition(stem) if not is_exercise(cell)]
    said = [printed(cell["outputs"]) for cell in cells if cell.get("outputs")]
    text = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"] + [
        text
        for text in said
        if "def forward(" not in text  # code, and read as such
    ]
    text = "\n".join(text)
    label = r"\]\([^)]*\)|^\|.*$|^Your prediction: choose .*$|^  \([a-h]\) .*$"
    words = re.sub(label, "", text, flags=re.M).split()
    assert 1000 < len(words) <= MOST_WORDS.get(stem, WORDS)
    tasks = [c for c in cells if c["id"].startswith("open-") or TASK.search(c["source"])]
    assert len(cells) - len(tasks) <= CELLS
