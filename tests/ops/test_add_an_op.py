"""The diff of CONTRIBUTING.md that adds an op: applied to a copy of the tree, built, and run through the battery."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import specops
from specops import backends

ROOT = Path(__file__).parents[2]
DIFF = re.search(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
OP = re.search(r"^\+def (\w+)\(", DIFF, re.MULTILINE)[1]


def run(tree: Path, *command: str, **options: str) -> str:
    """Runs a command in the tree and returns what it prints."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SPECOPS_"))}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree with the package that runs, to which the diff is applied."""
    for path in (ROOT / "specops", ROOT / "csrc", ROOT / "tests", Path(specops.__file__).parent):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(path, tmp_path / path.name, ignore=ignored, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    run(tmp_path, "git", "apply", "-", input=DIFF)
    return tmp_path


def battery(tree: Path, backend: str, properties: str = "test") -> None:
    """Runs the quick part on the new op."""
    where = ("-k", f"{backend}-{OP} and ({properties})", "-m", "not slow", "tests/ops/test_battery.py")
    told = run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *where)
    assert re.search(r"^\d+ passed, \d+ deselected", told, re.MULTILINE), told


def rebuild(tree: Path) -> None:
    """Compiles what has changed since the library of the checkout was built, and links it with the rest."""
    if not (ROOT / "build").exists():
        pytest.skip("the extension was not built here")
    shutil.copytree(
        ROOT / "build", tree / "build", ignore=lambda folder, names: {"lib", "sanitized", "wheel"} & {*names}
    )
    shutil.copy(ROOT / "setup.py", tree)
    told = run(tree, sys.executable, "setup.py", "build_ext", "--inplace")
    assert told.count("C++ csrc/") == DIFF.count("+++ b/csrc/"), told


def test_an_op_is_added_on_its_reference(tree: Path) -> None:
    battery(tree, "reference", "value or adjoint or gradients or vmapped")


@pytest.mark.slow
@pytest.mark.skipif(backends.no_extension() is not None, reason=str(backends.no_extension()))
def test_its_kernel_is_built(tree: Path) -> None:
    rebuild(tree)
    battery(tree, "cpp")
