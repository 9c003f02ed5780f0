"""The diagrams: whole, with what they were given, nothing clipped, nothing upon another."""

import base64
import re
import unicodedata
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest
import torch
from matplotlib import get_data_path
from matplotlib.font_manager import get_font

from minigpt.arena import Vote
from minigpt.show.diagrams import (
    attention_arcs,
    clip_curve,
    four_models,
    mask_over_chat,
    merge_tree,
    minus_log_p,
    pipeline,
    prompt_in_document,
    sampling_loop,
    shifted_window,
    two_answers,
    votes_to_ratings,
)
from minigpt.show.diagrams.svg import fit, plain, plus, width, wrap
from minigpt.show.style import STAGE_COLOURS
from minigpt.tokenizer import bpe_encode, load_tokenizer

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("1 & 2")</script>'
CHINESE = "北京是中华人民共和国的首都，人口超过两千万。" * 5
WIDE = "W" * 60
STAGES = [
    ("2.6 million", "tokens of text", ["Beijing is the capital of China. It has 21.84 million."]),
    ("22,000", "demonstrations", ["What is the population of Beijing?", "It is 21.84 million."]),
    ("17,989", "comparisons", ["It is 21.84 million.", "Look it up yourself."]),
    ("10,240", "answers of its own", [("It is 21.84 million.", 0.79), ("I do not know.", -1.2)]),
]
ODD_STAGES = [
    ("2,612,345", f"{NASTY} and more and more of it", [CHINESE]),
    ("1", WIDE, ["a\nb", NASTY]),
    ("", "", ["", WIDE]),
    (3, "x", [(CHINESE, -10.79), ("\x00\ud800", -10.79)]),
]
ANSWER = ["·I", "·do", "·not", "·know", "<|end|>"]
PRICES, VALUES = [-0.02, -0.06, -0.01, -0.03, 0.0], [0.10, 0.18, 0.15, 0.50, 0.70]
GAINS = [0.51, 0.46, 0.58, 0.26, 0.09]
LONG = [f"t{i}" for i in range(10)]
UP_AND_DOWN = [-2.0, 0.3, -0.5, 0.1, 0.0, 0.7, 2.0, -0.001, -1.1, 0.004]
VOTES = [Vote("ppo", "sft", "left", str(i)) for i in range(3)]
VOTES += [Vote("sft", "ppo", "left"), Vote("base", "sft", "right"), Vote("sft", "base", "tie")]
PAGE = ["# People also ask", "What is the population of Tokyo?", "What is the capital of Japan?"]

# {name: (how it is drawn, the texts that must stand in the picture)}
DRAWN = {
    "pipeline": (lambda: pipeline(STAGES), [*(s[0] for s in STAGES), "+0.79", "−1.20"]),
    "pipeline, odd": (lambda: pipeline(ODD_STAGES), ["−10.79", "2,612,345"]),
    "merge tree": (
        lambda: merge_tree({b"an": 256, b"anan": 257, b"ban": 300}, "banana"),
        ["256", "257", "anan", "b"],
    ),
    "merge tree, Chinese": (lambda: merge_tree({}, "北京<&"), ["e5", "ac", "<", "&"]),
    "merge tree, ours": (
        lambda: merge_tree(load_tokenizer("en"), " population"),
        ["·population", "·", "rank"],
    ),
    "window": (
        lambda: shifted_window(
            ["Tokyo", "·is", "·in", "·Japan", "."], torch.tensor([0.62, 0.55, 0.08, 0.9])
        ),
        ["Tokyo", "0.62", "0.55", "0.08", "2.53", "0.93", "·Japan"],
    ),
    "window, odd": (
        lambda: shifted_window(["<|user|>", NASTY, WIDE, CHINESE, "&", "\n"], [1, 0.5, 1e-4, 1, 1]),
        ["<0.001", "9.21", "↵", "&", "0.00"],
    ),
    "window without losses": (lambda: shifted_window(["a", "b", "c"]), ["a", "b", "c"]),
    "minus ln p": (
        lambda: minus_log_p({"Japan": 0.08, "is": 0.62, "a pure guess": 1 / 1024}),
        ["Japan", "2.53", "0.48", "6.93", "p 0.001: 6.93"],
    ),
    "minus ln p, odd": (
        lambda: minus_log_p({WIDE: 1e-5, NASTY: 0.9, CHINESE: 0.95, "d": 0.99, "e": 1.0}),
        ["11.51", "0.00"],
    ),
    "minus ln p, sure": (lambda: minus_log_p({"one": 1.0}), ["p 1.00: 0.00"]),
    "sampling": (
        lambda: sampling_loop(["·of", "·Beijing", "·is"], {"·21": 0.42, "·the": 0.2}, "·the"),
        ["·Beijing", "0.42", "0.20", "0.38", "·the"],
    ),
    "sampling, odd": (
        lambda: sampling_loop(
            [WIDE] * 9, {CHINESE: 0.9, "&": 0.01, "<": 0.01, " ": 0.01, "e": 0.01, NASTY: 1e-5},
            NASTY,
        ),
        ["0.90", "<0.001", "&", "<", "·"],
    ),
    "sampling, sure": (lambda: sampling_loop(["a"], {"b": 1.0}), ["1.00", "0.00"]),
    "attention": (
        lambda: attention_arcs(
            ["#", "·Bel", "grade", "↵", "·Bel"], [0.03, 0.14, 0.71, 0.08, 0.04], "grade"
        ),
        ["0.03", "0.14", "0.71", "0.08", "0.04", "copied", "where ·Bel looks"],
    ),
    "attention, long": (
        lambda: attention_arcs(
            [f"·tok{i}" for i in range(40)],
            torch.eye(40).roll(-3, 0).roll(7, 1) * 0.5 + 0.5 / 40,
            NASTY,
        ),
        ["…", "·tok39"],
    ),
    "attention, on one": (
        lambda: attention_arcs([*"abcdefg"], [0.004, 0.95, 0.006, 0.0001, 0.03, 0.004, 0.006]),
        ["0.95", "0.01", "0.00"],
    ),
    "attention, odd": (lambda: attention_arcs([WIDE, CHINESE, NASTY], [0.1, 0.2, 0.7]), ["0.20"]),
    "attention, two": (lambda: attention_arcs(["a", "b"], [0.4, 0.6], "c"), ["0.40", "0.60", "c"]),
    "prompt": (
        lambda: prompt_in_document(PAGE, "What is the population of Beijing?\n", "What now?\nOr?"),
        [*PAGE, "What is the population of Beijing?", "What now?", "Or?"],
    ),
    "prompt in the same line": (
        lambda: prompt_in_document(["Q: x", "A: 13 million"], "Q: y\nA:", " 21 million\nQ: z\n"),
        ["A: 21 million", "Q: z", "Q: y"],
    ),
    "prompt, odd": (
        lambda: prompt_in_document([CHINESE] * 9, f"{WIDE}\n{NASTY}{{}}", WIDE * 2, 4), []
    ),
    "mask": (
        lambda: mask_over_chat(["<|user|>", "·Hi", "<|assistant|>", "·Yes"], [0, 0, 0, 1]),
        ["<|user|>", "·Yes", "1 of 4"],
    ),
    "mask, odd": (
        lambda: mask_over_chat(["\n", " ", CHINESE, NASTY, WIDE] * 12, [0, 1, 1, 0, 1] * 12),
        ["↵", "·", "36 of 60"],
    ),
    "two answers": (
        lambda: two_answers([-1.44, 0.37], ["Look it up yourself.", "It has 21.84 million."]),
        ["−1.44", "+0.37", "1.81", "0.86", "Look it up yourself."],
    ),
    "two answers, odd": (lambda: two_answers([2.0, 1.99], [WIDE, CHINESE]), ["−0.01", "0.50"]),
    "two answers, far": (lambda: two_answers([3.7, -5.5], [NASTY, ""]), ["−9.20", "<0.001"]),
    "two answers, alike": (lambda: two_answers([0, 0]), ["0", "0.00", "0.50"]),
    "four models": (
        lambda: four_models("Zorbania?", ANSWER, PRICES, 0.79, VALUES, torch.tensor(GAINS)),
        ["Zorbania?", "−0.06", "+0.79", "0.15", "0.70", "+0.58", "+0.09", "·know"],
    ),
    "four models, odd": (
        lambda: four_models(CHINESE, LONG, UP_AND_DOWN, -2.0, UP_AND_DOWN, UP_AND_DOWN[::-1]),
        ["…", "−2.00", "t9", "+0.30", "−1.10", "0"],
    ),
    "four models, one": (lambda: four_models(NASTY, [WIDE], [0], 0, [0], [0]), ["0", "0.00"]),
    "clip": (lambda: clip_curve(0.2, 0.031), ["0.8", "1.2", "3.1%", "1"]),
    "clip, narrow": (lambda: clip_curve(0.025), ["0.975", "1.02"]),
    "votes": (lambda: votes_to_ratings(VOTES), ["75% of 4", "75% of 2", "PPO model", "SFT model"]),
    "votes, odd": (
        lambda: votes_to_ratings(
            [], {n: 1000 + i for i, n in enumerate([*"abcdefg", NASTY, WIDE, CHINESE])}
        ),
        ["never met", "1009", "1 points"],
    ),
}  # fmt: skip


@pytest.fixture(params=DRAWN, scope="module")
def drawn(request):
    """A diagram, the texts that must stand in it, and its parsed SVG."""
    draw, texts = DRAWN[request.param]
    diagram = draw()
    return diagram, texts, ET.fromstring(diagram.svg)


def measured(string: str, kind: str) -> float:
    """The width of a whole string in DejaVu, with squares for what that has not."""
    face = "DejaVuSans" + "Mono" * ("k" in kind.split()) + "-Bold" * ("b" in kind.split())
    font = get_font(f"{get_data_path()}/fonts/ttf/{face}.ttf")
    squares = sum(not font.get_char_index(ord(c)) for c in string)
    known = "".join(c for c in string if font.get_char_index(ord(c)))
    font.set_size(18, 72)
    font.set_text(known)
    return font.get_width_height()[0] / 64 + 18 * squares


def places(root) -> list[tuple[float, float, float, float, str]]:
    """Of each text: left, top, right, bottom, and what it says."""
    found = []
    for element in root.iter(f"{SVG}text"):
        kind, words = element.get("class"), "".join(element.itertext())
        size = measured(element.text or "", kind)
        for part in element:
            size += measured(part.text or "", kind + " b") + measured(part.tail or "", kind)
        x, y = float(element.get("x")), float(element.get("y"))
        left = x - size * (0.5 if "m" in kind.split() else "e" in kind.split())
        if words.strip():
            found.append((left, y - 14, left + size, y + 4, words))
    return found


def test_it_is_one_whole_svg_with_title_and_description(drawn):
    diagram, _texts, root = drawn
    title, desc = root[0], root[1]
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    assert (title.tag, desc.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    assert len(title.text) > 5 and len(desc.text) > 40
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids == [title.get("id"), desc.get("id")]
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "tspan", "path", "circle"}


def test_a_notebook_gets_an_image_whose_alt_text_is_the_description(drawn):
    diagram, _texts, root = drawn
    data, told = diagram._repr_mimebundle_(), f"{diagram.title}. {diagram.desc}"
    assert set(data) == {"text/html", "text/plain"}  # LaTeX fails on an SVG without Inkscape
    image = ET.fromstring(data["text/html"].removesuffix(">") + "/>")
    assert (image.tag, image.get("alt"), image.get("width")) == ("img", told, root.get("width"))
    assert image.get("height") is None and "max-width:100%" in image.get("style")
    kind, svg = image.get("src").split(";base64,")
    assert kind == "data:image/svg+xml" and base64.b64decode(svg).decode() == diagram.svg
    assert data["text/plain"] == told == repr(diagram)


def test_letters_are_twelve_pixels_high_at_360(drawn):
    diagram, _texts, root = drawn
    wide = float(root.get("viewBox").split()[2])
    sizes = re.findall(r"font(?:-size)?:(\d+)px", diagram.svg)
    assert sizes and all(float(size) * 360 / wide >= 12 for size in sizes)
    assert "font-size" not in diagram.svg.replace("font-size:18px", "")


def test_what_it_was_given_stands_in_it(drawn):
    _diagram, texts, root = drawn
    words = [words for *_place, words in places(root)]
    missing = [text for text in texts if not any(text in line for line in words)]
    assert not missing, f"{missing} not in {words}"


def test_text_is_inside_the_picture_and_not_upon_other_text(drawn):
    _diagram, _texts, root = drawn
    wide, high = map(float, root.get("viewBox").split()[2:])
    texts = places(root)
    outside = [t for t in texts if t[0] < 4 or t[1] < 2 or t[2] > wide - 4 or t[3] > high - 2]
    assert not outside
    touching = [
        (a[4], b[4])
        for a, b in combinations(texts, 2)
        if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] and b[1] < a[3]
    ]
    assert not touching


def test_shapes_are_inside_the_picture(drawn):
    _diagram, _texts, root = drawn
    wide, high = map(float, root.get("viewBox").split()[2:])
    for rect in root.iter(f"{SVG}rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert x >= 0 and x + float(rect.get("width")) <= wide
        assert y >= 0 and y + float(rect.get("height")) <= high
        assert float(rect.get("width")) > 0 and float(rect.get("height")) > 0
    for path in root.iter(f"{SVG}path"):
        assert not re.search("nan|inf|None", path.get("d"))
        for x, y in re.findall(
            r"[ML ]?(-?[\d.]+) (-?[\d.]+)", re.sub(r"[a-z].*", "", path.get("d"))
        ):
            assert -1 <= float(x) <= wide + 1 and -1 <= float(y) <= high + 1


def test_its_rules_are_for_it_alone(drawn):
    diagram, _texts, root = drawn
    name = root.get("class").split()[0]
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", root.find(f"{SVG}style").text)
    selectors = [selector for rule in rules for selector in rule.split(",")]
    assert len(selectors) > 30
    assert all(f".{name}" in selector for selector in selectors)


def test_drawings_on_one_page_do_not_share_ids():
    names = [ET.fromstring(draw().svg).get("class") for draw, _texts in DRAWN.values()]
    assert len(set(names)) == len(DRAWN)
    assert clip_curve(0.2).svg == clip_curve(0.2).svg != clip_curve(0.3).svg


# ---- text that is safe and fits -------------------------------------------------------------


def test_what_learners_write_is_text_and_never_markup():
    diagram = four_models(NASTY, ["a", "&", '"'], [0, 0, 0], 1, [0, 0, 0], [1, 1, 1])
    assert "<script" not in diagram.svg
    assert NASTY in [words for *_place, words in places(ET.fromstring(diagram.svg))]
    assert NASTY in diagram.desc


def test_what_xml_cannot_hold_is_replaced():
    root = ET.fromstring(mask_over_chat(["\x00\x1b\ud800\uffff", "\n"], [0, 1]).svg)
    assert "\ufffd" * 4 in [words for *_place, words in places(root)]


def test_texts_are_cut_off_where_there_is_no_room():
    assert fit("short", 200) == "short"
    cut = fit("a long sentence that goes on", 100)
    assert cut.endswith("…") and "a long sentence".startswith(cut[:-1]) and width(cut) <= 100
    lines = wrap("one two three four five six seven", 80, 2)
    assert len(lines) == 2 and lines[0] == "one two" and lines[1].endswith("…")
    assert all(width(line) <= 80 for line in lines)
    assert "".join(wrap(CHINESE, 200, 99)) == CHINESE


def test_widths_are_those_of_a_wide_font():
    for kind in ("", "b", "k", "k b"):
        assert width("Beijing, 21.84 …", kind) == pytest.approx(
            measured("Beijing, 21.84 …", kind), rel=0.03
        )
    assert width("北京") == 36 and unicodedata.east_asian_width("北") == "W"


def test_numbers():
    assert [plain(x) for x in (-1.5, 0.25, 0.004, 1e-9, -0.001, 0)] == [
        "−1.50", "0.25", "0.004", "<0.001", "0.00", "0.00"
    ]  # fmt: skip
    assert [plus(x) for x in (-1.5, 0.25, 0.004, -0.001)] == ["−1.50", "+0.25", "0", "0"]


# ---- one by one -----------------------------------------------------------------------------


def test_a_merge_tree_ends_in_the_tokenizers_own_tokens():
    enc = load_tokenizer("en")
    ranks = {b: enc.encode_single_token(b) for b in enc.token_byte_values()}
    for word in ("population", " Beijing", "banana", "mississippi", "aaaaaaa"):
        tokens = [
            enc.decode_single_token_bytes(i).decode() for i in bpe_encode(word.encode(), ranks)
        ]
        end = " | ".join(tokens).replace(" B", "·B")
        for tokenizer in (enc, ranks):
            assert merge_tree(tokenizer, word).desc.endswith(f"no pair has a rank: {end}.")


def test_a_merge_tree_is_of_one_word_that_can_be_drawn():
    for word in ("", "2100", "a" * 40):
        with pytest.raises(ValueError, match="give"):
            merge_tree(load_tokenizer("en"), word)


def test_the_costliest_place_of_a_window_is_marked_unless_one_is_chosen():
    tokens, p = ["a", "b", "c", "d"], [0.5, 0.1, 0.9]

    def marked(diagram):
        return re.findall(r'"base model"[^>]*/><text[^>]*>([^<]*)<', diagram.svg)

    assert marked(shifted_window(tokens, p)) == ["c"]
    assert marked(shifted_window(tokens, p, marked=2)) == ["d"]
    assert marked(shifted_window(tokens)) == ["d"]


def test_what_attention_leaves_out_is_summed():
    weights = torch.softmax(torch.randn(40, generator=torch.Generator().manual_seed(0)) * 2, -1)
    diagram = attention_arcs([f"·t{i}" for i in range(40)], weights)
    shown = [float(w) for w in re.findall(r"([\d.]+) (?:·t\d+|…)", diagram.desc)]
    assert 5 <= len(shown) < 20
    assert sum(shown) == pytest.approx(1, abs=0.06)
    top = int(weights[:-1].argmax())
    assert f" ·t{top}" in diagram.desc and " ·t39" in diagram.desc


def test_attention_shows_what_stands_before_the_two_tokens_that_matter():
    """Or nobody would see why it looks there."""
    tokens = ["·Then", "·came", "·Q", "u", "en", "n", "aby", *[f"·t{i}" for i in range(20)]]
    tokens += ["·Q", "u"]
    weights = [0.9 if i == 4 else 0.1 / (len(tokens) - 1) for i in range(len(tokens))]
    root = ET.fromstring(attention_arcs(tokens, weights, "en").svg)
    shown = [words for *_place, words in sorted(places(root)) if words in {*tokens, "…"}]
    assert shown[shown.index("·Q") :][:3] == ["·Q", "u", "en"] and shown[-3:] == ["·Q", "u", "en"]


def test_of_a_matrix_attention_takes_the_last_row():
    matrix = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    assert attention_arcs(["a", "b"], matrix).svg == attention_arcs(["a", "b"], [0.25, 0.75]).svg
    assert attention_arcs(["a", "b"], matrix.tolist()).svg == attention_arcs(["a", "b"], matrix).svg


def test_copying_is_said_where_the_next_token_is_the_one_looked_at():
    tokens, weights = ["x", "y", "x"], [0.2, 0.7, 0.1]
    assert "copied" in attention_arcs(tokens, weights, "y").desc
    assert "copied" not in attention_arcs(tokens, weights, "z").desc


def test_the_prompts_place_is_the_line_most_like_it():
    diagram = prompt_in_document(PAGE, "What is the population of Beijing?\n", "x")
    assert f"the line {PAGE[1]} is followed by {PAGE[2]}" in diagram.desc
    chosen = prompt_in_document(PAGE, "What is the population of Beijing?\n", "x", place=2)
    assert f"the line {PAGE[2]} is followed by the end" in chosen.desc


def test_votes_between_neighbours_are_counted_from_either_side():
    votes = [Vote("a", "b", "left"), Vote("b", "a", "left"), Vote("b", "a", "tie")]
    assert "50% of 3, 100 points" in votes_to_ratings(votes, {"a": 1100, "b": 1000}).desc


def test_players_have_their_stages_colours():
    ways = {"ppo, greedy": 1100, "sft, at 0.5": 1000, "ppo_overoptimised": 900, "you": 800}
    drawn = votes_to_ratings([], ways).svg
    found = re.findall(r'<circle class="(\w*) dot"', drawn)
    assert found == ["ppo", "sft", "ppo_overoptimised", ""]
    assert all(f".{stage}{{--c:{STAGE_COLOURS[stage]};" in drawn for stage in found[:3])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: pipeline(STAGES[:3]),
        lambda: shifted_window(["a", "b"]),
        lambda: shifted_window(["a", "b", "c"], [0.5]),
        lambda: shifted_window(["a", "b", "c"], [0.5, 0.0]),
        lambda: minus_log_p({}),
        lambda: minus_log_p({"a": 0.0}),
        lambda: sampling_loop(["a"], {"b": 0.5}, "c"),
        lambda: sampling_loop([], {"b": 0.5}),
        lambda: attention_arcs(["a", "b"], [1.0]),
        lambda: attention_arcs(["a"], [1.0]),
        lambda: prompt_in_document([], "a", "b"),
        lambda: prompt_in_document(["a"], "\n", "b"),
        lambda: mask_over_chat(["a", "b"], [1]),
        lambda: mask_over_chat(["a"] * 61, [1] * 61),
        lambda: two_answers([1.0]),
        lambda: two_answers([1.0, 2.0], ["a"]),
        lambda: four_models("q", ["a", "b"], [0], 1, [0, 0], [0, 0]),
        lambda: four_models("q", [], [], 1, [], []),
        lambda: clip_curve(1.5),
        lambda: votes_to_ratings([], {"a": 1000.0}),
    ],
)
def test_what_cannot_be_drawn_is_a_value_error(draw):
    with pytest.raises(
        ValueError, match="give|need|two tokens|text so far|an answer has|lie above"
    ):
        draw()
