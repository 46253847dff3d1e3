"""The order of csrc: includes point one way and never to torch, every header parses alone."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import cuda_source
import pytest

CSRC = cuda_source.CSRC
FILES = sorted(path.relative_to(CSRC) for path in CSRC.rglob("*.*"))
HEADERS = [path for path in FILES if path.suffix in (".h", ".cuh")]
# From bottom to top; a room includes itself and those before it, but one family never the other.
ROOMS = ["common", "simd", "fft", "spectral", "resample", "isa", "numpy", "library.cpp"]
FAMILIES = {"spectral", "resample"}
SHIM = Path(cuda_source.__file__).with_name("cuda_shim.h")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def included(path: Path) -> list[Path]:
    """The headers of csrc that a file names."""
    return [Path(name) for name in re.findall(r'^#include "(.*)"', (CSRC / path).read_text(), re.MULTILINE)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_includes_point_one_way(path: Path) -> None:
    for header in included(path):
        assert (CSRC / header).exists(), f"{header} is not a path from csrc"
        room, other = path.parts[0], header.parts[0]
        assert ROOMS.index(other) <= ROOMS.index(room), f"{room} includes {header}"
        assert room == other or {room, other} != FAMILIES, f"{room} includes {header}"
        if path.name.endswith((".cuh", ".cu")):
            assert "cpu" not in header.parts, f"a GPU kernel includes {header}"
        elif path.parts[1:2] != ("cuda",):
            assert header.suffix == ".h", f"C++ includes {header}"
    others = re.findall(r"^#include <(.*)>", (CSRC / path).read_text(), re.MULTILINE)
    assert path.parts[0] == "numpy" or not [name for name in others if re.match("torch|ATen|c10|Python|pybind", name)]


def complaints(*options: str) -> str:
    """What the compiler says."""
    command = ["g++", "-std=c++17", f"-I{CSRC}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@functools.cache
def precompiled(folder: Path, header: str, *options: str) -> tuple[str, ...]:
    """Options that include a header, compiled once."""
    first = folder / f"includes_{Path(header).name}"
    first.write_text(f'#include "{header}"\n')
    assert not complaints(*options, "-w", "-x", "c++-header", str(first), "-o", f"{first}.gch")
    return (*options, "-include", str(first))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("precompiled")


@needs_compiler
@pytest.mark.parametrize("path", HEADERS, ids=str)
def test_headers_parse_alone(path: Path, folder: Path) -> None:
    """Without a warning; after the definitions that the tests have in place of CUDA's, where it is a .cuh."""
    assert (CSRC / path).read_text().startswith("#pragma once\n")
    first: tuple[str, ...] = ()
    if path.suffix == ".cuh":
        toolkit = cuda_source.toolkit() or pytest.skip("no CUDA toolkit")
        first = precompiled(folder, str(SHIM), f"-I{toolkit}/include")
    warnings = ["-Wall", "-Wno-unused-function", "-Wno-unknown-pragmas"]
    assert not complaints(*first, *warnings, "-include", str(path), "-fsyntax-only", "-x", "c++", os.devnull)


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64")
@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_shared_code_is_of_no_instruction_set(isa: str) -> None:
    """Behind the pragma come headers of one instruction set, and the maths that is always inlined."""
    command = ["g++", "-std=c++17", "-E", f"-I{CSRC}", str(CSRC / "isa" / f"{isa}.cpp")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    behind = text.rpartition("#pragma GCC target")[2]
    entered = {Path(name) for name in re.findall(r'^# \d+ "(.*)" 1', behind, re.MULTILINE)}
    of_one = {CSRC / path for path in HEADERS if "namespace specops::SPECOPS_ISA" in (CSRC / path).read_text()}
    assert entered >= of_one
    assert entered - of_one <= {CSRC / "common" / "coefficient.h", CSRC / "simd" / "target.h"}
