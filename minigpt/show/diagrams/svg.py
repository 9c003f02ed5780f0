"""What the diagrams are made of: a few SVG shapes, colours for light and dark, text that fits.

One layout, 520 wide in 18 px type: shown 620 px wide, still legible at 360. Text is measured in
DejaVu Sans, which is wider than what most systems draw with, so that it fits there too. A drawing
has its own paper, and its colours follow the notebook's theme where it stands in the page itself.
It has no ids but the title's and the description's, no scripts, no fonts, no transforms.
"""

import base64
import html
import re
import zlib
from collections.abc import Callable, Iterable
from functools import cache

from matplotlib import get_data_path
from matplotlib.font_manager import get_font

from minigpt.show.figure import image
from minigpt.show.strip import VISIBLE
from minigpt.show.style import IGNORE_MATH, STAGE_COLOURS

WIDTH, SIZE, SHOWN = 520, 18, 620
ROLES = {  # on light paper, on dark
    "paper": ("#ffffff", "#111111"), "ink": ("#1b1f24", "#e8eaed"), "soft": ("#57606a", "#a9b1ba"),
    "line": ("#7d8790", "#768390"), "fill": ("#f4f5f7", "#1d2126"), "hair": ("#d8dde2", "#343b43"),
}  # fmt: skip
STAGES = {  # what a model is filled with: 16 % of its colour on light paper, 30 % on dark
    "base": ("#d6e8f3", "#0c2e41"), "sft": ("#fbf0d6", "#513c0c"),
    "reward": ("#f7eaf1", "#49303e"), "ppo_overoptimised": ("#f8e5d6", "#4c280c"),
    "ppo": ("#d6efe9", "#0c3b2e"),
}  # fmt: skip
FONT = '18px system-ui,"Segoe UI",Roboto,Helvetica,Arial,"DejaVu Sans",sans-serif'
# Kinds of text: s soft, b bold, k a token's, m centred, e ends at x. The rest are kinds of shapes;
# a stage's name beside them gives them its colour.
RULES = """
text{fill:var(--ink)}.s{fill:var(--soft)}.b{font-weight:600;fill:var(--ink)}
.k{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.m{text-anchor:middle}.e{text-anchor:end}
.paper{fill:var(--paper)}.panel{fill:var(--fill)}.box{fill:var(--fill);stroke:var(--line)}
.sheet{fill:var(--paper);stroke:var(--line)}.frame{fill:none;stroke:var(--ink);stroke-width:2.5}
.now{fill:var(--paper);stroke:var(--ink);stroke-width:2.5}
.model{fill:var(--t);stroke:var(--c);stroke-width:2.5}.thin{stroke-width:1.5}
.ring{fill:none;stroke:var(--c);stroke-width:2.5}
.next{fill:none;stroke:var(--c);stroke-width:2.5;stroke-dasharray:6 4}
.bar{fill:var(--c)}.lock{fill:var(--soft)}.dot{fill:var(--c);stroke:var(--ink);stroke-width:2}
path{fill:none;stroke:var(--line);stroke-width:2}.axis{stroke-width:1.5}.hair{stroke:var(--hair)}
.same{stroke-width:1.5;stroke-dasharray:2 4}.use{stroke:var(--c);stroke-dasharray:6 4}
.main{stroke:var(--c);stroke-width:3}.wide{stroke:var(--c);stroke-width:5}
.ink{stroke:var(--ink);stroke-width:2.5}.bow{stroke:var(--soft)}
.tip{fill:var(--line);stroke:none}.main.tip,.use.tip{fill:var(--c)}
"""


class Diagram:
    """A picture of an idea: in a notebook an image with its description as alt text.

    It is drawn shape by shape, later ones upon earlier ones, and then `done`. `svg` is the whole
    element, for a file or inside a widget's HTML.
    """

    def __init__(self, title: str) -> None:
        self.title, self.desc, self.height = title, "", 0
        self.parts: list[str] = []

    def done(self, desc: str, height: float) -> "Diagram":
        """Finished, so high: what it tells, with its numbers."""
        self.desc, self.height = desc, round(height)
        return self

    @property
    def svg(self) -> str:
        body = escape(self.title), escape(self.desc), "".join(self.parts)
        name = f"mg-{zlib.crc32(''.join(body).encode()):08x}"
        return (
            f'<svg class="{name} {IGNORE_MATH}" xmlns="http://www.w3.org/2000/svg" width="{SHOWN}" '
            f'height="{self.height * SHOWN / WIDTH:.0f}" viewBox="0 0 {WIDTH} {self.height}" '
            f'role="img" aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{body[0]}</title>'
            f'<desc id="{name}-d">{body[1]}</desc><style>{_style(name)}</style>'
            f'<rect class="paper" width="{WIDTH}" height="{self.height}" rx="8"/>{body[2]}</svg>'
        )

    def __repr__(self) -> str:
        return f"{self.title}. {self.desc}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """The drawing as an image in HTML (`minigpt.show.figure.image` says why), and its words.

        Not as `image/svg+xml` beside it: nbconvert's LaTeX fails on that without Inkscape. Not
        inline either: sanitizers, JupyterLab's and GitHub's, take an SVG or its rules away.
        """
        data = base64.b64encode(self.svg.encode()).decode()
        shown = image("image/svg+xml", data, repr(self), SHOWN)
        return {"text/html": shown, "text/plain": repr(self)}

    def text(self, x, y, string, kind="", bold="", after="", room=None) -> None:
        """A line: the string, something bold, what comes after; cut off where there is no room."""
        if room is not None and bold:
            bold = fit(bold, room - width(string + after, kind), kind + " b")
        elif room is not None:
            string = fit(string, room, kind)
        strong = f'<tspan class="b">{escape(bold)}</tspan>' if bold else ""
        words = escape(string) + strong + escape(after)
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{words}</text>')

    def said(self, x, y, words: str, bold: str, kind="s", room=None) -> None:
        """A line of ours, with something bold in its gap "{}"."""
        before, _gap, after = words.partition("{}")
        self.text(x, y, before, kind, bold, after, room)

    def paragraph(self, x, middle, string: str, room, most: int, kind="") -> None:
        """Text in lines, at most so many, around a middle."""
        lines = wrap(string, room, most)
        for i, line in enumerate(lines):
            self.text(x, middle + 6 + 24 * (i - (len(lines) - 1) / 2), line, kind)

    def box(self, x, y, width, height, kind="box", radius: float = 6) -> None:
        size = f'width="{width:.1f}" height="{height:.1f}" rx="{radius}"'
        self.parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size}/>')

    def token(self, x, y, width, string: str, kind="box", height=36) -> None:
        """A token: a small box, its text in monospace, bold where the box is emphasised."""
        self.box(x, y, width, height, kind)
        strong = " b" if kind.split()[-1] in ("model", "now") else ""
        middle = x + width / 2, y + height / 2 + 6.5
        self.text(*middle, visible(string), "k m" + strong, room=width - 8)

    def path(self, d: str, kind="", width: float | None = None, under: bool = False) -> None:
        """A line through such points; under: beneath all that is drawn already."""
        d = re.sub(r"\d+\.\d\d+", lambda number: f"{float(number[0]):.1f}", d)
        style = f' style="stroke-width:{width:.1f}"' if width else ""
        self.parts.insert(0 if under else len(self.parts), f'<path class="{kind}" d="{d}"{style}/>')

    def arrow(self, d: str, x, y, way: str, kind="") -> None:
        """A line that goes on to (x, y) and ends there in a tip, "up", "down", "left", "right"."""
        size = 12 if "main" in kind else 9
        dx, dy = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}[way]
        a, b, h = x - size * dx, y - size * dy, size / 2
        self.path(f"{d}L{a} {b}", kind)
        self.path(f"M{x} {y}L{a + h * dy} {b + h * dx} {a - h * dy} {b - h * dx}z", f"{kind} tip")

    def dot(self, x, y, kind: str) -> None:
        self.parts.append(f'<circle class="{kind} dot" cx="{x:.1f}" cy="{y:.1f}" r="8"/>')


def _style(name: str) -> str:
    """The rules, each for the drawing of this name alone: an inlined drawing's are global."""
    css = f".{name}{{color-scheme:light dark;max-width:100%;height:auto;font:{FONT};"
    css += "--c:var(--line);--t:var(--fill);"
    css += "".join(f"--{r}:light-dark({a},{b});" for r, (a, b) in ROLES.items()) + "}"
    for theme, light in (("light", "true"), ("dark", "false")):
        css += f"[data-jp-theme-light={light}] .{name},.{name}.{theme}{{color-scheme:{theme}}}"
    for stage, (a, b) in STAGES.items():
        css += f".{name} .{stage}{{--c:{STAGE_COLOURS[stage]};--t:light-dark({a},{b})}}"
    return css + re.sub(
        r"[^{},]+(?=[{,][^}]*\})(?![^{]*\})", rf".{name} \g<0>", RULES.replace("\n", "")
    )


def escape(text: str) -> str:
    """Any text as XML that shows just that text; what XML cannot hold is replaced."""
    good = "\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
    return html.escape(re.sub(f"[^{good}]", "\ufffd", str(text)))


def floats(numbers: Iterable, n: int) -> list[float]:
    """A list, an array or a tensor as floats; ValueError if there are not n."""
    found = [float(number) for number in numbers]
    if len(found) != n:
        raise ValueError(f"{len(found)} numbers for {n} places: give one each")
    return found


def plain(value: float) -> str:
    """A number with a true minus sign; of a small one above 0 three digits."""
    if 0 < value < 0.01:
        return f"{value:.3f}" if value >= 0.0005 else "<0.001"
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\u2212")


def listed(numbers: Iterable[float], form: Callable = plain) -> str:
    return ", ".join(map(form, numbers))


def plus(value: float) -> str:
    """A number with its sign, 0 if two digits show no more."""
    return "0" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "\u2212")


def visible(token: str) -> str:
    """A token with its spaces and line breaks made visible."""
    return "".join(VISIBLE.get(c, c) for c in str(token))


def width(text: str, kind: str = "") -> float:
    """How wide a text is at most, in its kind's face."""
    kinds = kind.split()
    face = "DejaVuSans" + "Mono" * ("k" in kinds) + "-Bold" * ("b" in kinds)
    return SIZE * sum(_advance(character, face) for character in text)


def token_width(string: str, least: float = 36, most: float = 150) -> float:
    """How wide a token's box is."""
    return min(max(width(visible(string), "k b") + 16, least), most)


@cache
def _advance(character: str, face: str) -> float:
    """In ems. What the face does not have is square, such as Chinese, or an emoji, and wider."""
    font = get_font(f"{get_data_path()}/fonts/ttf/{face}.ttf")
    if not font.get_char_index(ord(character)):
        return 1.4 if ord(character) >= 0x1F000 else 1.0
    font.set_size(100, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100


def fit(text: str, room: float, kind: str = "") -> str:
    """The text, cut off with an ellipsis where it is wider than the room."""
    cut = text
    while cut and width(cut + "…" * (cut != text), kind) > room:
        cut = cut[:-1]
    return cut if cut == text else cut.rstrip() + "…"


def wrap(text: str, room: float, most: int) -> list[str]:
    """The text in lines no wider than the room, at most so many, the last with an ellipsis."""
    lines = [""]
    for word in str(text).split():
        while word:
            joined = f"{lines[-1]} {word}".lstrip()
            if width(joined) <= room:
                lines[-1], word = joined, ""
            elif lines[-1]:
                lines.append("")
            else:  # longer than a line, or of a language without spaces
                lines[-1] = fit(word, room)[:-1] or word[0]
                word = word[len(lines[-1]) :]
    rest = " ".join(lines[most - 1 :])
    return lines if len(lines) <= most else [*lines[: most - 1], fit(rest, room)]
