"""Binder's memory: the kernel of each edition, run in full as binder/start does, is below 1 GB.

Linux counts it: VmHWM is the most that a process ever had in memory. (getrusage would count what
the process was before it became a kernel, too; it is used for the children alone.)
"""

import json
import re
import subprocess
import sys
import time

import pytest

from minigpt.maintain import build
from minigpt.store.files import ROOT

LIMIT = 1000  # MB
PEAK = """
import json, pathlib, re, resource
status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
kernel = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([kernel * 1024 / 1e6, children * 1024 / 1e6]))
"""
FIRST_USE = """
import minigpt.show.live, minigpt.show.figure
from minigpt.stages.stage import load_stage
load_stage("base", lang="en")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="counted by Linux's /proc"),
]


@pytest.mark.notebook
@pytest.mark.place("1 GB of memory (Binder)")
def test_edition_stays_below_one_gigabyte(path, monkeypatch, say):
    pytest.importorskip("nbclient", reason="nbclient comes with JupyterLab")
    start = (ROOT / "binder" / "start").read_text(encoding="utf-8")
    for name, value in re.findall(r"^export (\w+)=(\S+)$", start, re.MULTILINE):
        monkeypatch.setenv(name, value)
    notebook = build.read_notebook(path)
    last = {"cell_type": "code", "id": "peak", "metadata": {}, "source": PEAK, "outputs": []}
    notebook["cells"].append({**last, "execution_count": None})
    start = time.perf_counter()
    done = build.execute(notebook, path.stem)
    seconds = time.perf_counter() - start
    kernel, children = json.loads("".join(done["cells"][-1]["outputs"][0]["text"]))
    say(f"{path.stem:20} {kernel:5.0f} MB, {children:4.0f} MB children, {seconds:4.0f} s")
    assert kernel + children < LIMIT


def test_time_until_the_first_model_is_loaded(say):
    """Printed only: a kernel's process, its imports, the first checkpoint."""
    seconds = []
    for code in ("import ipykernel.ipkernel", "import ipykernel.ipkernel" + FIRST_USE):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        seconds.append(time.perf_counter() - start)
    say(f"a kernel's process {seconds[0]:.1f} s, with imports and a model {seconds[1]:.1f} s")
