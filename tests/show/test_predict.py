"""Predictions: kept at the click, closed by the result, never lost, the same text each time."""

import html
import importlib
import json
import threading

import pytest

from minigpt.show import widget
from minigpt.show.predict import FILE, Prediction, outcome, predict, scoreboard
from minigpt.store import words

predictions = importlib.import_module("minigpt.show.predict")  # its name is a function's, too

KEY = "00-test"
LATE = "You have seen the result of this one already, so it is not counted."
OPTIONS = ["the right number", "a <wrong> number", "something else"]


pytestmark = pytest.mark.usefixtures("home")


def ask(key=KEY, options=OPTIONS, right=2):
    """A prediction that was just asked for, with what comes true."""
    return Prediction(key, options, lambda: right)


def on_disk(home):
    return json.loads((home / FILE).read_text(encoding="utf-8"))["en"]


def test_the_static_form_has_every_option_and_so_have_the_buttons():
    prediction = ask()
    assert prediction.static()[0].splitlines() == [
        "Your prediction: choose a, b or c.",
        "  (a) the right number",
        "  (b) a <wrong> number",
        "  (c) something else",
    ]
    labels = [label for label, _ in prediction.toggles.options]
    assert labels == [f"({letter}) {text}" for letter, text in zip("abc", OPTIONS)]
    assert list(prediction.toggles.tooltips) == OPTIONS


def test_nothing_is_chosen_at_first_and_a_click_is_on_disk_at_once(home):
    kept = []
    prediction = Prediction(KEY, OPTIONS, lambda: kept.append(on_disk(home)[KEY]) or 2)
    toggles = prediction.toggles
    assert toggles.value is None and toggles.index is None and prediction.status.value == ""
    assert on_disk(home)[KEY] == {"options": OPTIONS} and not prediction.seen
    toggles.value = 1
    assert kept == [{"options": OPTIONS, "choice": 1}]
    assert [p.name for p in home.iterdir()] == [FILE]  # no half-written file is left


def test_a_click_as_the_browser_sends_it(home):
    ask().toggles._handle_msg(
        {"content": {"data": {"method": "update", "state": {"index": 2}}}, "buffers": []}
    )
    assert on_disk(home)[KEY]["choice"] == 2


def test_an_outcome_tells_and_compares(home):
    ask().toggles.value = 1
    for right, said in (
        (2, "It was (c) something else. You had predicted (b) a <wrong> number."),
        (1, "It was (b) a <wrong> number. That is what you had predicted."),  # on another model
    ):
        assert outcome(KEY, OPTIONS, right) == said
        assert on_disk(home)[KEY] == {"options": OPTIONS, "choice": 1, "right": right}


def test_an_option_that_ends_in_a_stop_gets_no_second_one():
    options = ["Look it up yourself.", "Who knows?", "nothing"]
    prediction = ask(options=options, right=1)
    for choice, said in enumerate(
        ["It was (b) Who knows? You had predicted (a) Look it up yourself.",
         "You have seen the result", "You have seen the result"]
    ):  # fmt: skip
        prediction.toggles.value = choice
        assert prediction.status.value.startswith(said)
    assert outcome(KEY, options, 2).startswith("It was (c) nothing. You had")


def test_without_a_front_end_the_text_is_the_same_each_time(capsys):
    said = []
    for _ in range(3):
        predict(KEY, OPTIONS, lambda: 2)
        said.append(capsys.readouterr().out.replace("\n\n", "\n"))
    assert said[0].splitlines()[-1] == "It was (c) something else."
    views = [[line for line in text.splitlines() if "VBox" not in line] for text in said]
    assert views[0] == views[1] == views[2]


def test_a_click_after_the_result_is_not_counted(home):
    outcome(KEY, OPTIONS, 2)
    for _ in range(2):  # the cell is run again
        prediction = ask()
        prediction.skip.click()
        prediction.toggles.value = 2
        assert prediction.status.value == LATE and "choice" not in on_disk(home)[KEY]
    assert scoreboard().caption == "You have made no predictions yet."


def test_a_choice_cannot_be_changed_after_the_result(home):
    prediction = ask()
    prediction.toggles.value = 0
    prediction.toggles.value = 2
    assert on_disk(home)[KEY]["choice"] == 0 and prediction.status.value == LATE
    prediction.toggles.value = 0
    assert "You had predicted (a)" in prediction.status.value
    assert "0 of 1" in scoreboard().caption


def test_the_choice_is_there_again_when_the_cell_runs_again():
    ask().toggles.value = 1
    again = ask()
    assert again.toggles.value == 1 and again.seen


def test_other_options_are_another_question(home):
    ask().toggles.value = 1
    other = ask(options=["yes", "no"])
    assert other.toggles.value is None and not other.seen
    assert on_disk(home)[KEY] == {"options": ["yes", "no"]}


def test_scoreboard_counts_what_was_predicted_and_shown():
    assert scoreboard().rows == []
    for key, choice, right in [("a", 0, 0), ("b", 0, 1), ("c", 2, None), ("d", None, 1)]:
        prediction = ask(key, right=9 if right is None else right)  # 9: the answer fails
        if choice is None:
            prediction.skip.click()
        else:
            prediction.toggles.value = choice
    ask("e")  # neither predicted nor shown
    table = scoreboard()
    assert "1 of 2" in table.caption
    assert [row[0] for row in table.rows] == ["a", "b", "c", "d"]
    assert [row[3] for row in table.rows] == ["right", "not this time", "", ""]
    assert table.rows[2][2] == "not shown yet" and table.rows[3][1] == "no prediction"
    assert "<wrong>" not in table._repr_html_()


# ---- an answer that is covered ------------------------------------------------------------------


@pytest.fixture
def learner(monkeypatch):
    """Somebody is there to press a button."""
    for module in (predictions, widget):
        monkeypatch.setattr(module, "has_learner", lambda: True)


def answering(right=2, calls=None):
    """An answer, and how often it was asked for."""
    calls = [] if calls is None else calls

    def answer():
        calls.append(right)
        print("It asks <b>back</b>,")
        print("twice.", end="")
        return right

    return calls, answer


def told(prediction):
    """What stands where the answer goes, as text."""
    return html.unescape("".join(part.value for part in prediction.captured.view.children))


def skip(prediction):
    return prediction.skip.layout.display != "none" and prediction.skip


def test_where_nobody_can_choose_the_answer_comes_at_once(home, capsys):
    """As in builds and tests, which need it for the file."""
    calls, answer = answering()
    predict(KEY, OPTIONS, answer)
    lines = [line for line in capsys.readouterr().out.splitlines() if "VBox" not in line]
    assert lines[0] == "Your prediction: choose a, b or c."
    assert lines[4:] == ["It asks <b>back</b>,", "twice.It was (c) something else."]
    assert on_disk(home)[KEY] == {"options": OPTIONS, "right": 2}


def test_an_answer_that_fails_fails_a_build(home):
    with pytest.raises(ZeroDivisionError):
        predict(KEY, OPTIONS, lambda: 1 // 0)
    with pytest.raises(ValueError, match="has options 0 to 2, not 3"):
        predict(KEY, OPTIONS, lambda: 3)


def test_a_learner_sees_the_answer_after_the_choice(learner, home, capsys, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda part, raw=False: shown.append(part))
    calls, answer = answering()
    predict(KEY, OPTIONS, answer)
    assert calls == [] and capsys.readouterr().out == "" and len(shown) == 1
    assert "right" not in on_disk(home)[KEY]
    prediction = Prediction(KEY, OPTIONS, answer)
    assert skip(prediction) and not prediction.captured.view.children
    prediction.toggles.value = 1
    assert calls == [2] and not skip(prediction)
    assert prediction.status.value == (
        "It was (c) something else. You had predicted (b) a &lt;wrong&gt; number."
    )
    (text,) = prediction.captured.view.children
    assert "It asks &lt;b&gt;back&lt;/b&gt;,<br>twice.</pre>" in text.value  # never markup
    assert on_disk(home)[KEY] == {"options": OPTIONS, "choice": 1, "right": 2}
    prediction.toggles.value = 2
    assert calls == [2] and prediction.status.value == LATE and "twice" in told(prediction)
    assert capsys.readouterr().out == ""


def test_skipping_shows_the_answer_and_is_no_choice(learner, home):
    calls, answer = answering()
    prediction = Prediction(KEY, OPTIONS, answer)
    prediction.skip.click()
    assert prediction.status.value == "It was (c) something else." and "twice" in told(prediction)
    prediction.skip.click()
    prediction.toggles.value = 2
    assert calls == [2] and prediction.status.value == LATE
    assert on_disk(home)[KEY] == {"options": OPTIONS, "right": 2}


@pytest.mark.parametrize("choice", [1, None])
def test_who_has_chosen_or_skipped_sees_it_at_once_when_the_cell_runs_again(
    learner, choice, monkeypatch
):
    calls, answer = answering()
    first = Prediction(KEY, OPTIONS, answer)
    first.skip.click() if choice is None else setattr(first.toggles, "value", choice)
    again = []
    present = predictions.present
    monkeypatch.setattr(
        predictions, "present", lambda make: again.append(present(make)) or again[0]
    )
    predict(KEY, OPTIONS, answer)
    assert calls == [2, 2] and again[0].toggles.value == choice
    assert "It was (c) something else." in again[0].status.value and "twice" in told(again[0])


def test_a_covered_answer_reads_its_names_as_they_were_in_its_cell(learner):
    names = {"size": 1}
    exec("def less(n, *, by=3):\n    return n - by + size - 1", names)
    exec("def answer():\n    return less(5)", names)
    prediction = Prediction(KEY, OPTIONS, names["answer"])
    names |= dict.fromkeys(("size", "less", "answer"))  # a later cell has other uses for them
    prediction.toggles.value = 2
    assert prediction.status.value == ("It was (c) something else. That is what you had predicted.")


def test_an_answer_that_fails_says_so_and_is_tried_again(learner, home):
    """The sentence is plain, the traceback folded; what was chosen is kept."""
    tries = iter([lambda: [][7], lambda: 5, lambda: 1])
    prediction = Prediction(KEY, OPTIONS, lambda: next(tries)())
    prediction.toggles.value = 0
    said = prediction.status.value
    assert said.startswith('<div role="alert"><b>This did not work: IndexError: list index')
    assert "<details><summary>" in said and "Traceback (most recent call last)" in said
    assert on_disk(home)[KEY] == {"options": OPTIONS, "choice": 0} and skip(prediction)
    prediction.skip.click()
    assert "has options 0 to 2, not 5" in prediction.status.value
    prediction.skip.click()
    assert prediction.status.value.startswith("It was (b)") and not skip(prediction)


def test_an_error_is_never_markup(learner):
    def answer():
        raise ValueError("<script>alert(1)</script>")

    prediction = Prediction(KEY, OPTIONS, answer)
    prediction.skip.click()
    assert "&lt;script&gt;" in prediction.status.value and "<script" not in prediction.status.value


def test_what_other_threads_print_stays_where_it_belongs(learner, capsys):
    """A run may be watched in a cell while the answer is computed."""

    def answer():
        thread = threading.Thread(target=print, args=["step 7 of 12"])
        thread.start()
        thread.join()
        print("mine")
        return 0

    prediction = Prediction(KEY, OPTIONS, answer)
    prediction.skip.click()
    assert capsys.readouterr().out == "step 7 of 12\n" and "step" not in told(prediction)
    assert "mine" in told(prediction)
    print("and afterwards")
    assert capsys.readouterr().out == "and afterwards\n"


IN_A_KERNEL = """
from IPython.display import SVG, clear_output, display
from minigpt.show import Table, figure, predict, show
from minigpt.show.predict import Prediction
from minigpt.show.widget import has_learner
import ipywidgets

def answer():
    print("gone")
    clear_output()
    print("A table")
    display(Table(["<a>"], [["1"]]))
    show(figure()[0], "Nothing is in it.")
    handle = display("first", display_id=True)
    handle.update({"text/plain": "<second>"}, raw=True)
    display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><title>drawn</title></svg>"))
    display({"image/png": "AAAA"}, metadata={"image/png": {"alt": "another's"}}, raw=True)
    display(ipywidgets.IntSlider())
    return 1
"""
SEEN = """
for part in covered.captured.view.children:
    print(type(part).__name__, str(part.value)[:400])
print(covered.status.value)
"""


def test_in_a_kernel_everything_displayed_comes_after_the_click(kernel):
    kernel.run(IN_A_KERNEL)
    nobody = kernel.run("predict('00-nobody', ['yes', 'no'], answer)", learner=False)
    assert "A table" in nobody and "It was (b) no." in nobody
    assert kernel.run("predict('00-kernel', ['yes', 'no'], answer)") == ""
    comm = kernel.run("covered = Prediction('00-kernel', ['yes', 'no'], answer)\n"
                      "print(covered.toggles.comm.comm_id)")  # fmt: skip
    kernel.until_idle(kernel.use(comm, method="update", state={"index": 0}, buffer_paths=[]))
    text, table, picture, sentence, renewed, *others = kernel.run(SEEN).splitlines()
    drawing, png, slider, *said = others
    assert text.startswith("HTML <pre") and "A table" in text and "gone" not in text
    assert "<table" in table and "&lt;a&gt;" in table
    image = '<img style="max-width:100%" alt="Nothing is in it." src="data:image/png;base64,'
    assert picture.startswith(f'HTML <div class="jp-RenderedHTMLCommon">{image}')
    assert 'alt="another&#x27;s" src="data:image/png;base64,AAAA"' in png
    assert "Nothing is in it." in sentence and "&lt;second&gt;" in renewed
    assert "<svg" in drawing and slider == "IntSlider 0"
    assert said == ["It was (b) no. You had predicted (a) yes."]


# ---- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"\xff\xfe\x00", b"[]", b"7", b'{"en": {"k": {}}}', b'{"en": []}', b"[" * 100_000,
        b'{"en": {"k": {"options": ["a", "b"], "choice": 2}}}',
        b'{"en": {"k": {"options": ["a", "b"], "choice": true}}}',
        b'{"en": {"k": {"options": "ab"}}}',
        b'{"en": {"k": {"options": ["a", "b"], "right": "a"}}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_put_aside_and_nothing_is_lost(damage, home, capsys):
    home.mkdir()
    (home / FILE).write_bytes(damage)
    (home / "predictions.damaged-1.json").write_bytes(b"an older one")
    prediction = ask()
    assert "It is now predictions.damaged-2.json" in capsys.readouterr().out
    prediction.toggles.value = 0
    assert on_disk(home) == {KEY: {"options": OPTIONS, "choice": 0, "right": 2}}
    assert (home / "predictions.damaged-2.json").read_bytes() == damage
    assert (home / "predictions.damaged-1.json").read_bytes() == b"an older one"


def test_damage_found_by_a_click_is_told_beside_the_buttons(home):
    prediction = ask()
    (home / FILE).write_bytes(b"{")
    prediction.toggles.value = 0
    assert "It was (c)" in prediction.status.value and on_disk(home)[KEY]["choice"] == 0
    assert "predictions.damaged-1.json" in prediction.status.value


def test_a_disk_that_refuses_is_told_and_the_prediction_still_counts(home, capsys):
    home.write_text("a file where the folder should be", encoding="utf-8")
    prediction = ask(right=1)
    assert "could not be written to predictions.json" in capsys.readouterr().out
    prediction.toggles.value = 1
    assert "That is what you had predicted." in prediction.status.value
    assert "could not be written to predictions.json" in prediction.status.value
    home.unlink()
    outcome(KEY, OPTIONS, 1)  # now it can be written
    assert on_disk(home)[KEY]["choice"] == 1


def test_right_may_be_any_integer_but_not_outside_the_options():
    import numpy as np

    assert outcome(KEY, OPTIONS, np.int64(2)).startswith("It was (c)")
    for wrong in (3, -1):
        with pytest.raises(ValueError, match="has options 0 to 2"):
            outcome(KEY, OPTIONS, wrong)
    with pytest.raises(TypeError):
        outcome(KEY, OPTIONS, 1.0)


@pytest.mark.parametrize(
    "key, options",
    [("", OPTIONS), (None, OPTIONS), (KEY, ["one"]), (KEY, ["x", "x"]), (KEY, "ab"),
     (KEY, ["a", " "]), (KEY, [1, 2]), (KEY, [str(i) for i in range(9)])],
)  # fmt: skip
def test_bad_questions_are_refused_before_anything_is_kept(key, options, home):
    with pytest.raises(ValueError, match="prediction"):
        predict(key, options, lambda: 0)
    assert not home.exists()


def test_two_options_read_well_and_languages_are_apart(monkeypatch):
    prediction = ask(options=["yes", "no"], right=1)
    assert "choose a or b." in prediction.static()[0]
    prediction.skip.click()
    monkeypatch.setitem(words._in_use, "lang", "zh")
    assert predictions.read() == {}
    assert ask(options=["yes", "no"]).toggles.value is None
