"""JupyterLab on a free port, and a headless Chromium that is driven over its DevTools protocol.

Chromium is the program that MINIGPT_CHROMIUM names (none where that is empty), else `chromium`,
`chromium-browser` or `google-chrome` on PATH. Nothing else has to be installed: what speaks with
it, websocket-client, comes with JupyterLab. Whether everybody can read what is shown is asked of
axe-core, which npm installs into a temporary folder; MINIGPT_AXE names an axe.min.js that is there.
"""

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from browser.where import ERRORS
from minigpt.classroom.notebook import to_bytes, with_short_budget
from minigpt.setup.working_copy import without_outputs
from minigpt.store.files import ROOT

WIDTH, HEIGHT, PART = 1280, 1000, 1400  # pixels: of the window, and the height of one screenshot
WAIT = 600  # seconds; it only ends a test that hangs
KEYS = {  # names and codes
    "Tab": 9, "Enter": 13, "Space": 32, "End": 35, "Home": 36,
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETTINGS = {  # all cells in the page, so that a screenshot has them; no news from the network
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
NOTEBOOK = "jupyterapp.shell.currentWidget.content"
KERNEL = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
FOR_EVER = "import asyncio\nwhile True:\n    await asyncio.sleep(0.02)"
FLAGS = [
    "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--no-first-run",
    "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network
    "--hide-scrollbars", "--remote-debugging-port=0", "about:blank",
]  # fmt: skip


def find_chromium() -> str | None:
    """The path of a Chromium, None if there is none."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    if "MINIGPT_CHROMIUM" in os.environ:
        names = [os.environ["MINIGPT_CHROMIUM"]]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def chromium_or_skip() -> str:
    """The path of a Chromium; without one the test is skipped."""
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium: put one on PATH, or its path in MINIGPT_CHROMIUM")
    return program


@contextmanager
def running_chromium(profile: Path) -> Iterator[str]:
    """The address of a running Chromium's DevTools; `profile` is an empty folder."""
    program = chromium_or_skip()
    with open(profile / "log", "wb") as log:
        child = subprocess.Popen(
            [program, f"--user-data-dir={profile}", *FLAGS], stdout=log, stderr=log
        )
    try:
        port = profile / "DevToolsActivePort"
        wait_until(lambda: port.is_file() and port.read_text(encoding="utf-8").strip())
        yield f"127.0.0.1:{port.read_text(encoding='utf-8').split()[0]}"
    finally:
        stop(child)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    with running_chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(scope="session")
def axe_if_any(tmp_path_factory) -> str:
    """The source of axe-core, "" where there is none and npm cannot install it."""
    if "MINIGPT_AXE" in os.environ:
        return Path(os.environ["MINIGPT_AXE"]).read_text(encoding="utf-8")
    there = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", there]
    try:
        subprocess.run([*command, "axe-core"], check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError):
        return ""
    return (there / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def axe(axe_if_any) -> str:
    """The source of axe-core; without it the test is skipped."""
    if not axe_if_any:
        pytest.skip("npm cannot install axe-core here: set MINIGPT_AXE to an axe.min.js")
    return axe_if_any


@pytest.fixture
def lab(request, tmp_path):
    """Starts JupyterLab on a copy of a notebook; `lab(path)` is the address of the copy.

    The copies have no outputs, as the launcher makes them, unless `outputs` are asked for, and lie
    where nothing of the course is above them, as in its lab. The notebooks run with a short budget,
    and under MINIGPT_FAST=1, unless it is set otherwise or `full` is asked for.
    """
    children = []

    def start(path: Path, full: bool = False, outputs: bool = False) -> str:
        work, settings = tmp_path / "work", tmp_path / "settings" / "@jupyterlab"
        work.mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MINIGPT_HOME": str(tmp_path / "home"),
            "MINIGPT_FAST": "0" if full else os.environ.get("MINIGPT_FAST", "1"),
            "JUPYTERLAB_SETTINGS_DIR": str(settings.parent),
            "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        }
        notebook = json.loads(path.read_bytes() if outputs else without_outputs(path))
        if environment["MINIGPT_FAST"] != "0":
            notebook = with_short_budget(notebook)
        (work / path.name).write_bytes(to_bytes(notebook))
        for name, content in SETTINGS.items():
            file = settings / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(tmp_path / "lab.log", "wb") as log:
            children.append(subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
                 f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
                 f"--ServerApp.root_dir={work}", "--IdentityProvider.token=t",
                 "--LabApp.expose_app_in_browser=True"],
                cwd=work, env=environment, stdout=log, stderr=log,
            ))  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{address}/api?token=t"))
        return f"{address}/doc/tree/{path.name}?token=t"

    yield start
    for child in children:
        stop(child)


@pytest.fixture
def page(chromium):
    """A new tab."""
    tab = Page(chromium)
    yield tab
    tab.close()


class Page:
    """A tab: `run` evaluates JavaScript in it, `click` is the mouse, `press` and `type` are the
    keyboard. What they act on is a JavaScript expression that gives an element."""

    def __init__(self, address: str):
        websocket = pytest.importorskip("websocket", reason="websocket-client comes with Jupyter")
        request = urllib.request.Request(f"http://{address}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=60) as response:
            tab = json.load(response)
        self.numbers, self.errors = itertools.count(1), []  # errors: of the console
        self.events: list[dict] = []  # of the protocol's domains that were enabled
        self.socket = websocket.create_connection(
            tab["webSocketDebuggerUrl"], timeout=120, suppress_origin=True
        )
        self.width, self.zoom = WIDTH, 1
        self.call("Runtime.enable")
        self.resize(HEIGHT)

    def call(self, method: str, **parameters) -> dict:
        """One command of the DevTools protocol and its result."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self._hear(answer.get("method"), answer.get("params", {}))
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _hear(self, event: str, told: dict) -> None:
        """Keep what the console calls an error."""
        if event == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] == "error":
            said = [part.get("value", part.get("description", "")) for part in told["args"]]
            self.errors.append(" ".join(map(str, said)))

    def run(self, script: str):
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str):
        """Wait until an expression is true; its value."""
        return wait_until(lambda: self.run(script), script)

    def resize(self, height: int) -> None:
        """Give the window this height in the page's pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=self.width // self.zoom, height=height,
            deviceScaleFactor=self.zoom, mobile=False,
        )  # fmt: skip

    def view(self, theme: str, width: int = WIDTH, zoom: int = 1) -> None:
        """Another theme, another width of the window in pixels, another zoom."""
        theme_is = f"document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'"
        change = f"'apputils:change-theme', {{theme: '{THEMES[theme]}'}}"
        self.run(f"jupyterapp.commands.execute({change}); 0")
        self.wait(theme_is)
        self.width, self.zoom = width, zoom
        self.resize(HEIGHT)
        time.sleep(1)  # it is laid out anew

    def type(self, text: str) -> None:
        """Press the keys of a text, one after the other."""
        for character in text:
            code = ord(character.upper()) if character.isalnum() or character == " " else 0
            of_key = {"key": character, "windowsVirtualKeyCode": code}  # JupyterLab goes by these
            self.call("Input.dispatchKeyEvent", type="keyDown", text=character, **of_key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **of_key)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press one of KEYS."""
        of_key = {
            "key": {"Space": " "}.get(key, key), "code": key, "modifiers": modifiers,
            "windowsVirtualKeyCode": KEYS[key],
        }  # fmt: skip
        texts = {"Enter": "\r", "Space": " "}
        down = {"type": "keyDown", "text": texts[key]} if key in texts else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **down, **of_key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **of_key)

    def fill(self, field: str, text: str) -> None:
        """Click into a field, type a text in place of what is there, and leave it with Tab."""
        self.click(field)
        self.run(f"{field}.select()")
        self.type(text)
        self.press("Tab")

    def click(self, element: str, at: float = 0.5) -> None:
        """Click in the middle of an element, or at another part of its width."""
        middle = f"(r => [r.x + r.width * {at}, r.y + r.height / 2])(e.getBoundingClientRect())"
        seen = None
        while seen != (seen := self.run(  # until it stands still: outputs above may still grow
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); return {middle} }})({element})"
        )):  # fmt: skip
            time.sleep(0.3)
        x, y = seen
        hit = f"(e => e.contains(document.elementFromPoint({x}, {y})))({element})"
        assert self.run(hit), f"something lies over {element}"
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def open_notebook(self, address: str) -> None:
        """Open a notebook in JupyterLab and wait until its kernel is ready."""
        self.call("Page.bringToFront")  # JupyterLab has no current widget without the focus
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Page.navigate", url=address)
        self.wait("!!window.jupyterapp && !!document.querySelector('.jp-Notebook .jp-Cell')")
        self.wait(f"{KERNEL} === 'idle'")

    def run_to(self, cell: str) -> None:
        """Run the cells down to the one with this id, which is then the active one."""
        cells = f"{NOTEBOOK}.widgets"
        at = f"{cells}.findIndex(c => c.model.id === '{cell}')"
        self.run(f"{NOTEBOOK}.activeCellIndex = {at}; 0")
        self.run("jupyterapp.commands.execute('notebook:run-all-above'); 0")
        self.run("jupyterapp.commands.execute('notebook:run-cell'); 0")

    def run_all(self) -> None:
        """Run all cells and wait until they have run.

        The command is over as soon as one cell has failed, as unsolved exercises do, while the
        kernel goes on: so each cell has to have its number, or one of them fails that may not.
        """
        ran = "window.ranAll = false; jupyterapp.commands.execute('notebook:run-all-cells')"
        self.run(f"{ran}.finally(() => {{ window.ranAll = true }}); 0")
        self.wait("window.ranAll")
        code = f"{NOTEBOOK}.widgets.filter(cell => cell.model.type === 'code')"
        self.wait(f"{code}.every(cell => cell.model.executionCount) || ({ERRORS}).length > 0")
        time.sleep(1)  # the last outputs are drawn

    def keep_running(self) -> None:
        """Add a cell below the last one and run it: it awaits something that never comes."""
        last, source = f"{NOTEBOOK}.widgets.length - 1", json.dumps(FOR_EVER)
        self.run(f"""
            {NOTEBOOK}.activeCellIndex = {last};
            jupyterapp.commands.execute('notebook:insert-cell-below').then(() => {{
              {NOTEBOOK}.activeCell.model.sharedModel.setSource({source});
              jupyterapp.commands.execute('notebook:run-cell');
            }}); 0""")
        self.wait(f"{NOTEBOOK}.activeCell.node.textContent.includes('[*]')")

    def screenshots(self, folder: Path, name: str) -> list[Path]:
        """The whole notebook in pictures of one screen each, named NAME-01.png and so on."""
        folder.mkdir(parents=True, exist_ok=True)
        panel = "document.querySelector('.jp-WindowedPanel-outer')"
        self.run(f"{panel}.scrollTop = 0")
        hidden = self.run(f"{panel}.scrollHeight - {panel}.clientHeight")
        self.resize(self.run("window.innerHeight") + hidden + 20)
        time.sleep(1)
        cells = "document.querySelectorAll('.jp-Cell')"
        height = int(self.run(f"[...{cells}].at(-1).getBoundingClientRect().bottom")) + 40
        files = []
        for number, top in enumerate(range(0, height, PART), 1):
            clip = {"x": 0, "y": top, "width": self.width // self.zoom, "scale": 1}
            clip["height"] = min(PART, height - top)
            files.append(self.picture(folder / f"{name}-{number:02}.png", clip=clip))
        self.resize(HEIGHT)
        return files

    def screen(self, folder: Path, name: str) -> Path:
        """What is in the window now, as NAME.png."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.picture(folder / f"{name}.png")

    def picture(self, path: Path, **options) -> Path:
        data = self.call("Page.captureScreenshot", format="png", **options)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def close(self) -> None:
        self.call("Page.close")
        self.socket.close()


def wait_until(ready, what: str = ""):
    """Ask again and again until `ready()` is true; what it gave. TimeoutError after WAIT."""
    end = time.monotonic() + WAIT
    while not (found := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {WAIT} s: {what}")
        time.sleep(0.3)
    return found


def answers(address: str) -> bool:
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def stop(child: subprocess.Popen) -> None:
    """End a process that was started here."""
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
