"""What setup.py decides: the library or none, CUDA kernels for which GPUs, and what it says where a compiler fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from distributions import HAS_SOURCES, ROOT, run, setup_py

pytestmark = pytest.mark.skipif(not HAS_SOURCES, reason="the tests run on an installed package, without its sources")

DRIVER = """
constexpr int kGpus[] = {GPUS 0};
extern "C" int cuInit(unsigned) { return 0; }
extern "C" int cuDeviceGetCount(int* count) { return *count = sizeof(kGpus) / sizeof(int) - 1, 0; }
extern "C" int cuDeviceGet(int* device, int place) { return *device = place, 0; }
extern "C" int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return *value = attribute == 75 ? kGpus[device] / 10 : kGpus[device] % 10, 0;
}
"""
DECIDED = "import runpy; print(runpy.run_path('setup.py')['cuda']())"


def decided(wanted: str, fails: bool = False, **environment: str) -> str:
    """What setup.py says of CUDA kernels, for a value of SPECOPS_CUDA."""
    told = run(sys.executable, "-c", DECIDED, folder=ROOT, fails=fails, SPECOPS_CUDA=wanted, **environment)
    return told.strip()


@pytest.fixture
def toolkit(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a toolkit, as far as it is known by its files."""
    for name in ("bin/nvcc", "lib64/libcudart_static.a"):
        path = tmp_path / "toolkit" / name
        path.parent.mkdir(parents=True)
        path.touch()
    return {"CUDA_HOME": str(tmp_path / "toolkit"), "SPECOPS_SANITIZE": ""}


def driver(folder: Path, *gpus: int) -> dict[str, str]:
    """The environment of a machine whose driver tells of GPUs of these architectures."""
    source, library = folder / "driver.cpp", folder / "libcuda.so.1"
    source.write_text(DRIVER.replace("GPUS", "".join(f"{gpu}, " for gpu in gpus)))
    run("g++", "-shared", "-fPIC", source, "-o", library, folder=folder)
    return {"LD_LIBRARY_PATH": str(folder)}


@pytest.mark.parametrize(
    ("gpus", "told"),
    [((90,), "architectures=(90,), ptx=False"), ((100, 75, 86), "architectures=(86, 100), ptx=False")],
    ids=str,
)
def test_cuda_kernels_are_for_the_gpus_of_the_machine(
    gpus: tuple[int, ...], told: str, toolkit: dict[str, str], tmp_path: Path
) -> None:
    assert told in decided("", **toolkit, **driver(tmp_path, *gpus))


def test_a_gpu_too_old_is_said(toolkit: dict[str, str], tmp_path: Path) -> None:
    told = decided("", **toolkit, **driver(tmp_path, 75))
    assert told == "the GPU is sm_75; the kernels are for sm_80 and later"


def test_a_machine_without_gpu_gets_no_cuda_kernels_unasked(toolkit: dict[str, str], tmp_path: Path) -> None:
    told = decided("", **toolkit, **driver(tmp_path))
    assert told == "no GPU was found when it was built: the driver has none"


def test_all_gpus_are_asked_for(toolkit: dict[str, str], tmp_path: Path) -> None:
    assert "architectures=(80, 90, 100), ptx=True" in decided("1", **toolkit)
    nowhere = {"CUDA_HOME": str(tmp_path)}
    reason = f"no CUDA toolkit was found (no bin/nvcc and lib64/libcudart_static.a in {tmp_path})"
    assert decided("1", fails=True, **nowhere) == f"SPECOPS_CUDA=1, but {reason}"
    assert decided("", **nowhere) == reason


def test_no_cuda_kernels_are_asked_for(toolkit: dict[str, str]) -> None:
    assert decided("0", **toolkit) == "SPECOPS_CUDA=0 was set"


@pytest.mark.parametrize("wanted", ["auto", "2", "yes"])
def test_another_choice_is_refused(wanted: str) -> None:
    assert decided(wanted, fails=True) == (
        "SPECOPS_CUDA must be 1 (CUDA kernels for all GPUs), 0 (none) or unset (for the GPUs of this machine); "
        f"got {wanted!r}"
    )


def test_what_does_not_compile_fails_the_build(sources: Path) -> None:
    """With the compiler's words, and how far the build is."""
    with (sources / "csrc" / "library.cpp").open("a") as file:
        file.write("#error broken on purpose\n")
    told = setup_py(sources, "build", fails=True)
    assert "[1/" in told
    assert "csrc/library.cpp:" in told
    assert "error: the extension of specops does not compile: csrc/library.cpp" in told
    assert "broken on purpose" in told.splitlines()[-1]


PURE = {
    "asked": ({"SPECOPS_BUILD": "0"}, "it was built with SPECOPS_BUILD=0. "),
    "no compiler": ({"PATH": os.devnull}, "no C++ compiler was found (c++, g++, clang++) when it was built. "),
}


@pytest.mark.parametrize("why", [pytest.param("asked", marks=pytest.mark.slow), "no compiler"])
def test_a_pure_torch_wheel_says_what_mends_it(why: str, sources: Path, tmp_path: Path) -> None:
    environment, reason = PURE[why]
    setup_py(sources, "bdist_wheel", "--dist-dir", tmp_path, **environment)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    shutil.unpack_archive(wheel, tmp_path / "installed", "zip")
    assert not list((tmp_path / "installed" / "specops").glob("*.so"))
    code = "import specops, torch; print(specops.hff(torch.ones(4, 4), 1.0).sum().item())"
    told = run(sys.executable, "-c", code, folder=tmp_path / "installed")
    assert f"which is slower: {reason}" in told
    assert "`pip install --force-reinstall --no-deps .` in its checkout" in told
    assert told.splitlines()[-1] == "16.0"
