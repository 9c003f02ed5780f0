"""The students' models in one arena: read with care, asked the same, and rated, also by people."""

import json
import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from minigpt.arena import WORTH, Match, Vote, bootstrap_ratings
from minigpt.classroom.class_work.files import (
    HandedIn,
    json_bytes,
    names_somebody,
    private_words,
    pseudonyms,
    question_of,
    student_files,
)
from minigpt.model import GPTConfig
from minigpt.stages.sizes import parameters
from minigpt.stages.stage import Stage, read_stage
from minigpt.store.checkpoint import file_hash, read_meta
from minigpt.store.files import is_checkpoint
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Question

STAGES = ("ppo", "sft", "base")  # the student's player is the first of these that is there
LONGEST_CONTEXT = 100_000  # tokens that a model which plays may claim to read at once
EXPORTED = 300  # pairs that people are asked to vote on
MATCHES = "minigpt matches 1"
BLIND = ("left answer", "right answer")  # the players of a match whose names are hidden
TEXT = {
    "en": {
        "none": "{name} holds no checkpoint of {wanted}.",
        "several": "{name} holds {n} checkpoints of {stage} at the same depth: {paths}. Leave one.",
        "nobody": "{name} lies in no student's folder.",
        "reward": "{name} is a reward model, which scores answers and writes none.",
        "lang": "{name} speaks {found!r}, and this arena {lang!r}.",
        "vocabulary": "{name} belongs to another tokenizer: its model has {found} tokens, and "
        "the course's {n}.",
        "config": "{name} does not say what model it holds: it is another program's, or damaged.",
        "size": "{name} does not fit its own config: that model would be larger than the file.",
        "numbers": "{name} holds numbers that are not finite: its training went astray.",
        "fails": "{name} cannot be used: {reason}",
        "as_is": "{reason}",
        "matches": "{name} holds no matches of this course. Choose a file of `--export`.",
        "votes": "{name} holds no votes of the arena. Choose an arena_votes.json.",
        "again": "{name} has the same bytes as another file: it counts once.",
    },
}  # fmt: skip


def read_class_models(
    folder: Path, world: World, encoding, key: str, stage: str | None = None, device: str = "auto"
) -> HandedIn:
    """Each student's model: of the furthest of STAGES that is there, or of the stage given.

    Checkpoints that are refused are named in `refused` with the reason, and the others count.
    """
    words, out = TEXT[world.lang], HandedIn()
    top = folder / "submitted" if (folder / "submitted").is_dir() else folder
    names = [p.name for p in top.iterdir() if p.is_dir() and not p.name.startswith(".")]
    files = {unicodedata.normalize("NFC", name): [] for name in names}  # some may hold nothing
    for student, paths in student_files(folder, ".safetensors").items():
        for path in paths:
            if path.parent in (folder, top):
                name = path.relative_to(folder).as_posix()
                out.refused.append(words["nobody"].format(name=name))
            else:
                files.setdefault(student, []).append(path)
    aliases = pseudonyms(files, key)
    out.names = {aliases[student]: student for student in files}
    for student, paths in files.items():
        try:
            path = choose_checkpoint(student, paths, folder, world.lang, stage)
            name = path.relative_to(folder).as_posix()
            out.found[aliases[student]] = read_player(path, name, world, encoding, device)
        except ValueError as error:
            out.refused.append(str(error))
    out.found = dict(sorted(out.found.items()))
    out.words = private_words(files, world)
    return out


def choose_checkpoint(
    student: str, paths: Sequence[Path], folder: Path, lang: str = "en", stage: str | None = None
) -> Path:
    """The checkpoint that plays for a student, nearest to the top; ValueError where none can be
    told from the others."""
    wanted = (stage,) if stage else STAGES
    for name in wanted:
        some = [path for path in paths if path.stem == name and is_checkpoint(path)]
        nearest = [p for p in some if len(p.parts) == min(len(q.parts) for q in some)]
        if len(nearest) == 1:
            return nearest[0]
        if nearest:
            listed = ", ".join(path.relative_to(folder).as_posix() for path in nearest)
            raise ValueError(TEXT[lang]["several"].format(
                name=student, n=len(nearest), stage=name, paths=listed))  # fmt: skip
    raise ValueError(TEXT[lang]["none"].format(name=student, wanted=", ".join(wanted)))


def read_player(path: Path, name: str, world: World, encoding, device: str = "auto") -> Stage:
    """A student's checkpoint as a Stage that can answer; ValueError with `name` and the reason.

    A stranger's file is asked for little before anything is built from it.
    """
    words = TEXT[world.lang]

    def refuse(why: str, **values) -> None:
        raise ValueError(words[why].format(name=name, **values))

    try:
        meta = read_meta(path)
        config = GPTConfig(**meta["config"])
    except OSError as error:
        refuse("fails", reason=error.strerror or error)
    except ValueError as error:
        reason = str(error).replace(str(path), name)
        refuse("as_is" if name in reason else "fails", reason=reason)
    except (KeyError, TypeError):
        refuse("config")
    if meta.get("kind") == "reward":
        refuse("reward")
    if meta.get("lang", world.lang) != world.lang:
        refuse("lang", found=str(meta["lang"])[:20], lang=world.lang)
    if config.vocab_size != encoding.n_vocab:
        refuse("vocabulary", found=config.vocab_size, n=encoding.n_vocab)
    if 2 * parameters(config) > path.stat().st_size or config.block_size > LONGEST_CONTEXT:
        refuse("size")
    try:
        stage = read_stage(path, world.lang, device)
    except Exception as error:
        refuse("fails", reason=str(error).replace(str(path), name))
    if not all(tensor.isfinite().all() for tensor in stage.model.state_dict().values()):
        refuse("numbers")
    return stage


def same_bytes(players: dict[str, Stage]) -> dict[str, list[str]]:
    """{player: the other players whose checkpoint has the same bytes}."""
    hashes = {who: file_hash(stage.path) for who, stage in players.items()}
    return {a: [b for b in players if b != a and hashes[b] == hashes[a]] for a in players}


def ask_players(
    players: dict[str, Stage], questions: list[Question], seed: int = 0,
    say: Callable[[str], None] = print,
) -> tuple[dict[str, list[str]], list[str]]:  # fmt: skip
    """{player: its answer to each question}, sampled with the same seed, and who could not."""
    answers, failed = {}, []
    for number, (who, stage) in enumerate(players.items(), 1):
        say(f"{who} answers ({number} of {len(players)})")
        try:
            answers[who] = stage.answer(questions, 1.0, seed)
        except (ValueError, RuntimeError, IndexError) as error:  # a model of another shape
            failed.append(TEXT[stage.world.lang]["fails"].format(name=who, reason=error))
    return answers, failed


def rating_rows(votes: Sequence[Vote]) -> list[tuple]:
    """(player, rating, low, high, won, tied, lost), the highest rating first."""
    counts: dict[str, Counter] = {}
    for vote in votes:
        worth = WORTH[vote.choice]
        counts.setdefault(vote.left, Counter())[worth] += 1
        counts.setdefault(vote.right, Counter())[1 - worth] += 1
    return [
        (who, *rated, *(counts[who][worth] for worth in (1.0, 0.5, 0.0)))
        for who, rated in bootstrap_ratings(votes, draws=100).items()
    ]


def key_of(question: str, one: str, other: str) -> tuple:
    """What makes a pair the same pair, whichever side its answers are on."""
    return question, *sorted((one, other))


def blind_matches(matches: Sequence[Match], private: set[str], lang: str = "en") -> bytes:
    """Pairs to vote on as JSON, in their drawn order: a question and two answers, no players."""
    rows: dict[tuple, dict] = {}
    for match in matches:
        texts = match.question.text, match.left_text, match.right_text
        if not names_somebody(" ".join(texts), private):
            rows.setdefault(key_of(*texts), dict(zip(("question", "a", "b"), texts)))
    return json_bytes({"format": MATCHES, "lang": lang, "matches": list(rows.values())[:EXPORTED]})


def read_matches(path: str | Path, seed: int | None = None, lang: str = "en") -> list[Match]:
    """The pairs of an exported file as the arena's widget takes them, `arena(read_matches(file))`.

    seed: of an order of one's own, so that a class does not vote on the same few pairs. ValueError
    for another file.
    """
    try:
        contents = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        if contents["format"] != MATCHES or contents["lang"] != lang:
            raise ValueError
        rows = [(row["question"], row["a"], row["b"]) for row in contents["matches"]]
        if not all(isinstance(text, str) for row in rows for text in row):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(TEXT[lang]["matches"].format(name=path)) from None
    world, out = load_world(lang), []
    for question, a, b in rows:
        asked = question_of(world, question) or Question(question, "other")
        out.append(Match(asked, *BLIND, a, b))
    return out if seed is None else random.Random(f"matches/{seed}").sample(out, len(out))


def read_votes(
    paths: Sequence[Path], matches: Sequence[Match], lang: str = "en"
) -> tuple[list[Vote], int, int, list[str]]:
    """People's votes on these matches, from files as the arena's widget keeps them.

    Returns the votes, how many people cast them, how many votes were on other pairs, and which
    files were refused. Who voted is not kept. A vote counts for all players who gave those answers.
    """
    from minigpt.lessons.arena.vote import valid

    played: dict[tuple, list[Match]] = {}
    for m in matches:
        played.setdefault(key_of(m.question.text, m.left_text, m.right_text), []).append(m)
    votes, people, others, refused, seen = [], 0, 0, [], set()
    for path in paths:
        try:
            data = Path(path).read_bytes()
            contents = json.loads(data.decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            contents = None
        if not isinstance(contents, dict) or not valid(contents):
            refused.append(TEXT[lang]["votes"].format(name=path))
            continue
        if data in seen:
            refused.append(TEXT[lang]["again"].format(name=path))
            continue
        seen.add(data)
        cast = contents.get(lang, [])
        rows = {key_of(r["question"], r["left_text"], r["right_text"]): r for r in cast}
        others += sum(pair not in played for pair in rows)
        people += any(pair in played for pair in rows)
        for pair, row in rows.items():
            for match in played.get(pair, []):
                turned = {"left": "right", "right": "left", "tie": "tie"}
                same = row["left_text"] == match.left_text
                votes.append(match.vote(row["choice"] if same else turned[row["choice"]]))
    return votes, people, others, refused
