"""Fourteen reports from other courses and libraries, and the test that holds each of them here.

REPORTS names where the test is. Those about one line of code are below; the one about time prints
and asserts nothing.
"""

import ast

import pytest
import torch

from minigpt.model import GPT, GPTConfig
from minigpt.pretrain import PretrainConfig, pretrain
from minigpt.show.results import load_results
from minigpt.store.files import ROOT

NOTEBOOKS = "notebooks/test_notebooks.py"
HERE = "places/test_reports.py"
REPORTS = {  # the report: (file in tests/, test)
    "GitHub: 'state' key is missing from metadata.widgets (googlecolab/colabtools#5255)":
        (NOTEBOOKS, "test_edition_ran_in_order_without_errors_or_widgets"),
    "Losses differ on Apple's MPS (rasbt/LLMs-from-scratch#1020)":
        ("engine/test_device.py", "test_auto_takes_cuda_or_else_the_cpu_but_never_mps"),
    "Torch not compiled with CUDA enabled; torch.compile on Windows (karpathy/nanoGPT#293, #304)":
        (HERE, "test_training_on_a_cpu_never_asks_for_cuda"),
    "'gbk' codec can't decode (AllenDowney/ModSimPy#49)":
        ("places/test_locale.py", "test_text_is_opened_with_an_encoding"),
    "Colab: no module of the course's own (practical-nlp/practical-nlp-code#50)":
        ("places/test_bootstrap.py", "test_it_finds_the_course_from_any_folder_in_it_and_twice"),
    "tiktoken's download is blocked (openai/tiktoken#281)":
        (NOTEBOOKS, "test_source_runs_solved_and_offline_from_another_folder"),
    "Colab: pip replaces numpy (unslothai/notebooks#339)":
        ("places/test_colab.py", "test_requirements_change_nothing_that_colab_has"),
    "Workers of a DataLoader hang (pytorch/pytorch#51344)":
        (HERE, "test_no_process_is_forked_and_nothing_is_compiled"),
    "Training is too long for a class (carpentries-lab/deep-learning-intro#53)":
        (HERE, "test_times_of_the_notebooks_are_printed"),
    "Labels are boxes (tensorflow/docs-l10n#200): matplotlib warns, and no edition may warn":
        (NOTEBOOKS, "test_edition_ran_in_order_without_errors_or_widgets"),
    "Stop is ignored while training (ipywidgets#3468)":
        ("places/test_kernels.py", "test_interrupted_and_run_again_equals_uninterrupted"),
    "Binder: the kernel dies from want of memory (eds-book/eds-book#180)":
        ("places/test_memory.py", "test_edition_stays_below_one_gigabyte"),
    "Output and prose disagree (rasbt/LLMs-from-scratch#312)":
        ("test_shipped_figures.py", "test_figure_keeps_its_bound"),
    "nbgrader: a copied cell has the same grade_id (jupyter/nbgrader#1083)":
        ("classroom/grading/test_repair.py",
         "test_a_copied_cell_counts_once_and_the_one_that_was_worked_on_counts"),
}  # fmt: skip
FORBIDDEN = {
    "os.fork", "os.symlink", "torch.compile", "multiprocessing", "torch.multiprocessing",
    "GradScaler", "symlink_to", "num_workers",
}  # fmt: skip


def names_in(tree: ast.AST) -> set[str]:
    """What a program imports, calls and passes; texts, such as a list of names, are none of it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found |= {node.attr, ast.unparse(node)}
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.keyword):
            found.add(node.arg)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{a.name}" for a in node.names)}
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_has_its_test(report):
    file, name = REPORTS[report]
    tree = ast.parse((ROOT / "tests" / file).read_bytes())
    assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}


def test_there_are_fourteen():
    assert len(REPORTS) == 14


@pytest.mark.parametrize("code", [
    "DataLoader(d, num_workers=2)", "import multiprocessing", "from torch import compile",
    "torch.compile(m)", "from os import fork", "p.symlink_to(q)", "torch.amp.GradScaler()",
])  # fmt: skip
def test_the_search_finds_what_it_should(code):
    assert names_in(ast.parse(code)) & FORBIDDEN


def test_no_process_is_forked_and_nothing_is_compiled():
    for path in sorted((ROOT / "minigpt").rglob("*.py")):
        found = names_in(ast.parse(path.read_bytes())) & FORBIDDEN
        if path.name == "box.py":  # whose first process, in a Linux container, is alone and tiny
            found -= {"os.fork"}
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_training_on_a_cpu_never_asks_for_cuda(monkeypatch):
    def refuse():
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch._C, "_cuda_init", refuse, raising=False)
    model = GPT(GPTConfig(vocab_size=50, block_size=16, n_layer=1, n_head=2, n_embd=16))
    tokens = torch.randint(50, (600,), generator=torch.Generator().manual_seed(0)).numpy()
    config = PretrainConfig(batch_size=4, block_size=16, steps=2)
    assert len(list(pretrain(model, tokens.astype("uint16"), config))) >= 2


def test_times_of_the_notebooks_are_printed(say):
    """As minigpt/maintain/notebook_times.py measured them."""
    times = load_results("notebook_times")
    say(f"the notebooks on {times['cores']} cores, seconds: {times['seconds']}")


def test_the_workflow_tests_three_systems_and_what_every_change_must_pass():
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with JupyterLab")
    file = ROOT / ".github" / "workflows" / "test.yml"
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["quick"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.13"]  # texts: 3.10 would be the number 3.1
    commands = {job: [step["run"] for step in jobs[job]["steps"] if "run" in step] for job in jobs}
    sandbox = commands["all"].pop(0)  # which the strict tests of grading need
    assert "apt-get install --yes bubblewrap" in sandbox
    assert commands == {"quick": ["python -m minigpt test --fresh --quick"], "all": [".ci/run"]}
