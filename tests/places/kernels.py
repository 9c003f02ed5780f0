"""A kernel of given versions, and what a front end sends to it and gets from it.

The packages of the kernel's side go into a folder that the kernel's process finds first; torch,
numpy and matplotlib are those that the tests have. So a few megabytes make another place.
"""

import json
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from minigpt.store.files import ROOT

HANGS = 300  # seconds of silence after which a kernel is given up: a hang must not last for ever
OLD_IPYTHON = ["ipython==7.34.0", "ipython_genutils", "backcall", "pickleshare", "decorator"]
VERSIONS = {  # what differs from the environment of the tests
    "colab": ["ipykernel==6.17.1", "ipywidgets==7.7.1", "nest_asyncio", *OLD_IPYTHON],
    "6.31": ["ipykernel==6.31.0", "ipywidgets>=8.1,<8.2", "nest_asyncio"],
    "binder": ["ipykernel==7.0.1", "ipywidgets>=8.1,<8.2"],
    "current": [],
}


def of(message: dict) -> str | None:
    """The id of the request that a message answers."""
    return message["parent_header"].get("msg_id")


def states(message: dict) -> dict:
    """What a message sets a widget to, if it does."""
    data = message["content"].get("data", {}) if message["msg_type"] == "comm_msg" else {}
    return data["state"] if data.get("method") == "update" else {}


@dataclass
class Cell:
    """What a front end got of one cell: the reply's status, and the messages to show."""

    status: str  # "ok", "error", "aborted"
    messages: list[dict]

    def contents(self, *kinds: str) -> list[dict]:
        return [m["content"] for m in self.messages if m["msg_type"] in kinds]

    @property
    def text(self) -> str:
        return "".join(content["text"] for content in self.contents("stream"))

    @property
    def frames(self) -> list[dict]:
        """The display and what it was renewed with."""
        return self.contents("display_data", "update_display_data")


class Kernel:
    """A running kernel and the one client of it.

    folder: for its files; packages: see VERSIONS; run: what runs pip, as conftest.py has it.
    """

    def __init__(self, folder: Path, packages: list[str], run) -> None:
        paths = [str(ROOT)]
        if packages:
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-input", "--no-deps"]
            run([*pip, "--target", folder / "packages", *packages])
            paths.insert(0, str(folder / "packages"))
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "probe",
            "language": "python",
            "env": {
                "PYTHONPATH": os.pathsep.join(paths),
                "IPYTHONDIR": str(folder / "ipython"),
                "MINIGPT_HOME": str(folder / "home"),
            },
        }
        (folder / "probe").mkdir()
        (folder / "probe" / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name="probe", kernel_spec_manager=specs)
        self.manager.start_kernel(cwd=str(folder))
        self.client, self.told = self.manager.client(), []
        self.client.start_channels()
        self.client.wait_for_ready(timeout=HANGS)

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def restart(self) -> None:
        """Kill the kernel, whatever it does, and start a new one."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=HANGS)

    # ---- cells ------------------------------------------------------------------------------

    def send(self, code: str) -> str:
        """Ask for a cell to be run; gives the request's id."""
        return self.client.execute(code)

    def until(self, wanted) -> None:
        """Wait until the kernel has told, to whatever request, what is `wanted(message)`."""
        found = any(map(wanted, self.told))
        while not found:
            self.told.append(self.client.get_iopub_msg(timeout=HANGS))
            found = wanted(self.told[-1])

    def until_printed(self, request: str, text: str) -> None:
        self.until(lambda m: of(m) == request and text in m["content"].get("text", ""))

    def end(self, request: str) -> list[dict]:
        """All that was told about a request, once the kernel is done with it."""
        self.until(lambda m: of(m) == request and m["content"].get("execution_state") == "idle")
        return [message for message in self.told if of(message) == request]

    def cell(self, request: str) -> Cell:
        """What came of a cell, at its end."""
        while True:
            reply = self.client.get_shell_msg(timeout=HANGS)
            if of(reply) == request:
                return Cell(reply["content"]["status"], self.end(request))

    def run(self, code: str) -> Cell:
        """Run a cell that must go well."""
        cell = self.cell(self.send(code))
        assert cell.status == "ok", "\n".join(cell.contents("error")[0]["traceback"])
        return cell

    def value(self, expression: str):
        """The value of an expression of the kernel."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))").text)

    # ---- widgets ----------------------------------------------------------------------------

    def control(self, kind: str, **content) -> dict:
        """Ask for something on the control channel, which is answered while a cell runs, too."""
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=HANGS)
            if of(reply) == message["header"]["msg_id"]:
                return reply["content"]

    def has_subshells(self) -> bool:
        features = self.control("kernel_info_request").get("supported_features", [])
        return "kernel subshells" in features

    def tell_widget(self, model: str, subshell: str | None = None, **data) -> str:
        """Tell a widget what its user did, as a front end does; gives the message's id."""
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def click(self, model: str, subshell: str | None = None) -> str:
        return self.tell_widget(model, subshell, method="custom", content={"event": "click"})

    def until_set(self, model: str, value) -> None:
        """Wait until a widget is set to a value. ipykernel 7.4 tells no end of what a widget's
        user does while a cell awaits, so the end can't be waited for."""
        self.until(
            lambda m: m["content"].get("comm_id") == model and states(m).get("value") == value
        )

    def change(self, model: str, value, subshell: str | None = None) -> dict[str, dict]:
        """Set a widget's value; gives what the kernel then set widgets to, {model: state}."""
        state = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        changed = defaultdict(dict)
        for message in self.end(self.tell_widget(model, subshell, **state)):
            changed[message["content"].get("comm_id")].update(states(message))
        return changed
