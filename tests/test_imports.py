"""What is imported when: a learner waits for it, so nothing comes before it is needed."""

import os
import subprocess
import sys

import pytest

from minigpt.commands import find_commands
from minigpt.store.files import ROOT

NOT_FOR_A_MODEL = {"matplotlib", "ipywidgets", "IPython", "pandas", "transformers", "sympy",
                   "torch._dynamo", "torch._inductor"}  # fmt: skip
NOT_FOR_TEXT = NOT_FOR_A_MODEL | {"torch", "numpy"}


def imported(code: str, among: set[str]) -> set[str]:
    """Which of these modules are there after the code has run in a new Python."""
    code += f"\nimport sys; print(*[name for name in {sorted(among)} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import minigpt",
        "from minigpt.tokenizer import load_tokenizer; load_tokenizer().encode('Paris')",
        "from minigpt.world.facts import load_world; load_world()",
    ],
)
def test_text_needs_no_pytorch(code):
    assert imported(code, NOT_FOR_TEXT) == set()


def test_the_course_needs_no_compiler_and_draws_nothing():
    code = "import minigpt.stages.train, minigpt.arena, minigpt.ppo"
    assert imported(code, NOT_FOR_A_MODEL) == set()


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("base", "complete('The city of')"),
        ("sft", "answer('Where is Paris?')"),
        ("reward", "score('Where is Paris?', 'Paris is in France.')"),
    ],
)
def test_a_trained_model_needs_no_compiler_and_draws_nothing(name, use):
    """PyTorch imports its compiler, and sympy with it, when a layer is made on the meta device."""
    code = f"from minigpt.stages.stage import load_stage; load_stage({name!r}, own=False).{use}"
    assert imported(code, NOT_FOR_A_MODEL) == set()


@pytest.mark.parametrize(
    "module", [c.module for c in find_commands().values() if c.environment is None]
)
def test_a_command_without_an_environment_starts_with_python_alone(module):
    packages = NOT_FOR_TEXT | {"tiktoken", "regex", "safetensors"}
    assert imported(f"import {module}", packages) == set()


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_pytorchs_threads_wait_briefly_unless_somebody_says_how(given, expected):
    """Two notebooks at once are several times slower without (tests/benchmarks/two_kernels.py)."""
    settings = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {k: v for k, v in os.environ.items() if k not in settings} | given
    code = "import minigpt, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.strip() == str(expected)
