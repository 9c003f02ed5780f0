"""Notebooks as HTML and as PDF: nothing is lost where no kernel and no script runs."""

import importlib.util
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from minigpt.commands.common import ROOT

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]

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
            self.pictures.append((dict(attributes).get("alt") or "", len(self.text)))
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
    sentences = [
        output.metadata["image/png"]["alt"] for output in outputs
        if "image/png" in output.get("data", {})
    ]  # fmt: skip
    assert len(seen.pictures) == len(sentences)
    for (alt, position), sentence in zip(seen.pictures, sentences):
        beside = words("".join(seen.text[position : position + 60]))
        assert words(sentence) in beside or words(alt) == words(sentence)


@pytest.mark.slow
@pytest.mark.place("PDF")
def test_pdf_has_pages(path, html, tmp_path):
    """Printed by a Chromium without a network, which is how readers print the page."""
    place = ROOT / "tests" / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_conftest", place)
    browser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browser)
    program = browser.chromium_or_skip()
    page = tmp_path / "page.html"
    page.write_text(html(path), encoding="utf-8")
    pdf = tmp_path / "page.pdf"
    subprocess.run(
        [shutil.which(program), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}",
         "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND",
         f"--print-to-pdf={pdf}", page.as_uri()],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    print(f"{path.stem}: {pages} pages")
    assert pdf.read_bytes().startswith(b"%PDF") and pages > 3
