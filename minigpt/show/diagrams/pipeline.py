"""The four stages of training: what each reads, and the model that it makes."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram, fit, plus, width
from minigpt.show.style import stage_name
from minigpt.store.words import _

ROW, LEFT, SAMPLE, MODEL = 182, 12, 448, 296  # a row's height; the left of it, samples' right


def pipeline(stages: Sequence[tuple[str, str, Sequence]]) -> Diagram:
    """The four stages of training, each with a sample of its own data and one number.

    stages: four of (how many, of what, sample), in the order base, SFT, reward, PPO, such as
    ("2.6 million", "tokens of text", [...]). The samples: of base, [a piece of a document]; of
    SFT, [question, answer]; of reward, [the better answer, the worse]; of PPO, two of
    (answer, score). Long texts are cut off with an ellipsis. ValueError if there are not four.
    """
    if len(stages) != 4:
        raise ValueError(f"{len(stages)} stages: give four, of base, SFT, reward and PPO")
    pic, told = Diagram(_("The four stages of training")), []
    words = (  # stage, its name, what it is taught to do; what the model then does
        ("base", _("1 Pretraining"), _("guess the next token"), _("continues text")),
        ("sft", _("2 Finetuning"), _("same guess, answers only"), _("imitates answers")),
        ("reward", _("3 Reward model"), _("which of two is better?"), _("scores answers")),
        ("ppo", _("4 PPO"), _("more of what scores well"), _("seeks high scores")),
    )
    for i, ((name, title, task, does), given) in enumerate(zip(words, stages)):
        y, model, (count, what, sample) = 12 + ROW * i, stage_name(name), given
        pic.box(LEFT, y, 268, 4, f"{name} bar", 2)
        pic.text(LEFT, y + 28, title, "b")
        count = str(count)
        after = fit(f" {what}", 272 - width(count, "b"))
        pic.text(LEFT, y + 54, "", "s", count, after)
        pic.text(LEFT, y + 80, task, "s")
        pic.box(MODEL, y, 192, 64, f"{name} model", 10)
        pic.text(MODEL + 96, y + 27, model, "b m")
        pic.text(MODEL + 96, y + 51, does, "s m")
        _sample(pic, y + 94, name, sample)
        pic.arrow(f"M{MODEL + 80} {y + 92}", MODEL + 80, y + 67, "up")
        told.append(f"{title}: {count} {what}, {task.rstrip('?')}. {model}: {does}.")
        if i < 3:  # the reward model is used, not copied
            pic.arrow(f"M470 {y + 67}", 470, y + ROW - 3, "down", "reward use" if i == 2 else "")
    pic.text(462, 12 + 3 * ROW - 5, _("scores"), "s e")
    y, end = 44 + ROW, 44 + 3 * ROW
    pic.arrow(f"M490 {y}h8q8 0 8 8V{end - 8}q0 8 -8 8", 491, end, "left")
    told.append(_("PPO starts from the SFT model; the reward model scores what it writes."))
    return pic.done(" ".join(told), 4 + 4 * ROW)


def _sample(pic: Diagram, y: float, name: str, sample: Sequence) -> None:
    """A piece of a document; or two bubbles of one line each, of which the second answers the
    first, or the better one is emphasised."""

    def bubble(row: int, string: str, left: float, right: float, kind: str) -> None:
        string = fit(" ".join(str(string).split()), right - left - 16)
        pic.box(left, y + 36 * row, right - left, 30, kind, 9)
        pic.text(left + 8, y + 36 * row + 21, string)

    if name == "base":
        pic.box(LEFT, y, SAMPLE - LEFT, 66, "sheet", 3)
        pic.paragraph(LEFT + 12, y + 33, sample[0], SAMPLE - LEFT - 24, 2)
    elif name == "sft":
        bubble(0, sample[0], LEFT, SAMPLE - 28, "box")
        bubble(1, sample[1], LEFT + 28, SAMPLE, "sft model thin")
    elif name == "reward":
        pic.path(f"M14 {y + 15}l6 7 12 -14", "ink")  # a tick
        bubble(0, sample[0], 40, SAMPLE, "reward model")
        bubble(1, sample[1], 40, SAMPLE, "box")
    else:
        highest = max(score for _answer, score in sample)
        for row, (answer, score) in enumerate(sample[:2]):
            kind, number = ("ppo model", "b e") if score == highest else ("box", "s e")
            bubble(row, answer, LEFT, 434, kind)
            pic.text(508, y + 36 * row + 21, plus(score), number)
