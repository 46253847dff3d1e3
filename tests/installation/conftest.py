"""Distributions of the package, and a Python that has none but the wheel."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest
from distributions import HAS_SOURCES, ROOT, run, setup_py, unpacked
from filelock import FileLock

SITE_PACKAGES = sysconfig.get_path("purelib")  # of the tests: torch, NumPy


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and a wheel that was built from it, once for all processes of a run.

    The wheel's objects are those of `make setup` where they are there.
    """
    if not HAS_SOURCES:
        pytest.skip("the tests run on an installed package, without its sources")
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "distributions"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            setup_py(ROOT, "egg_info", "--egg-base", own, "sdist", "--dist-dir", unfinished)
            setup_py(unpacked(unfinished, own), "bdist_wheel", "--dist-dir", unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture
def sources(made: Path, tmp_path: Path) -> Path:
    """The unpacked sdist, to be changed."""
    return unpacked(made, tmp_path)


@pytest.fixture(scope="session")
def wheel(made: Path) -> Path:
    [path] = made.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, and what it needs from where the tests have it."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, wheel, folder=folder)
    [packages] = folder.glob("lib/*/site-packages")
    (packages / "torch_of_the_tests.pth").write_text(f"{SITE_PACKAGES}\n")
    return python
