"""Another seed: the first run in the cell, the next ones below the button, errors as text."""

import sys

import IPython.display
import pytest
from IPython.core.interactiveshell import InteractiveShell

from minigpt.show.another_seed import KEPT, TEXT, AnotherSeed, another_seed
from minigpt.show.figure import figure, show
from minigpt.show.table import Table

CLICK = {"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []}


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """An IPython shell without a kernel, so that `display` publishes as it does in a notebook."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    before = sys.displayhook
    yield InteractiveShell.instance(history_load_length=0)
    InteractiveShell.clear_instance()
    sys.displayhook = before


def test_first_run_is_the_cells_own_output_then_the_button(capsys, monkeypatch):
    shown, seeds = [], []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    assert another_seed(lambda seed: seeds.append(seed) or print("seed", seed), seed=3) is None
    assert capsys.readouterr().out == "seed 3\n" and seeds == [3]
    assert len(shown) == 1 and "VBox" in type(shown[0]).__name__


def test_a_returned_table_is_displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    another_seed(lambda seed: Table(["seed"], [[seed]]))
    assert isinstance(shown[0], Table) and len(shown) == 2


def test_clicks_run_the_next_seeds_and_show_the_newest_first(capsys):
    widget = AnotherSeed(lambda seed: print(f"result {10 * seed}"), seed=4)
    assert widget.results.value == "" and "seed 4" in widget.status.value
    widget.button.click()
    assert "result 50" in widget.results.value and "seed 5" in widget.status.value
    widget.button._handle_msg(CLICK)  # as the browser sends it
    first, second = (widget.results.value.index(f"result {n}") for n in (60, 50))
    assert first < second and widget.button.disabled is False
    assert "seeds 5 to 6" in widget.status.value
    assert capsys.readouterr().out == ""  # nothing gets out of the widget


def test_only_the_last_runs_are_kept():
    widget = AnotherSeed(lambda seed: print(f"[{seed}]"))
    for _ in range(KEPT + 3):
        widget.button.click()
    assert [seed for seed, _ in widget.runs] == list(range(KEPT + 3, 3, -1))
    assert "[3]" not in widget.results.value and "[4]" in widget.results.value


def test_the_same_seed_gives_the_same_output():
    function = lambda seed: print(hash((seed, "x")) % 997)  # noqa: E731
    one, two = AnotherSeed(function), AnotherSeed(function)
    one.button.click()
    two.button.click()
    assert one.results.value == two.results.value


def test_prints_tables_figures_and_their_order(shell):
    def function(seed):
        print("before <b>")
        IPython.display.display(Table(["a table"], [[seed]]))
        show(figure(2, 1)[0], "A figure with nothing in it.")
        print("a warning", file=sys.stderr)
        return Table(["returned"], [[seed]])

    widget, publisher = AnotherSeed(function), shell.display_pub
    widget.button.click()
    html = widget.results.value
    marks = ["before &lt;b&gt;", "a table", "<img", "A figure with nothing", "a warning",
             "returned"]  # fmt: skip
    places = [html.index(mark) for mark in marks]
    assert places == sorted(places)
    assert 'src="data:image/png;base64,' in html or "A figure" in html
    assert "<b>\n" not in html and "before <b>" not in html
    assert shell.display_pub is publisher  # put back


def test_a_figures_sentence_is_its_alt_text(shell):
    widget = AnotherSeed(lambda seed: show(figure(2, 1)[0], "Two & three."))
    widget.button.click()
    assert 'alt="Two &amp; three."' in widget.results.value


def test_an_error_after_a_click_is_text_and_the_next_click_works(shell):
    def function(seed):
        print("half of it")
        if seed == 1:
            raise RuntimeError("out of <memory>")

    widget, publisher = AnotherSeed(function), shell.display_pub
    widget.button.click()
    html = widget.results.value
    assert "half of it" in html and "RuntimeError: out of &lt;memory&gt;" in html
    assert "Traceback" not in html and shell.display_pub is publisher
    assert widget.button.disabled is False
    widget.button.click()
    assert widget.runs[0][0] == 2 and "RuntimeError" not in widget.runs[0][1]


def test_an_error_of_the_first_run_is_the_cells():
    def function(seed):
        raise RuntimeError("a build has to notice this")

    with pytest.raises(RuntimeError, match="has to notice"):
        another_seed(function)
    with pytest.raises(ValueError, match="needs a function of the seed"):
        another_seed(7)


def test_every_language_has_every_word():
    assert len({frozenset(words) for words in TEXT.values()}) == 1
