"""Installed packages: which one Python imports, what it says where it has no extension."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import specops

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


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, without the extension."""
    folder = tmp_path_factory.mktemp("pure")
    leave = shutil.ignore_patterns("_native*", "_cuda_build.txt", "__pycache__")
    shutil.copytree(Path(specops.__file__).parent, folder / "specops", ignore=leave)
    return folder


@pytest.mark.parametrize(
    "line", ["import specops", "from specops.functional import hff", "import specops.nn as layers"]
)
def test_the_warning_of_a_pure_torch_package_names_the_users_line(line: str, pure: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import torch\n\ndef load():\n    {line}\n\nload()\n")
    environment = os.environ | {"PYTHONPATH": str(pure)}
    run = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    warning = f"{script}:4: RuntimeWarning: specops runs on its pure-torch reference, which is slower: "
    assert run.stderr.startswith(warning), run.stderr
    assert f"`pip install --editable .` in {pure} builds it\n  {line}\n" in run.stderr
    assert run.stderr.count("\n") == 2
