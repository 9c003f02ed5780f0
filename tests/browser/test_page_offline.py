"""The page in a real browser where there is no network: as one file, and after its first visit."""

import functools
import json
import threading
from contextlib import contextmanager

import pytest

from minigpt.commands.page import Handler, http
from minigpt.page import site, writing
from tests.browser.conftest import wait_until

pytestmark = pytest.mark.browser
ASKED = "#ask=What is the capital of France?"
DONE = "[...document.querySelectorAll('[data-stage={}] [data-answer][data-done], "
DONE += "[data-stage={}][data-answer][data-done]')].map((e) => e.textContent).join(' ')"


@pytest.fixture(scope="module")
def files():
    return site.build()


@contextmanager
def served(folder, port=0):
    """The port of a server of the folder."""
    Handler.extensions_map[".js"] = "text/javascript"
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def answered(page, address):
    """Open the page with a question, and wait for answers of all writers."""
    page.call("Page.navigate", url="about:blank")
    page.call("Page.navigate", url=address + ASKED.replace(" ", "%20"))
    found = [page.wait(DONE.replace("{}", stage)) for stage in ("base", "sft", "ppo")]
    assert any("Paris" in text for text in found), found
    assert page.run("document.getElementById('trouble').textContent") == ""


def test_the_one_file_answers_and_asks_for_nothing(page, files, tmp_path):
    file = tmp_path / "four models.html"
    file.write_bytes(writing.single(files))
    answered(page, file.as_uri())
    names = page.run("performance.getEntriesByType('resource').map((r) => r.name).join(' ')")
    assert all(name.startswith(("data:", "blob:")) for name in names.split()), names


def promised(page, script):
    """The value of a promise."""
    found = page.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
    return found["result"].get("value")


def kept(page):
    """The versions of the page that the browser keeps."""
    return set(promised(page, "caches.keys()"))


def test_after_one_visit_it_works_offline_and_a_new_version_takes_its_place_whole(
    page, files, tmp_path, monkeypatch
):
    folder = tmp_path / "site"
    monkeypatch.setattr(site, "SNAPSHOTS", 2)
    newer = site.build()
    old, new = (json.loads(made[site.MANIFEST])["version"] for made in (files, newer))
    seen = "fetch('data/manifest.json').then((r) => r.json()).then((m) => m.version)"
    writing.write(folder, files)
    with served(folder) as port:
        address = f"http://127.0.0.1:{port}/"
        answered(page, address)
        promised(page, "navigator.serviceWorker.ready.then(() => true)")
        assert kept(page) == {f"minigpt-page-{old}"}
    answered(page, address)  # nobody serves it any more
    assert promised(page, seen) == old

    writing.write(folder, newer)
    with served(folder, port):
        answered(page, address)
        promised(page, "navigator.serviceWorker.ready.then((r) => r.update()).then(() => true)")
        wait_until(lambda: len(kept(page)) == 2, "the new version is fetched")
        assert promised(page, seen) == old  # until its last window is loaded again
    answered(page, address)  # loaded again
    wait_until(lambda: kept(page) == {f"minigpt-page-{new}"}, "the old version is dropped")
    assert promised(page, seen) == new
