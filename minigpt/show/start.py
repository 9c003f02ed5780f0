"""What a notebook needs before all else; importing this file checks that it is there.

It says what to do where something is missing: a package, or a name that another cell makes.
"""

import importlib
import importlib.util
import inspect
import platform
import sys

from minigpt.store.words import _, use_language

PACKAGES = ("torch", "numpy", "tiktoken", "safetensors", "matplotlib", "ipywidgets")


def require_packages() -> None:
    """ModuleNotFoundError with the line to type if this Python lacks a package of the notebooks,
    before an import fails deep inside another. Nothing is installed: the reader is to decide.
    """
    importlib.invalidate_caches()  # it may have been installed a moment ago, by the line below
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if lacking:
        raise ModuleNotFoundError(
            f"The course needs what this notebook's Python has not: {', '.join(lacking)}.\n"
            "Type this line into a new cell and run it, then run this cell again:\n\n"
            f"    %pip install {' '.join(lacking)}\n\n"
            "If the course has its .venv on this computer, choose that as the notebook's kernel "
            "instead.",
            name=lacking[0],
        )


def shell():
    """The notebook's shell, None elsewhere."""
    ipython = sys.modules.get("IPython")  # a notebook has it already; elsewhere it takes a while
    return ipython.get_ipython() if ipython else None


def keep_widgets_alive() -> None:
    """From now on a widget that is used while an `await` cell runs can be used again.

    The browser holds a control's next value back until the kernel says that it is idle after the
    one before. ipykernel 7.4 takes values while such a cell runs, and does not say so: one letter
    typed meanwhile, and the box was dead for ever.
    """
    kernel = getattr(shell(), "kernel", None)
    dispatch = getattr(kernel, "dispatch_shell", None)
    if not dispatch or "concurrent" not in inspect.signature(dispatch).parameters:
        return  # another version: its widgets wait for the cell, or have a thread of their own

    async def told(message, /, subshell_id=None, *, concurrent=False):
        cell = kernel.get_parent("shell")
        await dispatch(message, subshell_id=subshell_id, concurrent=concurrent)
        if concurrent:
            kernel._publish_status("idle", "shell")  # of the message
            kernel._publish_status("busy", "shell", cell)

    kernel.dispatch_shell = told


def explain_errors() -> None:
    """From now on a failed check, and an exercise that is still open, say their sentence alone;
    where a learner's function fails within a check, its own lines are shown, not the check's; and
    under a NameError stands which cells to run."""
    if found := shell():
        found.set_custom_exc((Exception,), _tell)


def _tell(shell, kind, error, trace, tb_offset=None) -> None:
    said, last = str(error), trace
    while last.tb_next:
        last = last.tb_next
    if kind is NotImplementedError and not said:
        said = _("Not answered yet. Write your lines in place of `raise NotImplementedError()`,\n"
                 "run that cell, and then this one.")  # fmt: skip
    elif kind is not AssertionError or "site-packages" in last.tb_frame.f_code.co_filename:
        said = ""  # somebody else's
    if said:
        shell._showtraceback(kind, error, [said])
    elif watched := _watched(trace):
        lines = [f"{kind.__name__}: {error}"]  # where it could not even be called
        if own := watched.tb_next:
            lines = shell.InteractiveTB.structured_traceback(kind, error, own, tb_offset=0)
        said = _("Called by the check, your function ended in an error of its own:")
        shell._showtraceback(kind, error, [said, *lines])
    else:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)
    if kind is NameError and error.name:  # its subclass is about a function's own names
        print(_("If a cell further up makes `{name}`, run that cell first.\nRestarting the kernel "
                "takes all names away; in JupyterLab, Run > Run All Above Selected Cell makes\n"
                "them again.", name=error.name))  # fmt: skip


def _watched(trace):
    """The place in a traceback where a check calls a learner's function; None if none does."""
    while trace and not (
        trace.tb_frame.f_code.co_name == "watched"
        and trace.tb_frame.f_code.co_filename.endswith("your_own.py")
    ):
        trace = trace.tb_next
    return trace


def environment(lang: str = "en") -> None:
    """Set the language of what the course says from here on, and print one line about this
    machine, to copy into a question or a bug report."""
    import torch

    from minigpt.engine.device import pick_device

    use_language(lang)
    loaded = {name: sys.modules.get(name) for name in ("torch", "ipywidgets", "ipykernel")}
    versions = ", ".join(f"{n} {getattr(m, '__version__', 'missing')}" for n, m in loaded.items())
    where = f"{pick_device()}, {torch.get_num_threads()} thread(s)"
    print(f"Python {platform.python_version()}, {versions}; computing on {where}")


require_packages()
keep_widgets_alive()
explain_errors()
