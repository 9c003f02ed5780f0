"""The entry: old Pythons get a sentence, commands are found and run, problems become messages."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt import __main__ as entry
from minigpt import commands
from minigpt.store import words
from minigpt.store.files import PROGRAM, ROOT, Problem


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_parses_on_old_python_and_needs_the_standard_library_alone(name):
    tree = ast.parse((ROOT / "minigpt" / name).read_text(encoding="utf-8"), feature_version=(3, 6))
    at_top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {a.name for n in at_top if isinstance(n, ast.Import) for a in n.names}
    names |= {node.module for node in at_top if isinstance(node, ast.ImportFrom)}
    assert names <= {"__future__", "os", "sys"}
    assert not any(isinstance(node, (ast.JoinedStr, ast.AnnAssign)) for node in ast.walk(tree))


def test_init_exports_nothing_and_lists_the_files_in_reading_order():
    tree = ast.parse((ROOT / "minigpt" / "__init__.py").read_text(encoding="utf-8"))
    docstring, imports_os, setting = tree.body
    assert ast.unparse(imports_os) == "import os" and isinstance(setting, ast.If)
    text = ast.get_docstring(tree)
    order = "tokenizer model generate pretrain sft reward ppo arena".split()
    places = [text.index(f"{name}.py") for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "platform, folders, expected",
    [
        ("win32", [], "py -3.13 -m minigpt"),
        ("darwin", [], "Apple's developer tools"),
        ("linux", [], "python3.13 -m minigpt"),
    ],
)
def test_old_python_is_told_what_to_install(platform, folders, expected):
    message = entry.too_old((3, 9), platform, folders)
    assert "Python 3.10 or newer; this is Python 3.9" in message
    assert expected in message


@pytest.mark.skipif(sys.platform == "win32", reason="python3.X is a Unix name")
def test_old_python_is_told_of_a_newer_one_that_is_there(tmp_path):
    for name in ("python3.11", "python3.12", "python3.9"):
        (tmp_path / name).touch(mode=0o755)
    assert "python3.12 -m minigpt" in entry.too_old((3, 9), "darwin", [str(tmp_path)])
    assert entry.newer_python([str(tmp_path / "empty")]) is None


def test_old_python_stops_before_anything_else_is_imported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 6))
    monkeypatch.setitem(sys.modules, "minigpt.commands", None)  # an import of it would raise
    assert entry.main() == 1
    assert "3.10 or newer" in capsys.readouterr().err


def test_commands_are_found_by_file_name_with_one_line_each(tmp_path):
    for room in commands.ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / "commands" / "__init__.py").write_text("def main(argv): pass", encoding="utf-8")
    (tmp_path / "maintain" / "helper.py").write_text("def main(): pass", encoding="utf-8")
    source = '"""Flies.\n\nFar."""\nimport nothing_there\nENVIRONMENT = None\n'
    source += "def main(argv): return 0\n"
    (tmp_path / "maintain" / "fly.py").write_text(source, encoding="utf-8")
    (tmp_path / "commands" / "run.py").write_text("def main(argv): return 0\n", encoding="utf-8")
    found = commands.find_commands(tmp_path)
    assert found == {
        "fly": commands.Command("fly", "minigpt.maintain.fly", "Flies.", None),
        "run": commands.Command("run", "minigpt.commands.run", "", "package"),
    }


def test_every_command_has_a_help_line_and_a_known_environment():
    found = commands.find_commands()
    assert {"check", "lab", "reset", "test"} <= set(found)
    for command in found.values():
        assert command.summary, command.name
        assert command.environment in (None, "package", "lab", "test"), command.name
        assert command.summary in commands.help_text(found)


IN_PLAIN_PYTHON = """
import sys
sys.path.insert(0, {root!r})
from minigpt import commands
commands.environment.ensure = lambda *_: sys.exit("it was prepared")
for line in {lines!r}:
    try:
        print("@@", *line)
        print("=>", commands.main(line))
    except SystemExit as left:
        print("=>", left.code)
"""


def test_help_of_each_command_needs_nothing_installed():
    found = commands.find_commands()
    lines = [["--help"], *([name, "--help"] for name in found)]
    lines += [
        ["chat", "--lang", "zh", "-h"],
        ["together", "concept", "--help"],
        ["train", "--fresh", "-h"],
    ]
    code = IN_PLAIN_PYTHON.format(root=str(ROOT), lines=lines)
    command = [sys.executable, "-I", "-S", "-c", code]  # no site-packages
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    told = [part.split("\n=> ") for part in result.stdout.split("@@ ")[1:]]
    assert len(told) == len(lines) and not result.stderr, result.stderr
    for line, (said, status) in zip(lines, told, strict=True):
        assert f"usage: {PROGRAM} {line[0] if line[1:] else ''}" in said and status == "0\n", said


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_needs_nothing_either(option, monkeypatch, capsys):
    monkeypatch.setattr(commands.environment, "ensure", lambda *_: pytest.fail("it was prepared"))
    assert commands.main([option]) == 0
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = capsys.readouterr().out.split()[-1]
    assert f'\nversion = "{version}"\n' in project


def test_what_an_installation_says_is_no_part_of_the_json(monkeypatch, capsys):
    def ensure(kind, fresh):
        print("The course's packages go into .venv")
        return Path("/env/bin/python")

    monkeypatch.setattr(commands.environment, "ensure", ensure)
    monkeypatch.setattr(commands.environment, "hand_over", lambda *_: print("[]"))
    commands.run(["bench", "--json"])
    said = capsys.readouterr()
    assert said.out == "[]\n" and "packages" in said.err
    commands.run(["bench"])
    assert "packages" in capsys.readouterr().out


def test_unknown_command_names_the_near_one(capsys):
    assert commands.main(["chekc"]) == 1
    assert f"Did you mean `{PROGRAM} check`?" in capsys.readouterr().err


def test_lab_is_the_default_and_takes_options(monkeypatch):
    seen = []

    def stop(kind, fresh):
        seen.append((kind, fresh))
        raise Problem("enough")

    monkeypatch.setattr(commands.environment, "ensure", stop)
    assert commands.main([]) == commands.main(["--lang", "zh", "--fresh"]) == 1
    assert commands.main(["test", "--quick"]) == 1
    assert seen == [("lab", False), ("lab", True), ("test", False)]


def test_the_launcher_speaks_the_language_of_the_computer(monkeypatch, capsys):
    monkeypatch.setattr(words, "_in_use", {"lang": "en", "words": {}})
    monkeypatch.setattr(commands.environment, "ensure", lambda kind, fresh: None)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert commands.main(["--lang", "zh"]) == 1
    assert "没有这种语言的笔记本：zh" in capsys.readouterr().err


def test_command_goes_on_inside_the_environment(monkeypatch):
    monkeypatch.setattr(commands.environment, "ensure", lambda kind, fresh: Path("/env/bin/python"))
    monkeypatch.setattr(commands.environment, "hand_over", lambda python, arguments: arguments)
    assert commands.run(["check", "--fresh", "-x"]) == ["check", "-x"]


def test_ctrl_c_is_not_a_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.environment, "ensure", interrupted)
    assert commands.main(["check"]) == 130
    assert "Stopped" in capsys.readouterr().err


def test_paths_for_children(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    monkeypatch.setenv("PATH", "elsewhere")
    commands.set_paths()
    commands.set_paths()  # twice does not repeat them
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "somewhere"]
    assert os.environ["PATH"].split(os.pathsep) == [os.path.dirname(sys.executable), "elsewhere"]


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_reader_that_closes_the_pipe_ends_the_command_quietly():
    code = "import sys; from minigpt import commands; sys.exit(commands.main(['--help']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
