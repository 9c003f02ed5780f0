"""■, resuming, restarting, displays and widgets on four kernels: Colab's, 6.31, Binder's, today's.

Front ends differ here in one thing: JupyterLab and Notebook 7 send what a widget's user does over a
subshell where the kernel has them, VS Code and Colab over the channel that the cells come by.
The run is small but real. It is held at its second look until the test lets it go on, so that each
test knows in which step its ■, click or kill arrives.
"""

import base64
import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytest.importorskip("jupyter_client", reason="Jupyter is absent: pip install -r requirements.txt")

spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernels)

STEPS, LOOKS, HELD = 60, 6, 20
RUN = f"""
import hashlib, threading, time
from pathlib import Path
import numpy as np, torch, ipykernel, ipywidgets, IPython
from minigpt.show.live import live
from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, pretrain

torch.set_num_threads(1)
tokens = np.random.default_rng(0).integers(0, 50, 900).astype(np.uint16)
config = PretrainConfig(batch_size=4, block_size=16, steps={STEPS})

def new_run():
    model = GPT(GPTConfig(vocab_size=50, block_size=16, n_layer=1, n_head=2, n_embd=16))
    return model, pretrain(model, tokens, config)

def trained(model, steps):
    weights = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    return [len(steps), steps[-1].loss, hashlib.sha256(weights).hexdigest()]

def look():
    looks.append(None)
    if len(looks) == {HELD * LOOKS // STEPS}:
        print("held", flush=True)
        while not let_go.exists():
            time.sleep(0.01)
    time.sleep(0.1)  # the time in which a click may be answered
    return 0.0
"""
BUTTON = """
button, answer, clicks = ipywidgets.Button(), ipywidgets.Label(), []

def clicked(button):
    main = threading.current_thread() is threading.main_thread()
    clicks.append(["while it trained" if run.gi_frame else "after it", main])
    answer.value = f"click {len(clicks)}"

button.on_click(clicked)
"""
LIVE = {  # two ways to watch a run; both look after every tenth step
    "await": f"await live(run, held_out=look, looks={LOOKS})",
    "for": f"for done in live(run):\n    if done.step % {STEPS // LOOKS} == 0:\n        look()",
}
WIDGETS = """
from minigpt.stages.stage import load_stage
from minigpt.show.widget import first_question
from minigpt.lessons.tokenization.token_explorer import Explorer
from minigpt.engine.ranks import gpt2
from minigpt.lessons.prompting.prompt_lab import PromptLab

lab = PromptLab(load_stage("base", own=False, quiet=True), first_question())
explorer = Explorer({"GPT-2": gpt2()}, "the land and the island")
"""
ROUTES = {"shell": "VS Code, Colab", "subshell": "JupyterLab, Notebook 7"}
SLOW = [
    pytest.param(name, marks=pytest.mark.slow) for name, more in kernels.VERSIONS.items() if more
]


@pytest.fixture(scope="session", params=["current", *SLOW])
def kernel(request, tmp_path_factory, run):
    packages = kernels.VERSIONS[request.param]
    kernel = kernels.Kernel(tmp_path_factory.mktemp("kernel"), packages, run)
    kernel.run(RUN)
    yield kernel
    kernel.stop()


@pytest.fixture
def let_go(kernel, tmp_path):
    """A new run; its second look ends when this file is made."""
    path = tmp_path / "let_go"
    kernel.run(f"(model, run), looks, let_go = new_run(), [], Path({str(path)!r})")
    return path


@pytest.fixture(params=ROUTES)
def route(request, kernel):
    """How a front end reaches the widgets: the id of a subshell, or None."""
    if request.param == "shell":
        yield None
        return
    if not kernel.has_subshells():
        pytest.skip("this kernel has no subshells: every front end uses its only channel")
    subshell = kernel.control("create_subshell_request")["subshell_id"]
    yield subshell
    kernel.control("delete_subshell_request", subshell_id=subshell)


@pytest.fixture(scope="session")
def uninterrupted(kernel):
    """Steps, last loss and weights of a run in this kernel that nobody watched."""
    kernel.run("plain, steps = new_run()")
    return kernel.value("trained(plain, list(steps))")


def trained(kernel) -> list:
    """The same of the run in hand, whose steps are those that `live` saw."""
    return kernel.value("trained(model, live(run).history.steps)")


def said(frame: dict) -> str:
    return frame["data"]["text/plain"]


def versions(kernel) -> dict[str, str]:
    modules = ("ipykernel", "ipywidgets", "IPython")
    return {m.lower(): kernel.value(f"{m}.__version__") for m in modules}


def test_the_kernel_has_the_versions_it_is_to_have(kernel, request):
    wanted = kernels.VERSIONS[request.node.callspec.params["kernel"]]
    wanted = {r.name: r.specifier for r in map(Requirement, wanted)}
    for name, found in versions(kernel).items():
        assert wanted[name].contains(found) if name in wanted else found == version(name)


@pytest.mark.parametrize("form", LIVE)
def test_interrupted_and_run_again_equals_uninterrupted(kernel, let_go, uninterrupted, form):
    request = kernel.send(LIVE[form])
    kernel.until_printed(request, "held")
    kernel.manager.interrupt_kernel()
    let_go.touch()
    cell = kernel.cell(request)
    message = f"Paused after step {HELD} of {STEPS}. Run this cell again to go on."
    (error,) = cell.contents("error")
    assert cell.status == "error" and error["traceback"] == [message]
    assert cell.text == "held\n" and said(cell.frames[-1]).startswith(f"step {HELD} of {STEPS} · ")
    assert kernel.value("1 + 1") == 2
    again = kernel.run(LIVE[form])
    assert said(again.frames[-1]).startswith(f"done: {STEPS} steps")
    assert trained(kernel) == uninterrupted
    assert uninterrupted[0] == STEPS


def test_cells_that_wait_behind_an_interrupted_one_do_not_run(kernel, let_go):
    request = kernel.send(LIVE["await"])
    kernel.until_printed(request, "held")
    behind = [kernel.send("ran = True"), kernel.send("ran = True")]
    kernel.manager.interrupt_kernel()
    let_go.touch()
    assert kernel.cell(request).status == "error"
    assert [kernel.cell(one).status for one in behind] == ["aborted"] * 2
    assert kernel.value("'ran' in globals()") is False


def test_a_name_that_an_earlier_cell_makes_is_asked_for(kernel):
    """A cell that runs out of order; other errors stay as they are."""
    cell = kernel.cell(kernel.send("not_made_yet"))
    (error,) = cell.contents("error")
    assert cell.status == "error" and error["evalue"] == "name 'not_made_yet' is not defined"
    assert "If a cell further up makes `not_made_yet`, run that cell first." in cell.text
    for other in ("1 / 0", "def f():\n    a = a\nf()"):
        cell = kernel.cell(kernel.send(other))
        assert cell.status == "error" and cell.text == ""
    assert kernel.value("1 + 1") == 2


def test_two_displays_that_are_renewed_and_stay(kernel, let_go):
    let_go.touch()
    cell = kernel.run(LIVE["await"])
    shown, renewed = cell.contents("display_data"), cell.contents("update_display_data")
    ids = [frame["transient"]["display_id"] for frame in shown]
    assert len(set(ids)) == 2 and len(renewed) >= 2 * LOOKS
    for i, frame in enumerate(cell.frames):
        assert frame["transient"]["display_id"] == ids[i % 2]
    for frame, words in zip(cell.frames[::2], cell.frames[1::2]):
        assert base64.b64decode(frame["data"]["image/png"]).startswith(b"\x89PNG\r\n\x1a\n")
        assert frame["metadata"]["image/png"]["alt"] == said(frame) == said(words)
        assert set(words["data"]) == {"text/plain"}
    assert said(renewed[-1]).startswith(f"done: {STEPS} steps")


@pytest.mark.parametrize("form", LIVE)
def test_a_click_while_a_cell_trains_harms_nothing_and_works_afterwards(
    kernel, let_go, uninterrupted, route, form, say
):
    kernel.run(BUTTON)
    button, answer = kernel.value("[button.model_id, answer.model_id]")
    request = kernel.send(LIVE[form])
    kernel.until_printed(request, "held")
    kernel.click(button, route)
    let_go.touch()
    cell = kernel.cell(request)
    assert cell.status == "ok" and said(cell.frames[-1]).startswith(f"done: {STEPS} steps")
    assert trained(kernel) == uninterrupted
    kernel.until_set(answer, "click 1")
    ((when, main),) = kernel.value("clicks")
    where = "on the cell's thread" if main else "on another thread"
    front_ends = ROUTES["subshell" if route else "shell"]
    ipykernel = f"ipykernel {versions(kernel)['ipykernel']}"
    say(f"a click in training: {ipykernel}, {front_ends}, {form}: {when}, {where}")
    kernel.click(button, route)
    kernel.until_set(answer, "click 2")
    assert kernel.value("clicks[1][0]") == "after it"


def test_widgets_follow_their_controls(kernel, route):
    """The front end gets what widgets that a cell makes with the same values show."""
    kernel.run(WIDGETS)
    slider, *bars = kernel.value("[w.model_id for w in [lab.temperature, *lab.bars]]")
    before = kernel.value("[b.value for b in lab.bars]")
    changed = kernel.change(slider, 0.3, route)
    after = [changed[bar].get("value", value) for bar, value in zip(bars, before)]  # some may stay
    kernel.run("same = PromptLab(lab.base, lab.question.value, temperature=0.3)")
    assert after == kernel.value("[b.value for b in same.bars]") != before
    box, status, shown = kernel.value(
        "[w.model_id for w in [explorer.text, explorer.status, explorer.shown]]"
    )
    changed = kernel.change(box, "<|endoftext|>", route)
    kernel.run("same = Explorer(explorer.encodings, '<|endoftext|>')")
    assert "was typed, so it is text" in changed[status]["value"]
    assert changed[shown]["value"] == kernel.value("same.shown.value")


def test_killed_while_it_trains_and_run_from_the_start_reaches_the_same(
    kernel, let_go, uninterrupted
):
    kernel.until_printed(kernel.send(LIVE["await"]), "held")
    kernel.restart()
    assert kernel.value("'run' in globals()") is False
    let_go.touch()
    kernel.run(RUN)
    kernel.run(f"(model, run), looks, let_go = new_run(), [], Path({str(let_go)!r})")
    kernel.run(LIVE["await"])
    assert trained(kernel) == uninterrupted
