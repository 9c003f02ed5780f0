"""A real JupyterHub with two users, as TEACHING.md sets it up.

Needs JupyterHub in this environment (pip install jupyterhub) and configurable-http-proxy on PATH
(npm install -g configurable-http-proxy); it is skipped without. Both users are processes of
whoever runs the test, with a home folder each.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from minigpt.classroom.grading.write import read_json
from minigpt.store.files import ROOT

pytest.importorskip("jupyterhub", reason="no JupyterHub here: pip install jupyterhub")
PROXY = shutil.which("configurable-http-proxy")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROXY, reason="no proxy here: npm install -g configurable-http-proxy"),
]
TOKEN = uuid.uuid4().hex
TEST_CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {{"ada", "bob"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "test", "services": ["test"], "scopes": ["admin:servers", "access:servers"]}}
]
"""


def documented() -> str:
    """The configuration that TEACHING.md shows, with this checkout in the place of its folder."""
    text = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(# jupyterhub_config\.py.*?)```", text, re.S).group(1)
    return block.replace("/srv/minigpt", str(ROOT))


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Hub:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, hub_port, api_port = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "jupyterhub_config.py"
        config.write_text(
            documented() + TEST_CONFIG.format(
                port=port, hub_port=hub_port, api_port=api_port, proxy=PROXY, token=TOKEN,
                homes=str(folder / "home" / "{username}"), python=sys.executable,
            ),
            encoding="utf-8",
        )  # fmt: skip
        environment = {
            k: v for k, v in os.environ.items() if k not in ("MINIGPT_HOME", "PYTHONPATH")
        }
        self.log = (folder / "hub.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=folder, env=environment,
            stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def ask(self, path: str, method: str = "GET", body: dict | None = None):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {TOKEN}"},
            data=None if body is None else json.dumps(body).encode(),
        )  # fmt: skip
        with urllib.request.urlopen(request) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def wait(self, path: str) -> dict:
        while self.process.poll() is None:
            try:
                return self.ask(path)
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        raise AssertionError((self.folder / "hub.log").read_text(encoding="utf-8")[-3000:])

    def start_server(self, user: str) -> None:
        self.ask(f"/hub/api/users/{user}/server", "POST", {})
        self.wait(f"/user/{user}/api/status")

    def run(self, user: str, cells: list[str]) -> list[str]:
        """What the cells print in a new kernel of this user's server."""
        kernel = self.ask(f"/user/{user}/api/kernels", "POST", {"name": "python3"})
        return asyncio.run(self.in_kernel(user, kernel["id"], cells))

    async def in_kernel(self, user: str, kernel: str, cells: list[str]) -> list[str]:
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        url = self.url.replace("http", "ws") + f"/user/{user}/api/kernels/{kernel}/channels"
        socket = await websocket_connect(
            HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        )
        printed = []
        for code in cells:
            name = uuid.uuid4().hex
            await socket.write_message(json.dumps({
                "channel": "shell", "parent_header": {}, "metadata": {}, "buffers": [],
                "header": {"msg_id": name, "msg_type": "execute_request", "username": user,
                           "session": "test", "version": "5.3"},
                "content": {"code": code, "silent": False, "store_history": False,
                            "user_expressions": {}, "allow_stdin": False, "stop_on_error": True},
            }))  # fmt: skip
            text, status = "", None
            while status != "idle":
                message = json.loads(await socket.read_message())
                if message["parent_header"].get("msg_id") != name:
                    continue
                content = message["content"]
                assert message["msg_type"] != "error", "\n".join(content["traceback"])
                text += content.get("text", "") if message["msg_type"] == "stream" else ""
                status = content.get("execution_state", status)
            printed.append(text)
        socket.close()
        return printed

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


@pytest.fixture
def hub(tmp_path):
    running = Hub(tmp_path)
    try:
        running.wait("/hub/api/")
        yield running
    finally:
        running.stop()


def test_two_students_work_on_one_installation(hub):
    notebook = read_json(ROOT / "notebooks" / "en" / "00_overview.ipynb")
    bootstrap = next("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    cells = [
        bootstrap,
        "from minigpt.stages.stage import load_stage\n"
        "print(load_stage('sft', quiet=True).answer('Where is Paris?', temperature=0))",
        "from minigpt.store.kept import Kept\n"
        "Kept('note.json', lambda kept: True).change(lambda kept: kept.update(me=ME))",
        "from minigpt.store.files import learner_home; print(learner_home())",
    ]
    shipped = {p: p.read_bytes() for p in (ROOT / "minigpt" / "data").rglob("*.safetensors")}
    homes, answers = {}, {}
    for user in ("ada", "bob"):
        hub.start_server(user)
        printed = hub.run(user, [f"ME = {user!r}", *cells])
        answers[user], homes[user] = printed[2].strip(), Path(printed[4].strip())
    assert "France" in answers["ada"] and answers["ada"] == answers["bob"]
    for user, home in homes.items():
        assert home == hub.folder / "home" / user / ".minigpt"
        kept = json.loads((home / "note.json").read_text(encoding="utf-8"))
        assert kept["me"] == user
    assert {p: p.read_bytes() for p in shipped} == shipped
