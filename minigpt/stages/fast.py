"""MINIGPT_FAST=1: the same cells with a twentieth of the steps, to see that everything runs.

Tests and grading set it. The figures then mean nothing, so nothing checks them. A notebook with a
cell tagged `budget` needs none of this: `classroom.notebook.with_short_budget` replaces its values.
"""

import os

SHARE = 20  # of this many steps one is taken


def fast() -> bool:
    """Whether MINIGPT_FAST is set, to anything but 0."""
    return os.environ.get("MINIGPT_FAST", "0") not in ("", "0")


def shorten(n: int, least: int = 1) -> int:
    """`n` steps, questions or tokens; under MINIGPT_FAST a twentieth of them, at least `least`."""
    return max(least, n // SHARE) if fast() else n
