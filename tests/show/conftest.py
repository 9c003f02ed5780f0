"""A kernel as a notebook has one, with somebody there or nobody; what it sends is looked at."""

import os

import pytest

from minigpt.store.files import ROOT

WAIT = 60  # seconds; it only ends a test that hangs


class Kernel:
    """`run` runs a cell; `use` is what a browser sends when a control is used."""

    def __init__(self, client) -> None:
        self.client = client

    def run(self, code: str, learner: bool = True) -> str:
        """What a cell prints; an error of it is one of the test."""
        printed = []

        def take(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(
            code, allow_stdin=learner, output_hook=take, timeout=WAIT
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def send(self, code: str) -> str:
        """Begin to run a cell; its message's id."""
        return self.client.execute(code, allow_stdin=True)

    def use(self, comm_id: str, **data) -> str:
        """Send a control's new state, or a click; the message's id."""
        content = {"comm_id": comm_id.strip(), "data": data}
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def until_idle(self, message_id: str) -> list[tuple[str, str]]:
        """All states that the kernel tells, with whose they are, until it is done with this one."""
        seen = []
        while ("idle", message_id) not in seen:
            message = self.client.get_iopub_msg(timeout=WAIT)
            if message["msg_type"] == "status":
                state = message["content"]["execution_state"]
                seen.append((state, message["parent_header"].get("msg_id")))
        return seen


@pytest.fixture(scope="session")
def kernel():
    manager = pytest.importorskip("jupyter_client.manager", reason="it comes with JupyterLab")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    found, client = manager.start_new_kernel(env=env)
    yield Kernel(client)
    client.stop_channels()
    found.shutdown_kernel(now=True)
