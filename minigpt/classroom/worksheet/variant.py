"""Exercises that differ from student to student: whose they are, how they are drawn and checked.

    tasks("ann", secret)                            # each with this student's own numbers and facts
    check_answer("training-days", 31.4, "ann", {})  # right, or AssertionError: what to look at

Each task is drawn from HMAC-SHA256 of the student's id and the task's name (RFC 2104), under a
secret that only the teacher's course folder has: this package alone can neither draw a student's
tasks nor look up their answers. A student's worksheet carries a seal instead: digests of the right
answers and of typical mistakes, slow to compute (PBKDF2, RFC 8018), by which its checks tell right
from wrong. Who tries all answers finds the right one, as with any check that may be asked again.
"""

import hashlib
import hmac
import math
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

from minigpt.classroom.grading.your_own import SEED
from minigpt.classroom.worksheet.checks import Task, check_task, read, tell
from minigpt.classroom.worksheet.tasks import MAKERS, Draw, make, unsolved
from minigpt.store.words import _, language
from minigpt.world.facts import load_world
from minigpt.world.questions import understood

GRADER = "MINIGPT_STUDENT"  # the environment variable in which a grader names the student
NBGRADER = "autograded"  # nbgrader runs notebooks in autograded/STUDENT/ASSIGNMENT
ROUNDS = 20_000  # of PBKDF2: some 5 ms a digest
NEAR = 3.5  # quarters of its tolerance that a number may be off without the secret


# ---- whose tasks ----------------------------------------------------------------------------


def named_by_grader() -> str:
    """Whom the environment or nbgrader's folder names as the student of this process; or ""."""
    if os.environ.get(GRADER, "").strip():
        return os.environ[GRADER]
    try:
        parts = Path.cwd().parts
    except OSError:  # the folder is gone
        return ""
    at = [i for i, part in enumerate(parts[:-2]) if part == NBGRADER]
    return parts[at[-1] + 1] if at else ""


AT_START = named_by_grader()  # so that a notebook cannot name somebody else afterwards


def student_id(typed: object) -> str:
    """Whose tasks count: the student whom a grader names, else the id that was typed.

    A grader names the student in MINIGPT_STUDENT or by the folder it runs in. ValueError if there
    is no id, or none that can be read.
    """
    found = AT_START or named_by_grader() or typed
    if type(found) is int:  # STUDENT = 20261234, without quotation marks
        found = str(found)
    if not isinstance(found, str):
        raise ValueError(_("an id is a text, such as 'ann' or '20261234', not of type {type}",
                           type=type(found).__name__))  # fmt: skip
    comparable(found)
    return found.strip()


def comparable(student: str) -> str:
    """The id as it is compared: without spaces around it, in small letters, in Unicode's NFC.

    ValueError for one that is empty or holds a character that cannot be seen.
    """
    key = unicodedata.normalize("NFC", student).strip()
    if not key:
        said = _('whose tasks? Write your id between the quotation marks of STUDENT = ""')
        raise ValueError(said)
    if not key.isprintable():
        raise ValueError(_("the id {id} holds a character that cannot be seen, such as a line "
                           "break: type it anew", id=repr(key)))  # fmt: skip
    return unicodedata.normalize("NFC", key.casefold())


# ---- the tasks ------------------------------------------------------------------------------


def task(name: str, student: str, secret: str) -> Task:
    """One of the student's tasks. ValueError for an id that cannot be used."""
    message = "\n".join([comparable(student), name]).encode("utf-8")
    seed = hmac.new(secret.encode("utf-8"), message, hashlib.sha256).hexdigest()
    return make(name, Draw(int(seed, 16)), load_world(language()))


def tasks(student: str, secret: str) -> list[Task]:
    """All tasks of a student, in the order of the lessons."""
    return [task(name, student, secret) for name in MAKERS]


def check_answer(name: str, answer: object, student: object, sealed: dict) -> None:
    """AssertionError that says what to look at, unless it is the right answer to this student's
    task; of a value of the wrong type it says which type is asked for.

    A grader's process has the secret in its environment; elsewhere the worksheet's seal decides.
    ValueError for an unknown name.
    """
    if name not in MAKERS:
        told = {"name": repr(name), "names": ", ".join(MAKERS)}
        raise ValueError(_("there is no task {name}: choose one of {names}", **told))
    who, secret = student_id(student), os.environ.get(SEED)
    if secret:
        return check_task(task(name, who, secret), answer)
    part = sealed.get(name) if isinstance(sealed, dict) else None
    if not isinstance(part, str):
        raise ValueError(_("this worksheet has no seal for {name}: only your teacher can check it",
                           name=name))  # fmt: skip
    check_sealed(name, answer, who, part)


# ---- the seal -------------------------------------------------------------------------------


def seal(student: str, secret: str) -> dict[str, str]:
    """What a student's worksheet needs to check answers without the secret, a text a task.

    Of the right answer, then of each typical mistake, the digests of its parts, with points between
    them. Of a prompt it is the question: what is true of it stands in the world's facts.
    """

    def digests(one: Task, answer: object) -> str:
        return ".".join(digest(student, one.name, near[0]) for near in parts(one, answer, 0.5))

    return {one.name: one.question.text if one.question
            else " ".join(digests(one, answer) for answer in one.candidates)
            for one in tasks(student, secret)}  # fmt: skip


def check_sealed(name: str, answer: object, student: str, sealed: str) -> None:
    """As `check_task`, by the seal: it takes a number a little less far off than grading does."""
    candidates = [candidate.split(".") for candidate in sealed.split(" ")]
    one = unsolved(name, len(candidates[0]), language())
    if one.form == "prompt":
        asked = understood(load_world(language()), sealed)
        return check_task(replace(one, question=asked), answer)
    given = [{digest(student, name, x) for x in near} for near in parts(one, answer, NEAR)]
    tell(one, [all(x in near for x, near in zip(parts, given)) for parts in candidates])


def digest(student: str, name: str, part: str) -> str:
    salt = f"{comparable(student)}\n{name}".encode()
    return hashlib.pbkdf2_hmac("sha256", part.encode("utf-8"), salt, ROUNDS)[:6].hex()


def parts(one: Task, answer: object, reach: float) -> list[list[str]]:
    """Of each part of an answer the texts of which digests are made: of a number all whole numbers
    of quarters of its tolerance that are no farther off than `reach`, of all else one text."""
    given = read(one, answer)
    if not one.numeric:
        return [[repr(sorted(given) if isinstance(given, frozenset) else given)]]
    at = [one.quarters(x) for x in given]
    return [[f"{i}:{step}" for step in range(math.ceil(x - reach), math.floor(x + reach) + 1)]
            for i, x in enumerate(at)]  # fmt: skip
