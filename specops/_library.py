"""The compiled library of kernels: where it is, why it may not be loaded, and what it tells of itself."""

from __future__ import annotations

import ctypes
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from specops import _torch

PATH = Path(__file__).with_name("_native.so")
CLASSES = {each.__name__: each for each in (TypeError, ValueError, torch.OutOfMemoryError)}
TELLS = ("build_info", "isa", "isa_error", "cuda_missing", "registration_error")  # C functions that return text


@functools.cache
def no_extension() -> str | None:
    """Returns why the library is not loaded, or None where it is: torch then knows its ops."""
    if not PATH.exists():
        unbuilt = f"the extension is not built. `pip install --editable .` in {PATH.parents[1]} builds it"
        return note("_native_build.txt") or unbuilt
    try:
        torch.ops.load_library(PATH)
    except OSError as error:
        return f"the extension cannot be loaded beside torch {torch.__version__}: {error.__cause__ or error}"
    _loaded().specops_let_python_choose()
    if reason := told("registration_error"):
        return f"the extension cannot register its ops with torch {torch.__version__}: {reason}"
    return None


def library_path() -> str:
    """Returns the path of the compiled library, which runs the ops on CPU tensors without this package.

    A process that has torch alone calls torch.ops.load_library of it, or dlopen in C++, before it runs a program that
    torch.export and AOTInductor or TorchScript have saved. On a GPU the ops need `import specops`: launches are
    planned in Python.

    Returns:
        The absolute path of a shared library of this platform.

    Raises:
        RuntimeError: there is no library that this torch can load; says why.

    Example:
        >>> import torch, specops
        >>> torch.ops.load_library(specops.library_path())
        >>> specops.library_path().endswith("_native.so")
        True
    """
    if reason := no_extension():
        raise RuntimeError(f"there is no compiled library: {reason}")
    return str(PATH)


@functools.cache
def raw_op(name: str, space: str = "specops_native") -> Callable[..., Any]:
    """Returns torch.ops.<space>.<name>, the class of whose errors does not depend on the version of torch.

    C++ puts the name of the class in front of the text, of which each torch makes an exception of its own.
    """
    raw = _torch.bare(getattr(getattr(torch.ops, space), name).default)

    def call(*args: Any) -> Any:
        try:
            return raw(*args)
        except (RuntimeError, ValueError) as error:
            kind, _, text = str(error).partition(": ")
            raise (CLASSES[kind](text) if kind in CLASSES else error) from None

    return call


@functools.cache
def build_info() -> dict[str, Any]:
    """Returns compiler, instruction sets and CUDA targets of the library."""
    info: dict[str, Any] = json.loads(told("build_info"))
    return info


def isa() -> str:
    """Returns the instruction set in use. Raises RuntimeError where SPECOPS_ISA asks for none that there is."""
    name = told("isa")
    if not name:
        raise RuntimeError(told("isa_error"))
    return name


def told(name: str) -> str:
    """Returns the text of a C function of the library; empty for none."""
    text: bytes | None = getattr(_loaded(), f"specops_{name}")()
    return (text or b"").decode()


def note(name: str) -> str:
    """Returns what the build wrote down of what it left out, or nothing."""
    path = PATH.with_name(name)
    return path.read_text().strip() if path.exists() else ""


@functools.cache
def _loaded() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(PATH))
    for name in TELLS:
        getattr(loaded, f"specops_{name}").restype = ctypes.c_char_p
    return loaded
