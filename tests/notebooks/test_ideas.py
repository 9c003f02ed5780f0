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
    assert len(IDEAS[stem]) >= {"01": 10, "02": 13, "03": 8}[stem[:2]]
    for idea, (name, code, function) in IDEAS[stem].items():
        assert cells[name]["cell_type"] == "code" and code in cells[name]["source"], idea
        assert is_exercise(cells[name]) == bool(function), idea
        later = [cells[n]["source"] for n in order[order.index(name) :] if n not in (name,)]
        assert not function or any(f'yours("{function}", ' in cell for cell in later), idea


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


@pytest.mark.parametrize("stem", ["00_overview", *IDEAS])
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
            assert len(told.split()) <= 60, cell["id"]
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
