"""Every link to the repository follows one constant; set and set back, the files are the same."""

import json
import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest

from minigpt.classroom.notebook import read_notebook, to_bytes
from minigpt.maintain import badges
from minigpt.maintain.badges import BRANCH, REPOSITORY
from minigpt.setup import common
from minigpt.store.files import ROOT, NotWritten, Problem

NOTEBOOK = "notebooks/en/01_tokenization.ipynb"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The files with links, and what says that this is the course, in a folder of their own."""
    for path in [ROOT / badges.NAMES, ROOT / "requirements.txt", *badges.linked_files(ROOT)]:
        there = tmp_path / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there)
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    monkeypatch.setattr(common, "ROOT", tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def text_of(folder):
    return {path: data.decode("utf-8") for path, data in contents(folder).items()}


def test_links_are_those_of_colab_and_binder():
    assert badges.colab_link("OWNER/minigpt", "main", NOTEBOOK) == (
        "https://colab.research.google.com/github/OWNER/minigpt/blob/main/"
        "notebooks/en/01_tokenization.ipynb"
    )
    link = badges.binder_link("OWNER/minigpt", "main", NOTEBOOK)
    assert link == f"https://mybinder.org/v2/gh/OWNER/minigpt/main?labpath={NOTEBOOK}"
    odd = "notebooks/en/a b&c=d+e.ipynb"
    assert parse_qs(urlsplit(badges.binder_link("o/n", "b", odd)).query) == {"labpath": [odd]}
    assert badges.colab_link("o/n", "b", odd).endswith("/notebooks/en/a%20b%26c%3Dd%2Be.ipynb")


def test_all_links_of_this_repository_agree(capsys):
    assert badges.main(["--check"]) == 0
    assert capsys.readouterr().out == f"All links name {REPOSITORY}, branch {BRANCH}.\n"


def test_readme_has_both_badges_of_every_notebook():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^\[(.+?)\]: (\S+)$", text, re.M))
    editions = sorted((ROOT / "notebooks" / "en").glob("[0-9]*.ipynb"))
    assert editions
    for path in editions:
        edition, number = path.relative_to(ROOT).as_posix(), path.stem[:2]
        row = re.search(rf"^\| {number} \|.*$", text, re.M).group()
        shown = re.findall(r"\[!\[(.+?)\]\[(.+?)\]\]\[(.+?)\]", row)
        assert [alt for alt, _, _ in shown] == [f"{number} in Colab", f"{number} in Binder"]
        assert [targets[image].rsplit("/")[-1] for _, image, _ in shown] == [
            "colab-badge.svg", "badge_logo.svg"
        ]  # fmt: skip
        assert [targets[label] for _, _, label in shown] == [
            badges.colab_link(REPOSITORY, BRANCH, edition),
            badges.binder_link(REPOSITORY, BRANCH, edition),
        ]


@pytest.mark.parametrize("branch", ["main", "spring-2027_v1.2"])
def test_set_and_set_back_every_byte_is_the_same(copy, branch, capsys):
    before = contents(copy)
    assert badges.main(["--repo", "a-class/my.course_1", "--branch", branch]) == 0
    said = capsys.readouterr().out
    after = text_of(copy)
    unchanged = {path for path, text in after.items() if before[path] == text.encode("utf-8")}
    assert unchanged == {copy / "requirements.txt", copy / "README.zh.md"}
    assert f"{NOTEBOOK}: set (" in said and "git commit" in said and "git push" in said
    owner, name = REPOSITORY.split("/")
    for path, text in after.items():
        assert f"{owner}/{name}" not in text, path
        if path.suffix == ".ipynb":
            assert to_bytes(read_notebook(path)) == text.encode("utf-8")
            assert f"--branch {branch} https://github.com/a-class/my.course_1" in text
            assert f"/github/a-class/my.course_1/blob/{branch}/notebooks/" in text
            assert f"/gh/a-class/my.course_1/{branch}?labpath=notebooks/" in text
    option = "" if branch == "main" else f"--branch {branch} "
    clone = f"git clone --depth 1 {option}https://github.com/a-class/my.course_1"
    assert f"\n{clone} && cd my.course_1\n" in after[copy / "README.md"]
    assert f"\n{clone} /srv/minigpt\n" in after[copy / "TEACHING.md"]

    again = contents(copy)
    assert badges.main(["--repo", "a-class/my.course_1", "--branch", branch]) == 0
    assert "All links name a-class/my.course_1" in capsys.readouterr().out
    assert contents(copy) == again and badges.main(["--check"]) == 0
    assert badges.main(["--repo", REPOSITORY, "--branch", BRANCH]) == 0
    assert contents(copy) == before


def test_check_names_what_is_other_and_changes_nothing(copy, capsys):
    notebook = copy / NOTEBOOK
    text = notebook.read_text(encoding="utf-8")
    link = badges.colab_link(REPOSITORY, BRANCH, NOTEBOOK)
    assert text.count(link) == 1
    other = badges.colab_link("somebody/else", "old", NOTEBOOK)
    notebook.write_bytes(text.replace(link, other).encode("utf-8"))
    before = contents(copy)
    assert badges.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert f"{NOTEBOOK}: differs (1 of 3 link(s))" in said and "README.md" not in said
    assert contents(copy) == before
    assert badges.main(["--repo", REPOSITORY, "--branch", BRANCH]) == 0  # puts it right
    assert notebook.read_text(encoding="utf-8") == text
    assert badges.main(["--check", "--repo", "a/b"]) == 1 and badges.main(["--check"]) == 0


def test_outputs_and_own_notebooks_are_left_alone(copy):
    mine = copy / "notebooks" / "en" / "my_notes.ipynb"
    shutil.copyfile(copy / NOTEBOOK, mine)
    before = mine.read_bytes()
    outputs = [cell.get("outputs") for cell in json.loads(before)["cells"]]
    badges.main(["--repo", "a/b"])
    assert mine.read_bytes() == before
    set_ = json.loads((copy / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    assert [cell.get("outputs") for cell in set_] == outputs


def test_other_addresses_are_no_links_of_the_course():
    text = (
        "see https://github.com/openai/tiktoken, https://colab.research.google.com/notebooks/a.ipynb"
        " and https://mybinder.org/v2/gist/x/y; badges --repo OWNER/NAME"
    )
    assert badges.relink(text, "a/b", "main") == (text, [])
    sentence, before = badges.relink("clone https://github.com/x/y.", "a/b", "main")
    assert sentence == "clone --depth 1 https://github.com/a/b." and before == [
        "clone https://github.com/x/y"
    ]


@pytest.mark.parametrize("fails_at", [0, 1, 5, -1])
def test_after_a_file_that_cannot_be_written_the_next_run_sets_the_rest(
    copy, monkeypatch, fails_at
):
    files, write = list(badges.plan(copy, "a/b", "main")), badges.atomic_write
    refused = files[fails_at]

    def sometimes(path, data):
        if path == refused:
            raise NotWritten(28, "the disk is full", str(path))
        write(path, data)

    monkeypatch.setattr(badges, "atomic_write", sometimes)
    with pytest.raises(Problem, match="the disk is full"):
        badges.main(["--repo", "a/b"])
    assert refused in badges.plan(copy, "a/b", "main")
    monkeypatch.setattr(badges, "atomic_write", write)
    assert badges.main(["--repo", "a/b"]) == 0
    assert not badges.plan(copy, "a/b", "main")


@pytest.mark.parametrize(
    "typed",
    [
        "ada-L/my.course",
        " ada-L/my.course/ ",
        "https://github.com/ada-L/my.course",
        "http://www.github.com/ada-L/my.course.git",
        "HTTPS://GitHub.com/ada-L/my.course/tree/main/notebooks?tab=readme#top",
        "github.com/ada-L/my.course.git/",
        "git@github.com:ada-L/my.course.git",
        "ssh://git@github.com/ada-L/my.course.git",
    ],
)
def test_an_address_will_do_as_well(typed):
    assert badges.read_name(typed) == "ada-L/my.course"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("minigpt", "two parts"),
        ("a/b/c", "two parts"),
        ("", "two parts"),
        ("a/..", "two parts"),
        ("a b/c", "two parts"),
        ('a/b"\nimport os', "two parts"),
        ("-a/b", "two parts"),
        ("https://github.com/a", "two parts"),
        ("https://gitlab.com/a/b", "not on github.com"),
        ("https://github.com.evil.org/a/b", "not on github.com"),
        ("git@gitlab.com:a/b.git", "not on github.com"),
    ],
)
def test_what_is_no_repository_is_refused_with_the_mend(copy, typed, told):
    before = contents(copy)
    with pytest.raises(Problem, match=told) as refused:
        badges.read_name(typed)
    assert "badges --repo OWNER/NAME" in str(refused.value)
    with pytest.raises(Problem):
        badges.main([f"--repo={typed}"])
    assert contents(copy) == before


@pytest.mark.parametrize("branch", ["class/spring", "-x", "a b", 'a"', "a&b", ".."])
def test_a_branch_that_no_link_can_carry_is_refused(copy, branch):
    before = contents(copy)
    with pytest.raises(Problem, match="cannot be set"):
        badges.main(["--repo", "a/b", f"--branch={branch}"])
    assert contents(copy) == before


def test_without_a_name_it_says_what_the_links_name(copy):
    with pytest.raises(Problem, match=f"The links name {REPOSITORY}, branch {BRANCH}"):
        badges.main([])
