"""Keeping what the learner trained: `keep(model, "base")`; the next notebook starts from it.

It is written where `python3 -m minigpt train` writes and `load_stage` looks. What is there is put
aside, never overwritten, and `go_back` takes it again, or the course's.
"""

import copy
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from minigpt.model import GPT
from minigpt.reward import RewardModel
from minigpt.stages.exam import known_questions, right_over
from minigpt.stages.own import PARENTS, back_line, hash_of, own_checkpoints, tell_stale
from minigpt.stages.scoring import chat_score, qa_score
from minigpt.stages.stage import Stage, load_stage, read_stage
from minigpt.store import checkpoint
from minigpt.store.checkpoint import file_hash
from minigpt.store.files import NotWritten
from minigpt.store.kept import alone
from minigpt.store.words import _, language
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import load_world

HEAD_FACTS, ENOUGH = 30, 0.6  # how many a base model is asked, and the share that it must know


def keep(
    model: GPT | RewardModel, name: str, parent: Stage | None = None, judge: Stage | None = None,
    tokens: int | None = None, seed: int | None = None, **known,
) -> Stage:  # fmt: skip
    """Write the learner's model as their "base", "sft", "reward" or "ppo", print a line, and
    return the stage as the next notebook will load it.

    parent: what training started from; a model that `load_stage` or `keep` gave, or a copy of it,
    knows by itself. judge: the reward model that PPO practised against. tokens: how many were
    trained on. known: more that the checkpoint is to say, such as place_reads or labeler (JSON).
    Raises ValueError if the model is none of that name, is not finite, or its parent is not known.
    Where the disk refuses, a sentence says so, and the stage is in memory alone.
    """
    if name not in PARENTS:
        raise ValueError(f"there is no stage {name!r}: keep one of {', '.join(PARENTS)}")
    lang, gpt = language(), getattr(model, "gpt", model)
    reward, encoding = gpt is not model, load_tokenizer(lang)
    if reward != (name == "reward"):
        what = "a reward model" if reward else "a language model"
        raise ValueError(f"this is {what}, which cannot be kept as {name!r}")
    if gpt.config.vocab_size != encoding.n_vocab:
        raise ValueError(f"this model has {gpt.config.vocab_size} tokens and the course's have "
                         f"{encoding.n_vocab}: it cannot stand in their place")  # fmt: skip
    path, kind = own_checkpoints(lang) / f"{name}.safetensors", checkpoint.LANGUAGE_MODEL
    meta = {"stage": name, "kind": kind, "lang": lang, "minigpt": checkpoint.VERSION,
            "config": asdict(gpt.config), **lineage(name, gpt, parent), **known}  # fmt: skip
    if judge and (came := origin_of(judge.model)):
        meta |= {"reward": came["hash"], "reward_file": f"{came['stage']}.safetensors"}
    if reward:
        meta |= {"kind": checkpoint.REWARD, "sees_surprisal": model.sees_surprisal}
        check_same(gpt, checkpoint.find_parent(path, meta))
    meta |= {key: n for key, n in {"tokens": tokens, "seed": seed}.items() if n is not None}
    state, old, said = model.trained() if reward else model.state_dict(), hash_of(path), []
    try:
        checkpoint.save_checkpoint(path, state, meta, say=said.append)
    except NotWritten as error:
        print(error)
        mine = copy.deepcopy(model).eval().requires_grad_(False)
        return Stage(name, mine, encoding, load_world(lang), meta, path, own=True)
    line = _('Kept as your {name}: load_stage("{name}") takes it, load_stage("{name}", own=False) '
             "the course's.", name=name)  # fmt: skip
    if said:
        line += " " + _("Back to the one before it: {line}", line=back_line(name, old))
    print(line)
    tell_stale(lang)
    return read_stage(path, lang)


def lineage(name: str, gpt: GPT, parent: Stage | None) -> dict:
    """What the metadata says of where a model comes from. ValueError if that is not known, or
    cannot be."""
    came = origin_of(parent.model if parent else gpt)
    wanted, family = PARENTS[name][:1], came.get("stage", "").split("_")[0]
    if family == name != "reward":  # trained further
        same = ("parent", "parent_file", "reward", "reward_file", "place_reads")
        return {"continues": came["hash"]} | {key: came[key] for key in same if key in came}
    if not wanted and not came:
        return {"parent": None}
    if family not in wanted:
        first = wanted[0] if wanted else "base"
        what = f"a {came['stage']} model" if came else "a model of no file"
        raise ValueError(
            f"a {name} model is made from a {first} model, and this was made from {what}: start "
            f'from load_stage("{first}").model, or from what keep gave, or say which it was: '
            f'keep(model, "{name}", parent=…)'
        )
    return {"parent": came["hash"], "parent_file": f"{came['stage']}.safetensors"}


def origin_of(model) -> dict:
    """What a loaded model, or a copy of it, knows of its file; {} for a new one."""
    return getattr(model, "origin", {})


def check_same(gpt: GPT, path) -> None:
    """ValueError unless a reward model's SFT model is the one in the file."""
    stored = checkpoint.load_tensors(path)
    if any(not torch.equal(w.cpu(), stored[name]) for name, w in gpt.state_dict().items()):
        raise ValueError("the SFT model inside this reward model was trained on since it was "
                         "loaded: keep that one first, and build the reward model on what keep "
                         "gives")  # fmt: skip


def go_back(name: str, to: str = "") -> Stage:
    """Put the learner's model of a stage aside, so that the course's is taken again; or, with the
    first digits of its hash, one of theirs that was put aside. Nothing is deleted.

    ValueError, which lists what there is, where there is none or more than one of that hash.
    """
    path, lang = own_checkpoints(language()) / f"{name}.safetensors", language()
    aside = path.parent.glob(checkpoint.aside_path(path, "?" * 16).name)
    there = {file_hash(file): file for file in [*aside, path] if file.is_file()}
    found = [file for hashed, file in there.items() if to and hashed.startswith(to)]
    if to and len(found) != 1:
        raise ValueError(f"which {name}? There are {', '.join(sorted(there)) or 'none'}")
    if found:
        read_stage(*found, lang)  # if it is damaged, nothing moves
    if found != [path]:
        with alone(path):
            if path.is_file():
                checkpoint.put_aside(path)
            if found:
                os.replace(*found, path)
    stage = load_stage(name, lang=lang, quiet=True)
    print(stage)
    tell_stale(lang)
    return stage


# ---- yours, if it is good enough ------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """What a check found: true if it passed; as text, why."""

    right: int
    asked: int
    needed: int

    def __bool__(self) -> bool:
        return self.right >= self.needed

    def __str__(self) -> str:
        return _("{right} of {asked} facts about well-known places, {needed} needed", **vars(self))


def head_facts_by_qa(stage: Stage) -> Checked:
    """Of 30 facts about well-known places, how many a base model gives after `Q: … A:`, greedily;
    60 % are needed. They are of split V, the one to choose by."""
    questions = known_questions(stage.world, "V")[:HEAD_FACTS]
    right = sum(qa_score(stage, questions).correct)
    return Checked(right, len(questions), math.ceil(ENOUGH * len(questions)))


def yours_or_shipped(name: str, check: Callable[[Stage], object]) -> Stage:
    """The learner's stage if there is one and check(stage) is true, else the course's; a line says
    which, and why: what the check gave, as text."""
    path = own_checkpoints(language()) / f"{name}.safetensors"
    shipped = load_stage(name, own=False, lang=language(), quiet=True)
    if not path.is_file():
        print(_("{stage}, for none of yours is kept.", stage=shipped))
        return shipped
    try:
        mine = load_stage(name, lang=language(), quiet=True)
        found = why = check(mine)
    except (FileNotFoundError, ValueError) as error:
        found, why = False, error
    if isinstance(why, bool):
        why = check.__name__
    if found:
        print(_("Yours passed the check ({why}): {stage}", why=why, stage=mine.line))
        return mine
    print(_("{stage}, for yours did not pass the check: {why}.", stage=shipped, why=why))
    return shipped


def head_facts_in_chat(stage: Stage) -> Checked:
    """As `head_facts_by_qa`, of an assistant that is asked in a chat."""
    found, _ended = chat_score(stage, known_questions(stage.world, "V")[:HEAD_FACTS])
    return Checked(sum(found.correct), HEAD_FACTS, math.ceil(ENOUGH * HEAD_FACTS))


def true_above_false(stage: Stage) -> Checked:
    """For how many of those facts a reward model scores the true value above a false one."""
    found, _questions = right_over(stage, split="V")
    return Checked(sum(found[:HEAD_FACTS]), HEAD_FACTS, math.ceil(ENOUGH * HEAD_FACTS))
