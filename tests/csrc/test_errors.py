"""Which class of exception Python raises for what C++ throws."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cuda_source
import pytest
import torch

from specops import _library

INCLUDES = [f"-I{cuda_source.CSRC}", f"-I{Path(__file__).parent}"]
STUBS = """
#include <cstdio>
#include "common/tensor.h"
#include "torch_stubs.h"

extern "C" {
int32_t aoti_torch_empty_strided(int64_t, const int64_t*, const int64_t*, int32_t, int32_t, int32_t,
                                 AtenTensorOpaque**) { return 1; }
#if defined(TOLD)
static const char* why;
const char* torch_exception_get_what_without_backtrace() { return why; }
#endif
}

int main(int, char** arguments) {
#if defined(TOLD)
  why = arguments[2];
#endif
  const int64_t size = 1;
  try {
    specops::empty({&size, 1}, specops::ScalarType::kFloat, {arguments[1][0] == 'g', 0});
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
}
"""
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
FULL = "CUDA out of memory. Tried to allocate 1 GiB."


CASES: dict[str, tuple[str, str, type[Exception]]] = {  # device and reason, and what is raised
    "a full GPU": ("gpu", FULL, torch.OutOfMemoryError),
    "a GPU that fails": ("gpu", "an illegal memory access was encountered", RuntimeError),
    "a full CPU": ("cpu", FULL, RuntimeError),
}


def program(folder: Path, *options: str) -> Path:
    """A program that allocates in vain and prints what is thrown."""
    made = folder / "program"
    command = ["g++", "-std=c++17", "-no-pie", *INCLUDES, *options, "-Wl,--unresolved-symbols=ignore-all"]
    subprocess.run([*command, "-x", "c++", "-", "-o", made], input=STUBS, text=True, check=True)
    return made


def raised(monkeypatch: pytest.MonkeyPatch, *command: object) -> Exception:
    """What the caller of raw ops makes of what the program prints."""
    text = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout.strip()

    def fail() -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(torch.ops, "specops_native", SimpleNamespace(of_errors=SimpleNamespace(default=fail)))
    with pytest.raises(Exception, match="torch cannot allocate a tensor") as caught:
        _library.raw_op.__wrapped__("of_errors")()
    return caught.value


@needs_compiler
def test_a_full_gpu_has_a_class_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training loops that try a smaller batch look for it."""
    made = program(tmp_path, "-DTOLD")
    for device, reason, expected in CASES.values():
        error = raised(monkeypatch, made, device, reason)
        assert type(error) is expected
        assert reason in str(error)


@needs_compiler
def test_a_gpu_is_taken_for_full_by_a_torch_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(monkeypatch, program(tmp_path), "gpu")
    assert type(error) is torch.OutOfMemoryError
    assert str(error).startswith("CUDA out of memory. ")
