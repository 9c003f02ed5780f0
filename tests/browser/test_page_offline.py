"""The page in a real browser where there is no network: as one file, and after its first visit."""

import functools
import threading
from contextlib import contextmanager

import pytest

from minigpt.commands.page import Handler, http
from minigpt.page import site, writing

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


def test_after_one_visit_it_works_offline_and_a_new_version_takes_its_place_whole(
    page, files, tmp_path, monkeypatch
):
    folder = tmp_path / "site"
    writing.write(folder, files)
    # caches and workers are asked for by promises, whose values are kept where `run` finds them.
    ask = "caches.keys().then((found) => {{ {0} = found.join(' ') }}); window.{0}".format("kept")
    version = {name: f"minigpt-page-{site.json.loads(made[site.MANIFEST])['version']}"
               for name, made in (("old", files),)}  # fmt: skip
    with served(folder) as port:
        answered(page, f"http://127.0.0.1:{port}/")
        page.wait(f"({ask.replace('window.kept', 'true')}) && window.kept === '{version['old']}'")
        page.run("navigator.serviceWorker.ready.then(() => { window.ready = true }); 0")
        page.wait("window.ready")
    answered(page, f"http://127.0.0.1:{port}/")  # nobody serves it any more

    monkeypatch.setattr(site, "SNAPSHOTS", 2)
    newer = site.build()
    version["new"] = f"minigpt-page-{site.json.loads(newer[site.MANIFEST])['version']}"
    writing.write(folder, newer)
    with served(folder, port):
        answered(page, f"http://127.0.0.1:{port}/")
        page.run("navigator.serviceWorker.ready.then((r) => r.update()); 0")
        both = f"['{version['old']}', '{version['new']}'].every((v) => kept.split(' ').includes(v))"
        page.wait(f"({ask.replace('window.kept', 'true')}) && window.kept && {both}")
        steps = "caches.match('data/manifest.json')"
        page.run(f"{steps}.then((r) => r.json()).then((m) => {{ window.seen = m.version }}); 0")
        assert page.wait("window.seen") in version["old"]  # until the last window has closed
    answered(page, f"http://127.0.0.1:{port}/")
    page.wait(f"({ask.replace('window.kept', 'true')}) && window.kept === '{version['new']}'")
