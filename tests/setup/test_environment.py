"""Choosing, making and mending the environment, with pip and venv simulated."""

import errno
import os
import platform
import shutil
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from minigpt.setup import common, environment
from minigpt.setup.installing import PipFailed
from minigpt.store.files import Problem, locked


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository in which venv and pip are replaced by quick stand-ins; .calls notes pip's."""
    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    (root / "requirements.txt").write_text("torch>=2.6,<2.14\nnbval\n", encoding="utf-8")
    (root / "pyproject.toml").write_text('test = [\n "pytest",\n]\n', encoding="utf-8")
    for module in (environment, common):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.delenv(environment.HANDED_OVER, raising=False)
    calls = []

    def make(directory):
        python = environment.environment_python(directory)
        python.parent.mkdir(parents=True)
        python.touch()

    def pip(python, arguments):
        assert environment.read_stamp(python.parents[1]) in (environment.UNFINISHED, None)
        calls.append(arguments)

    monkeypatch.setattr(environment, "make", make)
    monkeypatch.setattr(environment, "run_pip", pip)
    monkeypatch.setattr(environment, "settle", lambda directory: None)
    monkeypatch.setattr(environment, "missing", lambda lines, versions: lines)
    monkeypatch.setattr(environment, "has_nvidia", lambda: False)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return namedtuple("Course", "root calls")(root, calls)


def test_running_python_is_used_where_it_has_everything(course, monkeypatch):
    monkeypatch.setattr(environment, "missing", lambda lines, versions: [])
    assert environment.ensure("lab") is None
    assert not (course.root / ".venv").exists()


def test_pip_is_asked_about_versions_outside_of_our_own_environments_alone(course, monkeypatch):
    asked = []
    monkeypatch.setattr(
        environment, "missing", lambda lines, versions: asked.append(versions) or []
    )
    monkeypatch.setattr(sys, "prefix", str(course.root / ".venv"))
    (course.root / ".venv").mkdir()

    def stamped(kind, filling):
        text = environment.stamp_text(course.root / ".venv", filling)
        (course.root / ".venv" / environment.STAMP).write_text(text, encoding="utf-8")
        return environment.ensure(kind)

    assert environment.ensure("lab") is None  # no stamp
    assert stamped("package", "lab") is stamped("lab", "lab") is stamped("lab", "test") is None
    assert stamped("test", "test") is None
    assert stamped("test", "lab") is None
    assert asked == [True, False, False, False, False, True]
    (course.root / "requirements.txt").write_text("torch>=2.7,<2.14\nnbval\n", encoding="utf-8")
    assert environment.ensure("lab") is None
    assert asked[-1]


def test_package_commands_do_not_ask_for_jupyterlab_and_nbval():
    names = {line.split(">")[0] for line in environment.requirements("package")}
    assert "torch" in names and not names & environment.NOT_IMPORTED
    assert set(environment.requirements("lab")) - set(environment.requirements("package"))
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((common.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        extra = project["project"]["optional-dependencies"]["test"]
        assert environment.requirements("test") == [*environment.requirements("lab"), *extra]


def test_first_start_makes_and_fills_the_second_is_instant(course, capsys):
    python = environment.ensure("lab")
    assert python == environment.environment_python(course.root / ".venv")
    said = capsys.readouterr().out
    assert "1.3 GB" in said and "minutes" in said and "0.4 GB" in said
    first, second = course.calls
    assert first[:3] == ["torch>=2.6,<2.14", "--index-url", environment.CPU_INDEX]
    assert {"--retries", "0", "--timeout", "10"} <= set(first)
    assert second[:2] == ["torch>=2.6,<2.14", "nbval"] and environment.CPU_INDEX not in second
    assert environment.ensure("lab") == python
    assert len(course.calls) == 2 and capsys.readouterr().out == ""


def test_tests_have_an_environment_of_their_own(course):
    python = environment.ensure("test")
    assert python.parents[1] == course.root / ".venv-test"
    assert "pytest" in course.calls[-1]


def test_changed_requirements_are_brought_up_to_date_in_place(course):
    directory = environment.ensure("lab").parents[1]
    (directory / "kept").touch()
    (course.root / "requirements.txt").write_text("torch>=2.7,<2.14\nnbval\n", encoding="utf-8")
    environment.ensure("lab")
    assert len(course.calls) == 4 and (directory / "kept").exists()


def test_moved_course_is_noticed(course):
    directory = environment.ensure("lab").parents[1]
    assert environment.read_stamp(directory) == environment.stamp_text(directory, "lab")
    assert environment.stamp_text(course.root / "x" / ".venv", "lab") != environment.stamp_text(
        directory, "lab"
    )


def test_fresh_makes_it_anew_even_where_the_running_python_has_everything(course, monkeypatch):
    directory = environment.ensure("test").parents[1]
    (directory / "old").touch()
    monkeypatch.setattr(environment, "missing", lambda lines, versions: [])
    assert environment.ensure("test", fresh=True).parents[1] == directory
    assert not (directory / "old").exists() and len(course.calls) == 4


def test_vanished_base_python_means_a_new_environment(course):
    python = environment.ensure("lab")
    python.unlink()
    assert environment.ensure("lab").exists() and len(course.calls) == 4


def test_no_cpu_index_with_nvidia_or_outside_linux(course, monkeypatch):
    monkeypatch.setattr(environment, "has_nvidia", lambda: True)
    environment.ensure("lab")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    environment.ensure("test")
    assert len(course.calls) == 2
    assert not any(environment.CPU_INDEX in call for call in course.calls)


def fails_first(course, output):
    """A pip that fails at the CPU index alone."""

    def pip(python, arguments):
        course.calls.append(arguments)
        if environment.CPU_INDEX in arguments:
            raise PipFailed(output)

    return pip


def test_unreachable_cpu_index_falls_back_after_saying_so(course, monkeypatch, capsys):
    monkeypatch.setattr(environment, "run_pip", fails_first(course, "no route"))
    environment.ensure("lab")
    said = capsys.readouterr().out
    assert "torch comes from PyPI" in said and "5.6 GB" in said
    assert len(course.calls) == 2


def test_full_disk_does_not_fall_back_to_the_larger_file(course, monkeypatch):
    full = fails_first(course, "[Errno 28] No space left on device")
    monkeypatch.setattr(environment, "run_pip", full)
    with pytest.raises(Problem, match="disk is full"):
        environment.ensure("lab")
    assert len(course.calls) == 1 and not (course.root / ".venv").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, Problem("no packages")])
def test_failed_installation_leaves_nothing(course, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(environment, "run_pip", fails)
    with pytest.raises((SystemExit, Problem)):
        environment.ensure("lab")
    assert not (course.root / ".venv").exists()


def test_killed_installation_is_made_anew_by_the_next_start(course, capsys):
    half = course.root / ".venv"
    (half / "bin").mkdir(parents=True)
    (half / "half").touch()
    (half / environment.STAMP).write_text(environment.UNFINISHED, encoding="utf-8")
    environment.ensure("lab")
    assert "interrupted" in capsys.readouterr().out
    assert not (half / "half").exists() and environment.read_stamp(half) != environment.UNFINISHED


def test_what_cannot_be_removed_yet_is_still_known_as_ours(course, monkeypatch):
    half = course.root / ".venv"
    (half / "bin").mkdir(parents=True)
    (half / environment.STAMP).write_text(environment.UNFINISHED, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(environment.shutil, "rmtree",
                      lambda path, **_: (path / environment.STAMP).unlink())  # fmt: skip
        assert environment.half_made(half) and environment.half_made(half)
    assert environment.ensure("lab") == environment.environment_python(half)
    assert environment.read_stamp(half) == environment.stamp_text(half, "lab")


def test_a_second_start_waits_for_the_one_that_installs(course, capsys):
    """It neither removes what that one makes, nor makes it again."""
    directory, got = course.root / ".venv", []
    second = threading.Thread(target=lambda: got.append(environment.ensure("lab")))
    with locked(course.root / ".venv.lock"):
        environment.make(directory)
        stamp = directory / environment.STAMP
        stamp.write_text(environment.UNFINISHED, encoding="utf-8")
        second.start()
        said = ""
        while "waiting" not in said:
            said += capsys.readouterr().out
        assert f"process {os.getpid()}, since" in said and str(directory) in said
        assert stamp.is_file() and course.calls == []
        stamp.write_text(environment.stamp_text(directory, "lab"), encoding="utf-8")
    second.join()
    assert got == [environment.environment_python(directory)] and course.calls == []
    assert sorted(path.name for path in course.root.glob(".*")) == [".venv"]


def test_a_second_start_goes_on_where_the_first_one_failed(course, capsys):
    directory, got = course.root / ".venv", []
    second = threading.Thread(target=lambda: got.append(environment.ensure("lab")))
    with locked(course.root / ".venv.lock"):
        second.start()
        while "waiting" not in capsys.readouterr().out:
            pass
    second.join()
    assert got == [environment.environment_python(directory)] and len(course.calls) == 2


def test_somebodys_own_environment_is_filled_and_never_removed(course, monkeypatch):
    theirs = course.root / ".venv"
    environment.make(theirs)
    (theirs / "kept").touch()

    def fails(*_):
        raise PipFailed("Max retries exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(environment, "run_pip", fails)
        with pytest.raises(Problem):
            environment.ensure("lab")
    assert (theirs / "kept").exists()
    environment.ensure("lab")
    assert (theirs / "kept").exists() and environment.read_stamp(theirs)


def test_folder_that_is_no_environment_is_left_alone(course):
    (course.root / ".venv").mkdir()
    (course.root / ".venv" / "diary").touch()
    with pytest.raises(Problem, match="Rename or delete"):
        environment.ensure("lab")
    assert (course.root / ".venv" / "diary").exists()


def test_environment_that_still_lacks_something_does_not_start_itself_for_ever(course, monkeypatch):
    directory = environment.ensure("lab").parents[1]
    monkeypatch.setattr(sys, "prefix", str(directory))
    monkeypatch.setenv(environment.HANDED_OVER, str(directory))
    with pytest.raises(Problem, match="still lacks.*nbval.*--fresh"):
        environment.ensure("lab")
    with pytest.raises(Problem, match="Start with another Python"):
        environment.ensure("lab", fresh=True)


def test_missing_ensurepip_is_said_before_anything_is_made(course, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: name != "ensurepip")
    with pytest.raises(Problem, match="sudo apt install python3-venv"):
        environment.ensure("lab")
    assert not (course.root / ".venv").exists()


@pytest.mark.parametrize(
    "system, machine, words",
    [("Darwin", "x86_64", "Intel"), ("Windows", "ARM64", "Windows for ARM")],
)
def test_machines_without_torch_are_sent_to_colab_or_binder(
    course, monkeypatch, system, machine, words
):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(Problem, match=words) as problem:
        environment.ensure("lab")
    assert "Colab" in str(problem.value) and "Binder" in str(problem.value)
    assert not (course.root / ".venv").exists()


def test_32_bit_python(course, monkeypatch):
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    with pytest.raises(Problem, match="64-bit"):
        environment.ensure("lab")


def test_too_little_disk_is_said_before_anything_is_made(course, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**11, 10**11, 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(Problem, match=r"need 1.8 GB here, and 1.0 GB are free"):
        environment.ensure("lab")
    assert not (course.root / ".venv").exists()


@pytest.mark.parametrize(
    "number, words", [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written to")]
)
def test_full_or_locked_disk_while_making(course, monkeypatch, number, words):
    def fails(directory):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(environment, "make", fails)
    with pytest.raises(Problem, match=words):
        environment.ensure("lab")
    assert not (course.root / ".venv").exists()


def test_wrong_folder(course):
    (course.root / "notebooks").rmdir()
    with pytest.raises(Problem, match="cd minigpt"):
        environment.ensure("lab")


def test_package_installed_by_pip_needs_no_repository(course):
    (course.root / "requirements.txt").unlink()
    assert environment.ensure("package") is None


def test_settle_writes_where_minigpt_is(tmp_path, monkeypatch):
    """In a real, empty environment: a program started anywhere finds the repository's minigpt."""
    directory, elsewhere = tmp_path / "env", tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment.subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True
    )
    environment.settle(directory)
    code = "import minigpt; print(ascii(minigpt.__file__))"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = environment.subprocess.run(
        [str(environment.environment_python(directory)), "-c", code],
        cwd=elsewhere,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert result.stdout.strip() == ascii(str(Path(common.ROOT) / "minigpt" / "__init__.py"))
    assert (directory / environment.KERNEL_SETTINGS).exists()
