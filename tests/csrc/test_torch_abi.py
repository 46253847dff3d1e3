"""What the library needs of torch: functions that its headers declare alike and its libraries define, nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import cuda_source
import pytest
import torch

from specops import _library

CSRC = cuda_source.CSRC
DECLARATIONS = "common/torch_abi.h"
TEXT = (CSRC / DECLARATIONS).read_text()
DECLARED = set(re.findall(r"\b((?:aoti_)?torch_\w+)\(", TEXT))
WEAK = set(re.findall(r"__attribute__\(\(weak\)\)[^;]*?\b((?:aoti_)?torch_\w+)\(", TEXT))  # null where torch has none
TORCH = Path(torch.__file__).parent
HEADERS = ("torch/csrc/inductor/aoti_torch/c/shim.h", "torch/csrc/stable/c/shim.h")
LIBRARY = _library.PATH

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
needs_library = pytest.mark.skipif(not LIBRARY.exists(), reason="the library is not built")
needs_binutils = pytest.mark.skipif(
    not (shutil.which("nm") and shutil.which("readelf")), reason="no nm or readelf: binutils are not installed"
)


def compiled(*options: str) -> subprocess.CompletedProcess[str]:
    """Compiles torch's headers of C functions, with those for CUDA, and what the options say."""
    first = [option for header in HEADERS for option in ("-include", header)]
    command = ["g++", "-std=c++17", "-Wall", "-Werror", "-DUSE_CUDA", "-isystem", str(TORCH / "include"), *first]
    return subprocess.run([*command, *options, "-x", "c++", "/dev/null"], capture_output=True, text=True, check=False)


def complaints(declarations: Path) -> str:
    return compiled("-include", str(declarations), "-fsyntax-only").stderr


@needs_compiler
def test_declarations_are_those_of_torch() -> None:
    assert not complaints(CSRC / DECLARATIONS)
    of_torch = compiled("-E", "-P").stdout
    assert {name for name in DECLARED if not re.search(rf"\b{name}\(", of_torch)} <= WEAK


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            "aoti_torch_get_dim(AtenTensorOpaque* t, int64_t* dim)",
            "aoti_torch_get_dim(AtenTensorOpaque* t, int32_t* dim)",
        ),
        ("int32_t torch_list_size(", "int64_t torch_list_size("),
        ("torch_delete_string(StringOpaque* string)", "torch_delete_string(StringOpaque* string, size_t size)"),
        ("int32_t non_blocking)", "bool non_blocking)"),
        ("int32_t device_index, void** stream)", "int64_t device_index, void** stream)"),
    ],
    ids=["pointer", "result", "argument more", "width", "weak"],
)
def test_a_wrong_declaration_is_an_error(right: str, wrong: str, tmp_path: Path) -> None:
    assert right in TEXT
    planted = tmp_path / "torch_abi.h"
    planted.write_text(TEXT.replace(right, wrong))
    assert re.search(r"error: (conflicting|ambiguating)", complaints(planted))


def symbols(path: Path, which: str) -> list[tuple[str, str]]:
    """Kind and name, with the version where there is one, of a library's dynamic symbols."""
    lines = subprocess.run(["nm", "-D", which, str(path)], capture_output=True, text=True, check=True).stdout
    return [(kind, name) for *_, kind, name in map(str.split, lines.splitlines())]


@needs_library
@needs_binutils
def test_the_library_needs_declared_functions_of_torch_alone() -> None:
    """All else that it leaves undefined has the version of a system library; what is not weak this torch defines."""
    needed = [(kind, name) for kind, name in symbols(LIBRARY, "--undefined-only") if "@" not in name]
    strong = {name for kind, name in needed if kind == "U"}
    assert strong <= DECLARED - WEAK
    assert strong <= {name for _, name in symbols(TORCH / "lib" / "libtorch_cpu.so", "--defined-only")}
    assert {name for kind, name in needed if kind != "U" and "torch" in name} <= WEAK


@needs_library
@needs_binutils
def test_the_library_is_linked_with_torch_and_not_with_python() -> None:
    """libtorch.so brings what is weak: the streams of CUDA."""
    told = subprocess.run(["readelf", "-d", str(LIBRARY)], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", told))
    assert {"libtorch.so", "libtorch_cpu.so"} <= needed
    assert not [name for name in needed if re.match(r"libc10|libtorch_python|libpython|libgomp", name)]
