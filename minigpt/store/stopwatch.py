"""How long a learner took to write an answer, kept for the comparison with judging."""

from collections.abc import Callable

from minigpt.store.kept import change_kept, read_kept

FILE = "writing_times.json"  # {lang: [seconds, ...]}


def valid(contents: dict) -> bool:
    """Whether the file's contents have the form that FILE's comment tells."""
    return all(
        isinstance(times, list)
        and all(type(seconds) in (int, float) and 0 <= seconds < 1e6 for seconds in times)
        for times in contents.values()
    )


def keep_writing_time(seconds: float, lang: str = "en", say: Callable = print) -> None:
    """Add one time to the kept ones."""

    def add(contents: dict) -> None:
        contents.setdefault(lang, []).append(round(seconds, 2))

    change_kept(FILE, valid, add, lang, say)


def writing_seconds(lang: str = "en", say: Callable = print) -> list[float]:
    """The kept times, in seconds, the oldest first."""
    return read_kept(FILE, valid, lang, say).get(lang, [])
