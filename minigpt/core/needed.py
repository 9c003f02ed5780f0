"""Says what to install where a package is missing, before an import fails deep inside another."""

import importlib
import importlib.util

PACKAGES = ("torch", "numpy", "tiktoken", "safetensors", "matplotlib", "ipywidgets")


def require_packages() -> None:
    """ModuleNotFoundError with the line to type if this Python lacks a package of the notebooks.

    Nothing is installed: that is for the reader to decide.
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
