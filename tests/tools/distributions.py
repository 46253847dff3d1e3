"""The package as it is installed: its sdist, and commands that build from its sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HAS_SOURCES = (ROOT / "specops" / "__init__.py").exists()  # and with them what the build needs


def run(*command: str | Path, folder: Path, fails: bool = False, **environment: str) -> str:
    """Runs a command in a folder and returns what it prints; that it fails is asked for or an error."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"cwd": folder, "env": inherited | environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(list(map(str, command)), text=True, check=False, **options)
    assert bool(done.returncode) is fails, done.stdout[-4000:]
    return done.stdout


def setup_py(sources: Path, *command: str | Path, fails: bool = False, **environment: str) -> str:
    """Runs a command of setup.py."""
    return run(sys.executable, "setup.py", *command, folder=sources, fails=fails, **environment)


def unpacked(distributions: Path, folder: Path) -> Path:
    """Unpacks the sdist beside the objects that are built already and returns its root."""
    [archive] = distributions.glob("specops-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    sources = folder / archive.name.removesuffix(".tar.gz")
    for objects in ROOT.glob("build/temp*"):
        shutil.copytree(objects, sources / "build" / objects.name)
    return sources
