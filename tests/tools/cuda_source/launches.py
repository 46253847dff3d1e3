"""What wrappers of CUDA kernels launch on CPU tensors: executed as source or PTX, or noted for the sanitizers."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ptx import Counters, Kernel, Module
from torch import Tensor

import cuda_source
from cuda_source import Launch
from specops.ops import cuda_launch


@dataclass(frozen=True)
class Run:
    """A launch that was executed; `tensors` are those of the call."""

    launch: Launch
    kernel: Kernel
    counters: Counters
    tensors: tuple[Tensor, ...]

    def storage(self, tensor: Tensor) -> int:
        """Returns the number under which the counters know a tensor."""
        return [t.data_ptr() for t in self.tensors].index(tensor.data_ptr())


def memory_of(t: Tensor) -> np.ndarray:
    """The bytes of a dense tensor, not a copy."""
    count = t.numel() * t.element_size()
    return (
        np.frombuffer((ctypes.c_ubyte * count).from_address(t.data_ptr()), np.uint8) if count else np.empty(0, np.uint8)
    )


def argument_of(value: Any) -> Any:
    """As `cuda_source.call` takes it; a list of integers becomes an array, an empty tensor no pointer."""
    if isinstance(value, Tensor):
        return memory_of(value) if value.numel() else None
    return np.array(value, dtype=np.int64) if isinstance(value, (tuple, list)) else value


parsed = functools.cache(Module)


@contextmanager
def launching(launch: Callable[..., None]) -> Iterator[None]:
    real, cuda_launch.launch = cuda_launch.launch, launch
    try:
        yield
    finally:
        cuda_launch.launch = real


@contextmanager
def executed_source(source: Path, order: str = "forward", seed: int = 0) -> Iterator[None]:
    """Inside, wrappers run the kernels of `source` on fibers."""
    loaded = cuda_source.load(cuda_source.library(source))

    def launch(name: str, *args: Any) -> None:
        cuda_source.call(loaded, f"launch_{name}", [*map(argument_of, args), None], order, seed)

    with launching(launch):
        yield


@contextmanager
def executed_ptx(source: Path, arch: int, **options: Any) -> Iterator[list[Run]]:
    """Inside, wrappers run what nvcc makes of the kernels of `source`; yields a list that each launch is added to.

    The options are those of `ptx.Kernel.launch`.
    """
    loaded = cuda_source.load(cuda_source.library(source))
    module = parsed(cuda_source.ptx(source, arch))
    runs: list[Run] = []

    def launch(name: str, *args: Any) -> None:
        tensors = tuple(arg for arg in args if isinstance(arg, Tensor) and arg.numel())
        with cuda_source.recorded_launches(loaded) as launches:
            cuda_source.call(loaded, f"launch_{name}", [*map(argument_of, args), None])
        for each in launches:
            kernel = module.kernel(each.kernel)
            buffers = [memory_of(t) for t in tensors]
            counters = kernel.launch(
                each.grid, each.block, each.arguments, each.shared_bytes, buffers=buffers, **options
            )
            runs.append(Run(each, kernel, counters, tensors))

    with launching(launch):
        yield runs


@contextmanager
def noted_calls() -> Iterator[list[tuple[str, list[Any]]]]:
    """Inside, wrappers launch nothing; yields the calls for `cuda_source.call_sanitized`, memory copied."""
    calls: list[tuple[str, list[Any]]] = []

    def launch(name: str, *args: Any) -> None:
        arguments = map(argument_of, args)
        calls.append((f"launch_{name}", [np.array(a) if isinstance(a, np.ndarray) else a for a in arguments] + [None]))

    with launching(launch):
        yield calls
