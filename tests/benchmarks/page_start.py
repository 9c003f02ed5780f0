"""From opening the page with the four models to its first answer and to all twenty, in Chromium.

    python tests/benchmarks/page_start.py

Chromium, its worker and the server share one core, and no file is in the browser's cache. What is
compared with are bounds in seconds: the page may take 1.5 s to its first answer.
"""

import importlib.util
import os
import statistics
import tempfile
from pathlib import Path

from side_by_side import Row, main, skipped

BROWSER = Path(__file__).parents[1] / "browser"
BOUNDS = {"first": 1.5, "all": 5.0}  # seconds
NAMES = {"first": "page to first answer", "all": "page to twenty answers and their scores"}
CLOCK = """
window.took = {};
new MutationObserver(() => {
  const done = document.querySelectorAll("[data-done]").length;
  if (done > 0) took.first ??= performance.now() / 1000;
  if (done >= 20) took.all ??= performance.now() / 1000;
}).observe(document, {subtree: true, childList: true, attributes: true});
"""


def module(name: str):
    """One of tests/browser's files."""
    spec = importlib.util.spec_from_file_location(name, BROWSER / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def rows(args):
    conftest, test_page = module("conftest"), module("test_page")
    if conftest.find_chromium() is None:
        yield from (skipped(name, "there is no Chromium on PATH", 1.0) for name in NAMES.values())
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        profile, there = Path(folder, "profile"), Path(folder, "page")
        profile.mkdir()
        test_page.writing.write(there, test_page.site.build())
        with conftest.running_chromium(profile) as address, test_page.Server(there) as server:
            found = [once(conftest.Page(address), server) for _ in range(1 + args.pairs)][1:]
            server.shutdown()
    for key, name in NAMES.items():
        took = statistics.median(run[key] for run in found)
        ratio = round(BOUNDS[key] / took, 2)
        yield Row(name, ratio, 1.0, None, ratio >= 1, len(found), (None,), round(took, 3),
                  BOUNDS[key], "theirs is the bound")  # fmt: skip


def once(tab, server) -> dict[str, float]:
    """Seconds from opening the page in a new tab to its answers."""
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=CLOCK)
    tab.call("Page.enable")
    tab.call("Page.navigate", url=server.address("ask", "What is the population of Beijing?"))
    found = tab.wait("window.took?.all && window.took")
    tab.close()
    return found


if __name__ == "__main__":
    main(rows, __doc__)
