"""Exercises that differ from student to student: whose they are, what they ask, and their checks.

    student_id("ann")                           # whose tasks count: a grader's word comes first
    [task.text for task in tasks("ann")]        # each with this student's own numbers and facts
    check_answer("training-days", 31.4, "ann")  # right, or AssertionError: what to look at

Each task is drawn from the sha256 of the id and the task's name, so it is the same on every
computer. A student who types another one's id works at that one's tasks and is graded by their
own. It keeps answers from being passed on; it is no lock, for the package that draws the tasks also
knows their answers. The worksheet's questions in words ask where the numbers came from.
"""

import hashlib
import os
import sys
import unicodedata
from pathlib import Path

from minigpt.classroom.worksheet.checks import Task, check_task
from minigpt.classroom.worksheet.tasks import MAKERS, Draw, make
from minigpt.store.words import _, language
from minigpt.world.facts import load_world

GRADER = "MINIGPT_STUDENT"  # the environment variable in which a grader names the student
NBGRADER = "autograded"  # nbgrader runs notebooks in autograded/STUDENT/ASSIGNMENT


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


AT_START = named_by_grader()  # submitted code cannot change what was said before it ran


def student_id(typed: str = "") -> str:
    """Whose tasks count: the student that a grader names, else the one whose id was typed.

    A grader says it by MINIGPT_STUDENT, nbgrader by the folder that it runs in. ValueError if there
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


def task(name: str, student: str) -> Task:
    """One of the student's tasks. ValueError for an unknown name or id."""
    if name not in MAKERS:
        told = {"name": repr(name), "names": ", ".join(MAKERS)}
        raise ValueError(_("there is no task {name}: choose one of {names}", **told))
    seed = hashlib.sha256("\n".join([comparable(student), name]).encode("utf-8")).hexdigest()
    return make(name, Draw(int(seed, 16)), load_world(language()))


def tasks(student: str) -> list[Task]:
    """All tasks of a student, in the order of the lessons."""
    return [task(name, student) for name in MAKERS]


def check_answer(name: str, answer: object, student: str) -> None:
    """AssertionError that says what to look at, unless it is the right answer to this student's
    task; of a value of the wrong type it says which type is asked for."""
    check_task(task(name, student), answer)


def solution(name: str, student: str) -> object:
    """A right answer to this student's task, for the teacher's edition."""
    return task(name, student).expected


# ---- in a notebook --------------------------------------------------------------------------


def show_tasks(student: str) -> None:
    """Print whose tasks they are, and their titles."""
    found = tasks(student)
    points = sum(one.points for one in found)
    print(_("Student {id}: {n} tasks, {points} points.", id=student, n=len(found), points=points))
    for number, one in enumerate(found, start=1):
        print(_("{number:2}. {title} (notebook {lesson}): {points} p.", number=number, **vars(one)))


def show_task(name: str, student: str) -> None:
    """Show the text of a student's task: formatted in a notebook, else as Markdown."""
    text = task(name, student).text
    ipython = sys.modules.get("IPython")
    if ipython and ipython.get_ipython():
        ipython.display.display(ipython.display.Markdown(text))
    else:
        print(text)
