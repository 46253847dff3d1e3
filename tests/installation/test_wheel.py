"""What the distributions hold, and that an installed wheel runs beside the torch of the tests."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from distributions import ROOT, run, setup_py

import specops

LIBRARY = "specops/_native.so"


def test_the_sdist_holds_what_git_holds(made: Path) -> None:
    """But for what only a checkout needs."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    if not listed:
        pytest.skip("the sources are no checkout of git")
    [archive] = made.glob("specops-*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {name for name in listed if not name.startswith(".") and (ROOT / name).exists()} - names == set()
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


def test_the_wheel_is_for_every_python_on_one_platform(wheel: Path) -> None:
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    assert wheel.name == f"specops-{specops.__version__}-py3-none-{platform}.whl"
    with zipfile.ZipFile(wheel) as file:
        [name] = [name for name in file.namelist() if name.endswith(".dist-info/WHEEL")]
        told = message_from_string(file.read(name).decode())
    assert told["Root-Is-Purelib"] == "false"
    assert told.get_all("Tag") == [f"py3-none-{platform}"]


def test_the_wheel_holds_the_package_and_its_library(wheel: Path) -> None:
    """Neither sources of kernels nor pages, and no more of Python than there is in the sources."""
    kinds = ("**/*.py", "**/*.jinja", "py.typed")
    package = {path.relative_to(ROOT).as_posix() for kind in kinds for path in (ROOT / "specops").glob(kind)}
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names - {"specops/_cuda_build.txt"} == package | {LIBRARY}


def test_the_wheel_needs_torch_and_numpy_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        [name] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        told = message_from_string(file.read(name).decode())
    needed = [requirement for requirement in told.get_all("Requires-Dist", []) if "extra ==" not in requirement]
    assert needed == ["torch>=2.10", "numpy"]


def test_an_installed_wheel_runs_its_kernels(installed: Path, tmp_path: Path) -> None:
    code = "import specops, torch; print(specops.__file__, specops.hff(torch.ones(4, 4), 1.0).sum().item())"
    where, value = run(installed, "-W", "error", "-c", code, folder=tmp_path, SPECOPS_BACKEND="cpp").split()
    assert installed.parents[1] in Path(where).parents
    assert value == "16.0"


@pytest.mark.slow
def test_an_installed_wheel_has_its_command(installed: Path, tmp_path: Path) -> None:
    told = run(installed.with_name("specops"), "info", folder=tmp_path)
    assert "extension  built by" in told
    assert re.search(r"^  binned_filter +cpp ", told, re.MULTILINE)


def test_modules_that_are_gone_do_not_stay_in_a_wheel(sources: Path) -> None:
    """setuptools keeps the package of the build before."""
    setup_py(sources, "build")
    [package] = sources.glob("build/lib*/specops")
    (package / "gone.py").touch()
    setup_py(sources, "build")
    assert not (package / "gone.py").exists()
    assert (package.parent / LIBRARY).exists()
