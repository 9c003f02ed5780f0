"""The page command: where it writes, what it refuses, what it serves."""

import json
import shutil
import threading
import urllib.request

import pytest

from minigpt.commands import page
from minigpt.maintain import badges
from minigpt.page import site
from minigpt.stages import stage as stages_module
from minigpt.store.files import Problem


@pytest.fixture
def made(monkeypatch):
    """What `build` was asked for; it gives a page of three files."""
    asked = []

    def build(own=False, links=None):
        asked.append((own, links))
        files = {"index.html": b"<!doctype html>", "a.js": b"1"}
        told = json.dumps({"files": [*files, site.MANIFEST]}).encode()
        return files | {site.MANIFEST: told}

    monkeypatch.setattr(site, "build", build)
    return asked


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")
            if p.is_file()}  # fmt: skip


def test_it_is_written_where_one_says_and_else_at_home(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIGPT_HOME", str(tmp_path / "home"))
    assert page.main([]) == 0 and page.main([str(tmp_path / "site"), "--own"]) == 0
    assert made == [(False, page.links()), (True, page.links())]
    assert set(contents(tmp_path / "home/page")) == {"index.html", "a.js", site.MANIFEST}
    assert contents(tmp_path / "home/page") == contents(tmp_path / "site")
    assert "page --open" in capsys.readouterr().out


def test_what_is_no_page_stays(made, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(Problem, match="thesis.txt, which is no part of a page"):
        page.main([str(tmp_path)])
    with pytest.raises(Problem, match="is no folder"):
        page.main([str(tmp_path / "thesis.txt")])
    assert made == [] and contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_one_file_in_a_language_without_words_is_refused(made, tmp_path):
    with pytest.raises(Problem, match="no page in the language 'xx': choose en"):
        page.main(["--single", str(tmp_path / "page.html"), "--lang", "xx"])
    assert contents(tmp_path) == {}


def test_a_checkpoint_that_is_damaged_is_named(tmp_path, monkeypatch):
    shipped = tmp_path / "checkpoints"
    shutil.copytree(stages_module.SHIPPED / "en", shipped / "en")
    whole = (shipped / "en" / "sft.safetensors").read_bytes()
    (shipped / "en" / "sft.safetensors").write_bytes(whole[:5000])
    monkeypatch.setattr(stages_module, "SHIPPED", shipped)
    with pytest.raises(Problem, match=r"sft\.safetensors is damaged or cut off"):
        page.main([str(tmp_path / "site")])
    assert not (tmp_path / "site").exists()


def test_links_are_those_of_the_repository_once_it_has_a_name(monkeypatch):
    monkeypatch.setattr(badges, "REPOSITORY", "OWNER/minigpt")
    assert page.links() is None
    monkeypatch.setattr(badges, "REPOSITORY", "a-class/course")
    found = page.links()
    assert found["repository"] == "https://github.com/a-class/course" and found["name"] == "course"
    for key, link in (("colab", badges.colab_link), ("binder", badges.binder_link)):
        assert found[key] == link("a-class/course", badges.BRANCH, page.FIRST)


def test_open_serves_the_folder_to_this_computer_alone(made, tmp_path, monkeypatch, capsys):
    servers, opened = [], []
    server_class = page.http.server.ThreadingHTTPServer

    def server(address, handler):
        servers.append(server_class(address, handler))
        return servers[-1]

    def browse(address):
        """What a browser does, while the server serves."""

        def get():
            with urllib.request.urlopen(address.replace("?local", "a.js"), timeout=30) as answer:
                opened.append((answer.headers["Content-Type"], answer.read()))
            servers[0].shutdown()

        threading.Thread(target=get).start()

    monkeypatch.setattr(page.http.server, "ThreadingHTTPServer", server)
    monkeypatch.setattr(page.webbrowser, "open", browse)
    assert page.main([str(tmp_path / "site"), "--open"]) == 0
    assert opened == [("text/javascript", b"1")]
    assert servers[0].server_address[0] == "127.0.0.1"
    assert f"http://127.0.0.1:{servers[0].server_port}/?local" in capsys.readouterr().out


def test_a_port_that_is_taken_is_a_problem(made, tmp_path):
    with page.http.server.HTTPServer(("127.0.0.1", 0), page.Handler) as taken:
        with pytest.raises(Problem, match="give another with --port"):
            page.main([str(tmp_path / "site"), "--open", "--port", str(taken.server_port)])
    with pytest.raises(Problem, match="give another with --port"):
        page.main([str(tmp_path / "site"), "--open", "--port", "70000"])
