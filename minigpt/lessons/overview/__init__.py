"""What notebook 00, the whole course on one page, needs alone."""

from minigpt.lessons.overview.compare import ask_all, compare
from minigpt.lessons.overview.course_map import course_map


def best_of(answers: list, score):
    """The answer with the highest score, the first of equals; ValueError if there is none."""
    return max(answers, key=score)


def training_days(parameters: float, tokens: float, per_second: float) -> float:
    """Days of training at six operations a parameter and token (Kaplan et al. 2020)."""
    return 6 * parameters * tokens / per_second / 86_400
