"""`import specops`: which package Python finds, and what it says where the library is missing or unfit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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


SLOW = [pytest.param(line, marks=pytest.mark.slow) for line in ("import specops", "import specops.nn as layers")]


@pytest.mark.parametrize("line", ["from specops.functional import hff", *SLOW])
def test_the_warning_of_a_pure_torch_package_names_the_users_line(line: str, pure: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import torch\n\ndef load():\n    {line}\n\nload()\n")
    environment = os.environ | {"PYTHONPATH": str(pure)}
    run = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    warning = f"{script}:4: RuntimeWarning: specops runs on its pure-torch reference, which is slower: "
    assert run.stderr.startswith(warning), run.stderr
    assert f"`pip install --editable .` in {pure} builds it\n  {line}\n" in run.stderr
    assert run.stderr.count("\n") == 2


UNFIT = 'extern "C" int aoti_torch_of_another_torch();\nint called = aoti_torch_of_another_torch();\n'


def test_a_library_that_this_torch_does_not_suit_is_not_used(pure: Path, tmp_path: Path) -> None:
    """As one that needs a function which this torch lacks."""
    package = tmp_path / "specops"
    shutil.copytree(pure / "specops", package)
    (tmp_path / "unfit.cpp").write_text(UNFIT)
    compiler = ["g++", "-shared", "-fPIC", "-Wl,-z,now", "unfit.cpp", "-o", package / "_native.so"]
    subprocess.run(compiler, cwd=tmp_path, check=True)
    code = "import specops, torch; print(specops.hff(torch.ones(4, 4), 1.0).sum().item())"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "16.0\n", run.stderr
    assert "specops runs on its pure-torch reference, which is slower: the extension cannot be loaded" in run.stderr
    assert "undefined symbol: aoti_torch_of_another_torch" in run.stderr


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch is built without CUDA")
def test_a_machine_without_gpu_imports_without_a_word_beside_a_torch_for_cuda(tmp_path: Path) -> None:
    code = "import specops; print(specops.backends.no_extension(), specops.backends.no_gpu())"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout.startswith("None no CUDA device: ")
