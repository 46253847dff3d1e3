"""The order of csrc: includes point one way, every header parses alone."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cuda_source
import pytest
from torch.utils.cpp_extension import include_paths

CSRC = cuda_source.CSRC
FILES = sorted(path.relative_to(CSRC) for path in CSRC.rglob("*.*"))
HEADERS = [path for path in FILES if path.suffix in (".h", ".cuh")]
# From bottom to top; a room includes itself and those before it, but one family never the other.
ROOMS = ["common", "simd", "fft", "spectral", "resample", "isa", "bindings.cpp"]
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


def compiled(source: str, *options: str) -> str:
    """What the compiler says of a C++ source."""
    command = ["g++", "-std=c++20", "-w", f"-I{CSRC}", *options, source]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """What the compiler says of a file that includes one header only; by header.

    The definitions that the tests have in place of CUDA's come first for a .cuh, and torch's for a header that includes
    them: both are compiled once.
    """
    folder = tmp_path_factory.mktemp("precompiled")
    shim = [f"-I{cuda_source.toolkit()}/include"]
    torch = [f"-isystem{path}" for path in include_paths()]
    (folder / "torch.h").write_text("#include <ATen/core/Tensor.h>\n")

    def precompile(source: Path, name: str, options: list[str]) -> str:
        return compiled(str(source), *options, "-x", "c++-header", "-o", str(folder / f"{name}.gch"))

    def parse(path: Path) -> str:
        first = []
        if path.suffix == ".cuh":
            first = [*shim, "-include", str(folder / "cuda_shim.h")]
        elif needs_torch(path):
            first = [*torch, "-include", str(folder / "torch.h")]
        return compiled(os.devnull, *first, "-include", str(path), "-fsyntax-only", "-x", "c++")

    with ThreadPoolExecutor() as pool:
        made = [pool.submit(precompile, folder / "torch.h", "torch.h", torch)]
        if cuda_source.toolkit():
            made.append(pool.submit(precompile, SHIM, "cuda_shim.h", shim))
        plain = [path for path in HEADERS if path.suffix == ".h" and not needs_torch(path)]
        found = dict(zip(plain, pool.map(parse, plain), strict=True))
        assert [future.result() for future in made] == [""] * len(made)
        rest = [path for path in HEADERS if path not in found and (path.suffix == ".h" or cuda_source.toolkit())]
        return found | dict(zip(rest, pool.map(parse, rest), strict=True))


@functools.cache
def needs_torch(path: Path) -> bool:
    return "<ATen/" in (CSRC / path).read_text() or any(map(needs_torch, included(path)))


@needs_compiler
@pytest.mark.parametrize("path", HEADERS, ids=str)
def test_headers_parse_alone(path: Path, complaints: dict[Path, str]) -> None:
    text = (CSRC / path).read_text()
    assert text.startswith("#pragma once\n")
    assert needs_torch(path) or not re.search(r"\bat::", text), "a header of ATen is missing"
    if path not in complaints:
        pytest.skip("no CUDA toolkit")
    assert not complaints[path]


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64")
@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_shared_code_is_of_no_instruction_set(isa: str) -> None:
    """Behind the pragma come headers of one instruction set, and the maths that is always inlined."""
    command = ["g++", "-std=c++20", "-E", f"-I{CSRC}", str(CSRC / "isa" / f"{isa}.cpp")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    behind = text.rpartition("#pragma GCC target")[2]
    entered = {Path(name) for name in re.findall(r'^# \d+ "(.*)" 1', behind, re.MULTILINE)}
    of_one = {CSRC / path for path in HEADERS if "namespace specops::SPECOPS_ISA" in (CSRC / path).read_text()}
    assert entered >= of_one
    assert entered - of_one <= {CSRC / "common" / "coefficient.h", CSRC / "simd" / "target.h"}
