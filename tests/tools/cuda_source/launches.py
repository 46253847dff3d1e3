"""What wrappers of CUDA kernels launch on CPU tensors: executed as source or PTX, or noted for the sanitizers."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from ptx import Counters, Kernel, Module
from torch import Tensor

import cuda_source
from cuda_source import Launch
from specops.ops import cuda_launch
from specops.ops._layout import compute_dtype, like_layout, memory_format
from specops.ops.resample.plans.launches import Launch as Blocks
from specops.ops.resample.plans.launches import Layout
from specops.ops.spectral import cuda as spectral


@dataclass(frozen=True)
class Call:
    """What a raw op calls its launcher with, without the stream, how many of the last tensors it returns, and as what.

    `dtype` is that of the images of a result, None where it is the launcher's.
    """

    name: str
    arguments: tuple[Any, ...]
    n_results: int
    dtype: torch.dtype | None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(each for each in self.arguments if isinstance(each, Tensor))

    @property
    def results(self) -> Any:
        """As the op returns them: a tuple only of several."""
        made = self.tensors[len(self.tensors) - self.n_results :]
        found = tuple(each.to(self.dtype) if self.dtype and each.is_floating_point() else each for each in made)
        return found if len(found) > 1 else found[0] if found else None


@dataclass(frozen=True)
class Run:
    """A launch that was executed; `tensors` are those of the launcher that are not empty."""

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


STRUCTS: dict[str, tuple[type, ...]] = {
    "binned_power": (spectral.BinnedSums,),
    "binned_cross_spectrum": (spectral.BinnedSums,),
    "binned_filter": (spectral.BinnedFilter,),
    "binned_sloped_filter": (spectral.BinnedFilter,),
    "clipped_filter": (spectral.BinnedFilter,),
    "clipped_band_swap": (spectral.BandSwap,),
    "around_fft_sums": (spectral.BinSums,),
    "around_fft_tile_sums": (spectral.TileSums,),
    "around_fft_gains": (spectral.Gains,),
    "around_fft_hermitian": (spectral.HermitianColumns,),
    "around_fft_clip": (spectral.Clip,),
    "upfirdn2d": (Layout, Blocks),
    "upfirdn2d_patches": (Layout, Blocks),
    "upfirdn2d_filter_correlation": (Layout, Blocks),
}


def struct_of(kind: type, integers: Iterator[int]) -> Any:
    """Returns a dataclass from what `integers_of` makes of it."""
    types = get_type_hints(kind)
    each = (types[field.name] for field in fields(kind))
    return kind(*(struct_of(one, integers) if is_dataclass(one) else next(integers) for one in each))


def allocated(name: str, inputs: Sequence[Tensor], how: Any, blocks: Any = None) -> tuple[list[Tensor], list[Tensor]]:
    """Returns scratch and results of a raw op, as the C++ of its name allocates them."""
    x = inputs[0]
    match how:
        case spectral.BinnedSums():
            return [], [x.new_empty(*x.shape[:-2], how.n_bins)]
        case spectral.BandSwap() | spectral.Clip():
            kept = x.new_empty(x.shape if how.keep else (0,))
            return [], [x.new_empty(x.shape), x.new_empty(x.shape, dtype=torch.int8), kept]
        case spectral.BinnedFilter() if name == "clipped_filter":
            return [], [x.new_empty(x.shape), x.new_empty(x.shape, dtype=torch.int8)]
        case spectral.BinnedFilter():
            return [], [x.new_empty(x.shape)]
        case spectral.BinSums():
            return [], [x.new_empty(*x.shape[:-3], how.n_bins)]
        case spectral.TileSums():
            of_tiles = how.n_images * how.n_tiles * how.n_bins if how.n_tiles > 1 else 0
            return [x.new_empty(of_tiles)], [x.new_empty(*x.shape[:-3], how.n_bins)]
        case Layout() if name == "upfirdn2d_filter_correlation":
            taps = (how.y.n_taps, how.x.n_taps)
            sums = x.new_empty(blocks.blocks, taps[0] * taps[1], dtype=torch.float64)
            return [sums], [x.new_empty(taps, dtype=compute_dtype(x.dtype))]
        case Layout():
            size = (*x.shape[:-2], how.y.n_out, how.x.n_out)
            out = torch.empty(size, dtype=x.dtype, memory_format=memory_format(x))
            return [inputs[1].new_empty(1 + how.y.n_taps + how.x.n_taps)], [out]
    return [], []


def as_kernels_read(images: Tensor, how: Any) -> Tensor:
    """Images in the dtype and memory format of kernels, on a 16-byte boundary, as the C++ of a raw op copies them."""
    if isinstance(how, Layout):
        images = like_layout(images, images) if how.channels > 1 else images.contiguous()
    else:
        images = images.float().contiguous()
    return images.clone() if images.data_ptr() % 16 else images


N_IMAGES = {  # that are copied where they are not as kernels read them
    "binned_power": 1,
    "binned_cross_spectrum": 2,
    "binned_filter": 1,
    "binned_sloped_filter": 1,
    "clipped_filter": 1,
    "clipped_band_swap": 2,
    "upfirdn2d": 1,
    "upfirdn2d_patches": 1,
    "upfirdn2d_filter_correlation": 2,
}
IN_TYPE_OF_IMAGES = (
    "binned_filter",
    "binned_sloped_filter",
    "clipped_filter",
    "clipped_band_swap",
)  # ops whose launchers know float32 only


def call_of(name: str, *args: Any) -> Call:
    """Returns how a raw op calls its launcher: scratch and results stand between its tensors and its numbers."""
    n_inputs = next(i for i, arg in enumerate(args) if arg.dtype == torch.int64)
    numbers = [arg.tolist() if isinstance(arg, Tensor) else arg for arg in args[n_inputs:]]
    structs = [struct_of(kind, iter(each)) for kind, each in zip(STRUCTS[name], numbers, strict=False)]
    inputs = list(args[:n_inputs])
    for i in range(N_IMAGES.get(name, 0)):
        inputs[i] = as_kernels_read(inputs[i], structs[0])
    scratch, results = allocated(name, inputs, *structs)
    dtype = args[0].dtype if name in IN_TYPE_OF_IMAGES else None
    return Call(name, (*inputs, *scratch, *results, *numbers), len(results), dtype)


@contextmanager
def launching(launch: Callable[..., Any]) -> Iterator[None]:
    real, cuda_launch.launch = cuda_launch.launch, launch
    try:
        yield
    finally:
        cuda_launch.launch = real


@contextmanager
def executed_source(source: Path, order: str = "forward", seed: int = 0) -> Iterator[list[Call]]:
    """Inside, wrappers run the kernels of `source` on fibers; yields a list that each call is added to."""
    loaded = cuda_source.load(cuda_source.library(source))
    calls: list[Call] = []

    def launch(name: str, *args: Any) -> Any:
        call = call_of(name, *args)
        cuda_source.call(loaded, f"launch_{name}", [*map(argument_of, call.arguments), None], order, seed)
        calls.append(call)
        return call.results

    with launching(launch):
        yield calls


@contextmanager
def executed_ops(source: Path) -> Iterator[list[str]]:
    """As `executed_source`, by the raw ops of C++: these allocate and launch. Yields the names of those called."""
    cuda_source.register_raw_ops(source)
    names: list[str] = []

    def launch(name: str, *args: Any) -> Any:
        names.append(name)
        return getattr(torch.ops.specops_emulated, f"launch_{name}")(*args)

    with launching(launch):
        yield names


@contextmanager
def executed_ptx(source: Path, arch: int, **options: Any) -> Iterator[list[Run]]:
    """Inside, wrappers run what nvcc makes of the kernels of `source`; yields a list that each launch is added to.

    The options are those of `ptx.Kernel.launch`.
    """
    loaded = cuda_source.load(cuda_source.library(source))
    module = parsed(cuda_source.ptx(source, arch))
    runs: list[Run] = []

    def launch(name: str, *args: Any) -> Any:
        call = call_of(name, *args)
        tensors = tuple(each for each in call.tensors if each.numel())
        with cuda_source.recorded_launches(loaded) as launches:
            cuda_source.call(loaded, f"launch_{name}", [*map(argument_of, call.arguments), None])
        for each in launches:
            kernel = module.kernel(each.kernel)
            buffers = [memory_of(t) for t in tensors]
            counters = kernel.launch(
                each.grid, each.block, each.arguments, each.shared_bytes, buffers=buffers, **options
            )
            runs.append(Run(each, kernel, counters, tensors))
        return call.results

    with launching(launch):
        yield runs


@contextmanager
def noted_calls() -> Iterator[list[tuple[str, list[Any]]]]:
    """Inside, wrappers launch nothing; yields the calls for `cuda_source.call_sanitized`, memory copied."""
    calls: list[tuple[str, list[Any]]] = []

    def launch(name: str, *args: Any) -> Any:
        call = call_of(name, *args)
        arguments = map(argument_of, call.arguments)
        calls.append((f"launch_{name}", [np.array(a) if isinstance(a, np.ndarray) else a for a in arguments] + [None]))
        return call.results

    with launching(launch):
        yield calls
