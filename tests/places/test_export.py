"""Notebooks as HTML and as PDF: nothing is lost where no kernel and no script runs."""

import base64
import importlib.util
import re
from html.parser import HTMLParser

import pytest

from minigpt.store.files import ROOT

README = ROOT / "README.md"
PAPER, MARGIN = (8.27, 11.69), 0.4  # inches: A4, and the margin that browsers leave
CUT = """
[...document.querySelectorAll('img, pre, table, .jp-OutputArea-output')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth)
  .map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 80)} (${e.scrollWidth})`)
"""

pytestmark = pytest.mark.notebook


class Seen(HTMLParser):
    """What a reader without scripts has: text, headings, and the pictures with their alt texts."""

    def __init__(self):
        super().__init__()
        self.text, self.levels, self.pictures, self.silent = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.pictures.append(dict(attributes).get("alt"))
        self.silent += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.silent -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.silent:
            self.text.append(data)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def html():
    """The HTML of a notebook by nbconvert's default template, made once."""
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert comes with JupyterLab")
    made = {}

    def convert(path) -> str:
        if path not in made:
            made[path] = nbconvert.HTMLExporter().from_filename(str(path))[0]
        return made[path]

    return convert


@pytest.mark.place("HTML (nbconvert)")
def test_html_has_everything_without_scripts(path, html):
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with JupyterLab")
    page = html(path)
    assert "model not found" not in page and "application/vnd.jupyter.widget" not in page
    seen = Seen()
    seen.feed(page)
    assert seen.levels[0] == 1 and seen.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(seen.levels, seen.levels[1:]))
    text = words("".join(seen.text))
    outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", [])]
    for output in outputs:
        if output.output_type == "stream":
            assert words(output.text) in text, "an output that is not on the page"
    drawn = [o.data for o in outputs if "<img " in o.get("data", {}).get("text/html", "")]
    assert drawn and seen.pictures == [data["text/plain"] for data in drawn]
    images = [o.data for o in outputs if any(k.startswith("image/") for k in o.get("data", {}))]
    assert all(data in drawn for data in images)  # nbconvert shows others without an alt text


@pytest.mark.slow
@pytest.mark.place("PDF")
def test_pdf_has_pages_on_which_nothing_is_cut(path, html, tmp_path, say):
    """Printed by a Chromium without a network as README tells, in landscape at that scale."""
    place = ROOT / "tests" / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_conftest", place)
    browser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browser)
    told = re.search(r"print it in landscape at (\d+) %", README.read_text(encoding="utf-8"))
    scale, file = int(told[1]) / 100, tmp_path / "page.html"
    file.write_text(html(path), encoding="utf-8")
    (tmp_path / "profile").mkdir()
    with browser.running_chromium(tmp_path / "profile") as address:
        page = browser.Page(address)
        page.call("Page.navigate", url=file.as_uri())
        page.wait(f"location.href === '{file.as_uri()}' && document.readyState === 'complete'")
        paper = {"paperWidth": PAPER[0], "paperHeight": PAPER[1], "landscape": True}
        pdf = base64.b64decode(page.call("Page.printToPDF", scale=scale, **paper)["data"])
        page.call("Emulation.setEmulatedMedia", media="print")
        page.width = int((PAPER[1] - 2 * MARGIN) * 96 / scale)
        page.resize(1000)
        cut = page.run(CUT)
        page.close()
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    say(f"{path.stem}: {pages} pages")
    assert pdf.startswith(b"%PDF") and pages > 3
    assert cut == []
