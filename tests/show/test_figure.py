"""What is shown is what was meant: escaped text, aligned tables, figures with their sentence."""

import base64
import html
import io
import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import IPython
import IPython.display
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigpt.show.figure import (
    curves,
    figure,
    image,
    intervals,
    png,
    share_bars,
    show,
    stacked_bars,
)
from minigpt.show.start import environment
from minigpt.show.style import (
    BLUE,
    GREEN,
    GREY,
    STAGE_COLOURS,
    STAGE_NAMES,
    VERDICT_GROUPS,
    amount,
    escape,
    stage_colour,
    verdict_shares,
)
from minigpt.show.table import Table
from minigpt.store import words as catalogues
from minigpt.world.judge import VERDICTS

TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the order of what comes after


def test_each_stage_has_a_colour_of_its_own_and_variants_have_the_stages():
    assert len(set(STAGE_COLOURS.values())) == len(STAGE_COLOURS) == len(STAGE_NAMES)
    assert stage_colour("base_step_00040") == stage_colour("base") == BLUE
    assert stage_colour("ppo_mediocre") == stage_colour("ppo")
    assert stage_colour("ppo_overoptimised") != stage_colour("ppo")
    assert stage_colour("somebody's own") == GREY


@given(st.text())
def test_escaped_text_is_html_that_shows_the_text(text):
    made = escape(text)
    assert "<" not in made.replace("<br>", "") and '"' not in made and "'" not in made
    shown = html.unescape(made.replace("<br>", "\n"))
    assert len(shown) == len(text)
    assert all(a == b or (ord(b) < 32 or ord(b) == 127 or b in TURNS) for a, b in zip(shown, text))


@given(st.text(st.sampled_from([*TURNS, "\ud83d", "\ude42", "a", "<", "\n", "\u05d0"])))
def test_nothing_turns_the_text_around_and_all_of_it_can_be_sent(text):
    made = escape(text)
    assert not set(made) & set(TURNS) and made.encode("utf-8")[:0] == b""
    assert made.count("\u05d0") == text.count("\u05d0")  # Hebrew itself is as it was
    assert made.count("\ufffd") == sum(c in TURNS or "\ud800" <= c <= "\udfff" for c in text)


@pytest.mark.parametrize(
    "value, words",
    [
        (0, "0"),
        (640, "640"),
        (9_999, "9,999"),
        (16_000, "16 thousand"),
        (917_632, "917.6 thousand"),
        (2_700_000, "2.7 million"),
        (300e9, "300 billion"),
        (1.4e12, "1.4 trillion"),
    ],
)
def test_amounts_read_as_people_say_them(value, words):
    assert amount(value) == words


@pytest.mark.parametrize("value, said", [
    (9999, "9,999"), (16_000, "1.6万"), (3.3e6, "330万"), (3e11, "3000亿"), (1.4e12, "1.4万亿"),
])  # fmt: skip
def test_amounts_read_as_the_language_counts(value, said, monkeypatch):
    monkeypatch.setattr(catalogues, "_in_use", {"lang": "en", "words": {}})
    catalogues.use_language("zh")
    assert amount(value) == said


def test_table_is_escaped_and_names_its_rows_and_columns():
    table = Table(["who", "<b>"], [["<script>", 'say "x"\nand y']], "a & b", [None, GREEN])
    made = table._repr_html_()
    assert "<script>" not in made and "<b>" not in made
    assert "&lt;script&gt;" in made and "a &amp; b" in made and "and y" in made
    assert made.count('scope="col"') == 2 and made.count('scope="row"') == 1
    assert made.count(GREEN) == 1
    assert "mathjax_ignore" in made


def test_table_as_text_is_aligned_and_wrapped():
    table = Table(["who", "says"], [["base", "one two three four"], ["ppo", "five"]], width=9)
    assert repr(table).split("\n") == [
        "who   says",
        "-------------",
        "base  one two",
        "      three",
        "      four",
        "-------------",
        "ppo   five",
    ]


def test_a_column_of_numbers_stands_to_the_right():
    rows = [["base", "−0.5", "3 of 4", "0.12 (0.1 to 0.2)"], ["ppo", "1,234", "", "< 7 %"]]
    table = Table(["who", "gold", "right", "share"], rows)
    assert table.numeric() == [False, True, False, True]
    assert repr(table).split("\n")[2:] == [
        "base   −0.5  3 of 4  0.12 (0.1 to 0.2)",
        "ppo   1,234                      < 7 %",
    ]
    html = table._repr_html_()
    assert "0.12\u00a0(0.1\u00a0to\u00a00.2)<" in html and "3 of 4<" in html  # never folded
    assert html.count("background:none;border-top") == 2  # a hair, where Jupyter has stripes
    assert html.count("text-align:right") == 6 and html.count("text-align:left") == 6
    assert Table(["a"], []).numeric() == [False]
    assert Table(["a"], [["1"]], tokens=True).numeric() == [False]


def test_an_empty_header_is_no_header():
    shown = Table(["", "points"], [["", "1"], ["PPO", "2"]])._repr_html_()
    assert re.findall("<th [^>]*>([^<]*)<", shown) == ["points", "PPO"]
    assert shown.count('scope="col"') == shown.count('scope="row"') == 1


def test_table_refuses_a_row_of_another_length():
    with pytest.raises(ValueError, match="has 1 cells, the header 2"):
        Table(["a", "b"], [["x"]])


def test_an_image_has_its_alt_text_and_a_models_words_are_no_markup():
    said = '"><script>1</script>\n& more'
    shown = image("image/png", "AAAA", said, 620)
    assert "<script" not in shown and shown.count("<") == shown.count(">") == 1
    found = ET.fromstring(shown.replace(chr(10), "&#10;").removesuffix(">") + "/>")
    assert (found.get("alt"), found.get("src")) == (said, "data:image/png;base64,AAAA")
    assert found.get("width") == "620" and "width=" not in image("image/png", "", "")


def test_a_png_has_few_colours_and_those_that_were_drawn():
    fig, ax = figure()
    ax.axhspan(0, 1, color=BLUE)
    pixels = Image.open(io.BytesIO(png(fig))).convert("RGB")
    found = {"#{:02x}{:02x}{:02x}".format(*colour) for _count, colour in pixels.getcolors(256)}
    assert {"#ffffff", BLUE.lower()} <= found


def test_figures_carry_their_sentence(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", lambda data, **rest: seen.append((data, rest)))
    fig, ax = figure()
    ax.plot([1, 2])
    show(fig, "It rises from 1 to 2.")
    ((data, rest),) = seen
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/html"] == image("image/png", data["image/png"], "It rises from 1 to 2.")
    assert data["text/plain"] == rest["metadata"]["image/png"]["alt"] == "It rises from 1 to 2."
    assert capsys.readouterr().out == "It rises from 1 to 2.\n"


def test_outside_a_notebook_the_sentence_is_printed(capsys):
    show(figure()[0], "Nothing is drawn.")
    assert capsys.readouterr().out == "Nothing is drawn.\n"
    with pytest.raises(ValueError, match="needs a sentence"):
        show(figure()[0], " ")


def test_same_figure_gives_same_bytes_on_a_white_ground():
    first, second = (share_bars({"a": {"correct": 0.25, "rude": 0.75}}) for _ in range(2))
    assert png(first) == png(second)
    assert first.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_every_verdict_is_in_one_group():
    grouped = [v for verdicts, _, _ in VERDICT_GROUPS.values() for v in verdicts]
    assert sorted(grouped) == sorted(VERDICTS)


def test_shares_are_counted_by_group():
    shares = verdict_shares(["correct", "wrong value", "wrong subject", "rude"])
    assert shares == {
        "correct": 0.25, "wrong": 0.5, "says it does not know": 0, "rude": 0.25, "no answer": 0
    }  # fmt: skip
    with pytest.raises(ValueError, match="no verdicts"):
        verdict_shares([])


def test_bars_add_up_to_one_and_use_ascii():
    shares = {"SFT": verdict_shares(list(VERDICTS)), "PPO": verdict_shares(["rude"])}
    (ax,) = share_bars(shares).axes
    for y in range(2):
        bars = [bar for bar in ax.patches if abs(bar.get_y() + bar.get_height() / 2 - y) < 1e-6]
        assert sum(bar.get_width() for bar in bars) == pytest.approx(1)
    texts = [t.get_text() for t in [*ax.texts, *ax.get_yticklabels(), ax.xaxis.label]]
    assert json.dumps(texts) == json.dumps(texts, ensure_ascii=False)
    assert "100% rude" in texts


def test_environment_is_one_line_without_a_path(capsys):
    environment()
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and line.startswith("Python 3.") and "thread" in line
    assert "/" not in line and "\\" not in line


def test_stacked_bars_begin_where_the_last_one_ended():
    rows = {"x": {"exact": 0.5, "old": 0.3}, "y": {"old": 1.0}}
    fig = stacked_bars(rows, "share", {"exact": ("#fff", ""), "old": ("#000", "//")})
    bars = [(b.get_y() + b.get_height() / 2, b.get_x(), b.get_width()) for b in fig.axes[0].patches]
    flat = [pytest.approx(bar) for bar in ((0, 0, 0.5), (0, 0.5, 0.3), (1, 0, 0), (1, 0, 1.0))]
    assert bars == flat
    assert not fig.legends
    said = [(t.get_text(), t.get_position()[0]) for t in fig.axes[0].texts]
    clear = pytest.approx(0.006, abs=0.001)  # of the axis
    assert said == [("30% old", 0.5), ("50% exact", clear), ("100% old", clear)]


def test_words_at_narrow_parts_stay_beside_the_bar_and_apart():
    """The more of them there are, the further left of their parts they stand: over or under."""
    narrow = ["wrong", "says it does not know", "rude", "no answer"]
    styles = {kind: ("#fff", "") for kind in ["correct", *narrow]}
    fig = stacked_bars({"x": {"correct": 0.88, **dict.fromkeys(narrow, 0.03)}}, "share", styles)
    fig.draw_without_rendering()
    (ax,) = fig.axes
    boxes = [t.get_window_extent() for t in ax.texts]
    assert len(boxes) == 5 and not any(
        a.overlaps(b)
        for i, a in enumerate(boxes)
        for b in [*boxes[:i], *(p.get_window_extent() for p in ax.patches)]
    )
    assert all(ax.bbox.x0 - 1 <= b.x0 and b.x1 <= fig.bbox.x1 for b in boxes)


def measure(value: float, low: float, high: float) -> SimpleNamespace:
    return SimpleNamespace(value=value, low=low, high=high)


def test_intervals_as_a_figure():
    ax = intervals({"a": measure(0.961, 0.934, 0.982), "b": measure(0, 0, 0)}, "right").axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    spans = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() != "o"]
    assert dots == [0.961, 0] and spans == [(0.934, 0.982), (0, 0)]
    assert [t.get_text() for t in ax.texts] == ["96%", "0%"] and ax.get_xlabel() == "right"


def test_curves_of_shares_are_named_at_their_ends_and_the_first_stands_out():
    lines = {"ours": ([0, 8], [measure(0.5, 0.4, 0.7), measure(0.9, 0.8, 1.0)]),
             "theirs": ([0, 8], [measure(0.1, 0.0, 0.2), measure(0.3, 0.2, 0.4)])}  # fmt: skip
    ax = curves(lines, "shots", "share right").axes[0]
    assert [(t.get_text(), t.xy) for t in ax.texts] == [("ours", (8, 0.9)), ("theirs", (8, 0.3))]
    (first, *_), (second, *_) = (bars.lines for bars in ax.containers)
    assert first.get_color() == BLUE != second.get_color()
    assert first.get_linewidth() > second.get_linewidth()
    whiskers = ax.containers[0].lines[2][0].get_segments()
    assert [[y for _x, y in ends] for ends in whiskers] == [
        pytest.approx([0.4, 0.7]), pytest.approx([0.8, 1.0])
    ]  # fmt: skip
    assert ax.get_ylim()[0] == 0 and list(ax.get_xticks()) == [0, 8]


def boxes_and_lines(fig):
    """What the names of lines cover, and the lines, in pixels."""
    fig.draw_without_rendering()
    (ax,) = fig.axes
    boxes = [name.get_window_extent() for name in ax.texts if name.get_text()]
    return ax, boxes, [line.get_transform().transform_path(line.get_path()) for line in ax.lines]


@pytest.mark.parametrize("end", [0.3, 0.8, 1.5, 4.0])
def test_a_name_over_a_lines_end_keeps_clear_of_other_lines(end):
    x = [i / 50 for i in range(int(50 * end))]
    yours = x, [1 + 6 / (1 + 20 * v) for v in x]
    others = [0, 0.13, 0.4, 1, 2, 4.5], [7, 2.5, 1.7, 1.26, 1, 0.7]
    ax, boxes, lines = boxes_and_lines(curves({"yours": yours, "shipped": others}, "read", "nats"))
    assert not any(line.intersects_bbox(box, filled=False) for line in lines for box in boxes)
    assert boxes[0].y0 > ax.bbox.y0 and not boxes[0].overlaps(boxes[1])


@pytest.mark.parametrize("ends", [(1, 1.02, 0.98), (0.01, 0, 0.02), (0.5, 0.5, 0.5)])
def test_names_beside_ends_that_lie_close_stand_one_over_the_other(ends):
    lines = {name: ([0, 1], [3, y]) for name, y in zip("abc", ends)}
    ax, boxes, _lines = boxes_and_lines(curves(lines, "x", "y"))
    assert not any(a.overlaps(b) for a, b in [boxes[:2], boxes[1:], boxes[::2]])
    order = sorted(range(3), key=lambda i: boxes[i].y0)
    assert [ends[i] for i in order] == sorted(ends) and boxes[order[0]].y0 > ax.bbox.y0


def test_curves_of_numbers_begin_at_zero_unless_some_lie_below():
    yours, theirs, raw = ([1, 2], [3.0, 2.0]), ([1, 4], [5.0, 1.0]), ([1, 2], [3.5, 2.5])
    ax = curves({"yours": yours, "theirs": theirs, "": raw}, "read", "nats", GREEN).axes[0]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert drawn == [yours, theirs, raw]
    widths = [line.get_linewidth() for line in ax.lines]
    assert widths == sorted(widths, reverse=True) and ax.lines[0].get_color() == GREEN
    over, beyond, _raw = ax.texts
    assert (over.get_ha(), beyond.get_ha()) == ("center", "left")  # where no other line goes on
    assert ax.get_ylim()[0] == 0 and (ax.get_xlabel(), ax.get_title("left")) == ("read", "nats")
    assert curves({"a": ([0, 1], [-2.0, 1.0])}, "", "").axes[0].get_ylim()[0] < -2
