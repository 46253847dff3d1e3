"""CUDA sources compiled for the CPU (see cuda_shim.h) and to PTX, kept in build/ under a hash of their inputs."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pickle
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CSRC = ROOT / "csrc"
KEPT = ROOT / "build" / "emulated_gpu"
ORDERS = {"forward": 0, "reverse": 1, "random": 2}
SANITIZERS = {"address": "libasan.so", "thread": "libtsan.so"}
HEADERS = ("*.h", "*.cuh")


class SanitizerError(AssertionError):
    """What a sanitizer or the fibers' scheduler found in a kernel."""


@dataclass(frozen=True)
class Launch:
    """A launch that the host code asked for: the kernel's mangled name, shapes, and each argument's bytes."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[bytes, ...]


@functools.cache
def toolkit() -> Path | None:
    """Returns the root of the CUDA toolkit, or None where there is none."""
    nvcc = os.environ.get("CUDA_HOME") or shutil.which("nvcc")
    if not nvcc:
        return None
    found = Path(nvcc) if os.environ.get("CUDA_HOME") else Path(nvcc).resolve().parents[1]
    for root in (found, Path("/usr/local/cuda")):
        if (root / "include" / "cuda_runtime_api.h").exists():
            return root
    return None


def root_of(source: Path) -> Path:
    """Returns the csrc that a source lies in, maybe a copy; the project's for a source that lies in none."""
    return next((parent for parent in source.parents if (parent / "common" / "macros.h").exists()), CSRC)


def library(source: Path, sanitizer: str | None = None) -> Path:
    """Returns the shared library of `source`, compiled for the CPU."""
    options = [f"-fsanitize={sanitizer}", "-g"] if sanitizer else []
    if sanitizer == "address":  # checks by calls: written out, those of unrolled transforms take minutes to compile
        options.append("--param=asan-instrumentation-with-call-threshold=0")
    command = ["g++", "-std=c++20", "-O1", "-w", "-shared", "-fPIC", *options, "-x", "c++"]
    command += ["-include", str(HERE / "cuda_shim.h"), f"-I{toolkit()}/include", f"-I{root_of(source)}"]
    return _made(source, ".so", command, ["-ldl"])


@functools.cache
def register_raw_ops(source: Path) -> None:
    """Registers the raw ops of a *_cuda.cu as torch.ops.specops_emulated.launch_*, for tensors on the CPU."""
    _register(source, "specops_emulated", library(source))


@functools.cache
def register_idle_ops(source: Path) -> None:
    """Registers them as torch.ops.specops_idle.launch_*: they allocate as on a GPU and launch nothing."""
    idle = _made(HERE / "idle_launchers.cpp", ".so", ["g++", "-shared", "-fPIC"])
    _register(source, "specops_idle", idle)


def _register(source: Path, space: str, launchers: Path) -> None:
    torch_cpu = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    command = ["g++", "-std=c++17", "-O2", "-shared", "-fPIC", "-Wl,-Bsymbolic", f"-DSPECOPS_OPS={source.stem}_ops"]
    command += [f'-DSPECOPS_SPACE="{space}"', "-include", str(HERE / "raw_ops.h"), f"-I{root_of(source)}"]
    command += ["-Wl,--no-as-needed", str(launchers), str(torch_cpu)]
    ctypes.CDLL(str(_made(source.with_suffix(".cpp"), ".so", command)))


def ptx(source: Path, arch: int, options: Sequence[str] = ()) -> str:
    """Returns what nvcc makes of `source` for sm_`arch`."""
    command = [f"{toolkit()}/bin/nvcc", "-std=c++17", "-O3", f"-arch=compute_{arch}", "-lineinfo", "-ptx", *options]
    return _made(source, ".ptx", [*command, f"-I{root_of(source)}", "-x", "cu"]).read_text()


def built(source: Path) -> Path:
    """Returns the object file that setup.py makes of `source`, for the architectures of the package."""
    build = runpy.run_path(str(ROOT / "setup.py"))
    cuda = build["Cuda"](toolkit(), build["CUDA_ARCHITECTURES"], ptx=True)
    step = build["compiled_cuda"](source.relative_to(ROOT).as_posix(), KEPT, cuda)
    KEPT.mkdir(parents=True, exist_ok=True)
    build["run_with_ninja"]([step], KEPT)
    return Path(step.output)


def _made(source: Path, suffix: str, command: list[str], libraries: Sequence[str] = ()) -> Path:
    """Returns the file that `command` makes of `source`, from an earlier time where nothing it reads has changed."""
    inputs = sorted({source, *_included(source), *(path for kind in HEADERS for path in HERE.glob(kind))})
    digest = hashlib.sha256(repr(command).replace(str(root_of(source)), "csrc").encode())
    for path in inputs:
        digest.update(path.read_bytes())
    made = KEPT / f"{source.stem}-{digest.hexdigest()[:20]}{suffix}"
    if not made.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=KEPT)) / made.name
        command = [*command, str(source), "-o", str(unfinished), *libraries]
        alone = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # nvcc bears no sanitizer
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=alone)
            if done.returncode:
                raise RuntimeError(f"{source.name} does not compile:\n{done.stderr[:4000]}")
            unfinished.rename(made)
        finally:
            shutil.rmtree(unfinished.parent)
    return made


def _included(source: Path) -> set[Path]:
    """Returns the project's headers that a source includes, directly or not."""
    found: set[Path] = set()
    pending, root = [source], root_of(source)
    while pending:
        path = pending.pop()
        for name in re.findall(r'^#include "(.*)"', path.read_text(), re.MULTILINE):
            header = next((each for each in (path.parent / name, root / name) if each.exists()), None)
            if header is not None and header.resolve() not in found:
                found.add(header.resolve())
                pending.append(header)
    return found


@functools.cache
def load(path: Path) -> ctypes.CDLL:
    """Returns a library of `library` in this process; each function takes int64, double and pointers."""
    loaded = ctypes.CDLL(str(path))
    loaded.specops_emulation_failure.restype = ctypes.c_char_p
    return loaded


def call(loaded: ctypes.CDLL, function: str, arguments: Sequence[Any], order: str = "forward", seed: int = 0) -> None:
    """Calls a function with arrays, ints, floats and None; raises SanitizerError where it does not return 0.

    An array is passed as the address of its first element; an int as int64, a float as double.
    """
    loaded.specops_emulation_configure(ORDERS[order], ctypes.c_uint(seed))
    status = getattr(loaded, function)(*map(_as_ctypes, arguments))
    if status:
        raise SanitizerError(f"{function} returned {status}: {loaded.specops_emulation_failure().decode()}")


def _as_ctypes(value: Any) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_int64(int(value))


@contextmanager
def recorded_launches(loaded: ctypes.CDLL) -> Iterator[list[Launch]]:
    """Kernels that are launched inside the block are not executed but appended to the list."""
    launches: list[Launch] = []
    sizes_of = ctypes.POINTER(ctypes.c_size_t)

    @ctypes.CFUNCTYPE(  # type: ignore[untyped-decorator]
        None,
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_uint),
        ctypes.POINTER(ctypes.c_uint),
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_void_p),
        sizes_of,
    )
    def record(kernel: bytes, grid: Any, block: Any, shared: int, n: int, arguments: Any, sizes: Any) -> None:
        values = tuple(ctypes.string_at(arguments[i], sizes[i]) for i in range(n))
        launches.append(Launch(kernel.decode(), tuple(grid[:3]), tuple(block[:3]), shared, values))

    loaded.specops_emulation_set_launch_hook(record)
    try:
        yield launches
    finally:
        loaded.specops_emulation_set_launch_hook(None)


def call_sanitized(
    source: Path,
    sanitizer: str,
    calls: Sequence[tuple[str, Sequence[Any]]],
    orders: Sequence[tuple[str, int]] = (("forward", 0), ("random", 1)),
) -> list[list[Any]]:
    """Returns the arguments of each call as it leaves them, executed in another process under a sanitizer.

    Each call is executed in each order (order, seed) from the same arguments; those of the last order are returned.
    Raises SanitizerError with the sanitizer's first report.
    """
    runtime = subprocess.run(
        ["g++", f"-print-file-name={SANITIZERS[sanitizer]}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    options = {
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "TSAN_OPTIONS": "halt_on_error=1:report_signal_unsafe=0",
    }
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job", Path(folder) / "result"
        job.write_bytes(pickle.dumps((library(source, sanitizer), list(calls), list(orders))))
        done = subprocess.run(
            [sys.executable, str(HERE / "sanitized_calls.py"), str(job), str(result)],
            capture_output=True,
            text=True,
            env=os.environ | options,
        )
        if done.returncode or "Sanitizer: " in done.stderr:
            raise SanitizerError(_first_report(done.stdout + done.stderr))
        return pickle.loads(result.read_bytes())


def _first_report(text: str) -> str:
    """Returns the sanitizer's verdict and the lines of the sources it names, without its other frames."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if "Sanitizer: " in line or "SanitizerError" in line), 0)
    wanted = ("Sanitizer", "Write of", "Read of", "WRITE of", "READ of", "Previous", ".cu:", ".cuh:")
    shown = [line for line in lines[start : start + 80] if any(word in line for word in wanted)]
    return "\n".join(shown or lines[-20:])
