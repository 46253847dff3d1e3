"""The extension built with CUDA kernels, where there is a toolkit but no GPU: it loads, and says what is missing."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cuda_source
import pytest
import torch

from specops import backends

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(cuda_source.toolkit() is None, reason="no CUDA toolkit: nvcc is needed"),
]

OLD_DRIVER = """
extern "C" int cuInit(unsigned) { return 0; }
extern "C" int cuDriverGetVersion(int* version) { *version = 11000; return 0; }
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, its extension built for all GPUs."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "specops", folder / "specops", ignore=shutil.ignore_patterns("_native*", "_cuda_build.txt"))
    build = [sys.executable, "setup.py", "build_ext", "--build-lib", folder, "--build-temp", folder / "objects"]
    run = subprocess.run(build, cwd=ROOT, env=os.environ | {"SPECOPS_CUDA": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    assert list(folder.glob("specops/_native*.so")), run.stderr[-4000:]
    return folder


def python(package: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(package)} | environment
    return subprocess.run(
        [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True, check=False
    )


def test_info_names_the_gpus_that_kernels_are_for(package: Path) -> None:
    run = python(package, "-m", "specops", "info")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "CUDA       kernels for sm_80,sm_90,sm_100\n" in run.stdout
    assert "SPECOPS_CUDA" not in run.stdout
    if (reason := backends.no_gpu()) is not None:
        assert f"cuda: {reason}" in run.stdout


def test_the_cpu_kernels_are_in_it_too(package: Path) -> None:
    code = "import specops, torch; print(specops.hff(torch.ones(4, 4), 1.0).sum())"
    run = python(package, "-c", code, SPECOPS_BACKEND="cpp")
    assert run.stdout == "tensor(16.)\n", run.stderr


def test_a_cuda_kernel_has_no_implementation_for_tensors_on_the_cpu(package: Path) -> None:
    code = "import specops, torch; x = torch.ones(1, 32, 32); "
    code += "torch.ops.specops_native.launch_binned_filter(x, x, x, x, torch.tensor([1, 32, 32, 0]))"
    run = python(package, "-c", code)
    assert "NotImplementedError: Could not run 'specops_native::launch_binned_filter'" in run.stderr


def test_a_driver_that_is_missing_or_too_old_is_said(package: Path, tmp_path: Path) -> None:
    if torch.version.cuda is not None and torch.cuda.is_available():
        pytest.skip("there is a driver")
    code = "from specops import backends; print(backends.no_driver())"
    if ctypes.util.find_library("cuda") is None:
        assert python(package, "-c", code).stdout == (
            "the extension's CUDA runtime finds no device: no driver is installed\n"
        )
    (tmp_path / "old.cpp").write_text(OLD_DRIVER)
    command = ["g++", "-shared", "-fPIC", str(tmp_path / "old.cpp"), "-o", str(tmp_path / "libcuda.so.1")]
    subprocess.run(command, check=True)
    run = python(package, "-c", code, LD_LIBRARY_PATH=str(tmp_path))
    assert run.stdout == (
        "the extension's CUDA runtime finds no device: CUDA driver version is insufficient for CUDA runtime version\n"
    )
