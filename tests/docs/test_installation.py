"""`import specops` finds the installed package wherever Python is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORIGIN = "import importlib.util; spec = importlib.util.find_spec('specops'); print(spec and spec.origin)"


def origin(arguments: list[str], folder: Path) -> str:
    """The file that Python, started in a folder, imports as specops: None where there is none."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("arguments", [["-c", ORIGIN], ["script.py"]], ids=["command", "script"])
def test_a_checkout_in_the_working_folder_does_not_hide_the_package(arguments: list[str], tmp_path: Path) -> None:
    """A checkout named specops has no __init__.py: Python would take it for a namespace package."""
    nowhere, beside = tmp_path / "nowhere", tmp_path / "beside"
    for folder in (nowhere, beside):
        folder.mkdir()
        (folder / "script.py").write_text(ORIGIN)
    (beside / "specops").symlink_to(ROOT)
    installed = origin(arguments, nowhere)
    if installed == "None\n":
        pytest.skip("specops is not installed in this environment, but imported from the working folder")
    assert origin(arguments, beside) == installed
