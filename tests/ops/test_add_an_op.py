"""The diff of CONTRIBUTING.md that adds an op: applied to a copy of the tree, built, and run through the battery."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from specops import backends

ROOT = Path(__file__).parents[2]
DIFF = re.search(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
OP = re.search(r"^\+def (\w+)\(", DIFF, re.MULTILINE)[1]
TORCH = Path(torch.__file__).parent / "lib"


def run(tree: Path, *command: str, **options: str) -> str:
    """Runs a command in the tree and returns what it prints."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SPECOPS_"))}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree, to which the diff is applied."""
    for name in ("specops", "csrc", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    run(tmp_path, "git", "apply", "-", input=DIFF)
    return tmp_path


def battery(tree: Path, backend: str, properties: str = "test") -> None:
    """Runs the quick part on the new op."""
    where = ("-k", f"{backend}-{OP} and ({properties})", "-m", "not slow", "tests/ops/test_battery.py")
    told = run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *where)
    assert re.search(r"^\d+ passed, \d+ deselected", told, re.MULTILINE), told


def rebuild(tree: Path) -> None:
    """Compiles the changed sources as those of the extension were, and links them with the objects of the others."""
    ninja = max(ROOT.glob("build/temp*/build.ninja"), key=lambda path: path.stat().st_mtime).read_text()
    flags = dict(re.findall(r"^(\w+) = (.*)$", ninja, re.MULTILINE))
    before, after = (
        [flag for flag in shlex.split(flags[name]) if flag != "-c" and "SPECOPS_CUDA" not in flag]
        for name in ("cflags", "post_cflags")
    )
    objects = []
    for made, source in re.findall(r"^build (\S+): compile (\S+)$", ninja, re.MULTILINE):
        name = "csrc/" + source.rpartition("/csrc/")[2]
        if f"+++ b/{name}\n" in DIFF:
            made = str(tree / Path(name).with_suffix(".o").name)
            run(tree, *shlex.split(flags["cxx"]), "-Icsrc", *before, "-c", name, "-o", made, *after)
        objects += [] if name.endswith("_cuda.cpp") else [made]
    extension = tree / "specops" / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    libraries = [f"-l{name}" for name in ("c10", "torch", "torch_cpu", "torch_python")]
    made = [*objects, f"-L{TORCH}", *libraries, "-o", str(extension)]
    run(tree, *shlex.split(flags["cxx"]), "-shared", "-fopenmp", *made)


def test_an_op_is_added_on_its_reference(tree: Path) -> None:
    battery(tree, "reference", "value or adjoint or gradients or vmapped")


@pytest.mark.slow
@pytest.mark.skipif(backends.no_extension() is not None, reason=str(backends.no_extension()))
def test_its_kernel_is_built(tree: Path) -> None:
    rebuild(tree)
    battery(tree, "cpp")
