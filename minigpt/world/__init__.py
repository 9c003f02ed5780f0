"""The micro-web: a small world of real places whose truth is known, so that answers can be scored.

The facts stand in `minigpt/data/facts.json`, which `maintain/freeze.py` looks up. Everything else
here reads them: the corpus writes documents about them, questions ask for them, contractors answer
well or badly, a judge gives verdicts, labelers have taste.

Simplified against the real thing: the real web has no answer key.

A notebook imports from here. A name is loaded when it is asked for: facts and questions need the
standard library alone, the corpus also numpy.
"""

from importlib import import_module

FILES = {
    "contractors": ("demonstrations",),
    "corpus": ("build_corpus", "documents"),
    "facts": ("ASKED", "load_world"),
    "labelers": ("EXPERT", "LABELERS", "chooser", "ranked_pairs", "shorter", "utility"),
    "names": ("TEST_MAKERS", "unknown_places"),
    "questions": ("Questions", "ask", "fact_questions", "sample_questions"),
}
FILE_OF = {name: file for file, names in FILES.items() for name in names}


def __getattr__(name: str):
    if name not in FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FILE_OF[name]}"), name)
