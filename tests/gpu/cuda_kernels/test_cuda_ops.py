"""The raw CUDA ops in C++, registered for CPU tensors: they allocate and launch as the emulation of the other tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cuda_source
import pytest
import torch
from around_fft_cases import one_bin, swap_arguments, tiled
from cuda_source import launches
from resample_cases import CASES, OPS
from spectral_cases import KINDS, Case

from specops.ops import cuda_launch
from specops.ops.resample import cuda as resample
from specops.ops.spectral import cuda as spectral

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers are needed"),
]

SPECTRAL = cuda_source.CSRC / "spectral" / "cuda" / "spectral_cuda.cu"


def spectral_results() -> Iterator[Any]:
    for kind in KINDS:
        case = Case(kind, (32, 32), images=3)
        yield case.of(spectral, *case.arguments())


def around_fft_results() -> Iterator[Any]:
    for dtype in (torch.float32, torch.float64):
        for args in (one_bin(dtype, 65 * 33), tiled(dtype, own=False)):
            yield (spectral.binned_cross_spectrum(*args),)
        for constant in (False, True):
            yield spectral.clipped_band_swap(*swap_arguments(dtype, constant))


def resample_results() -> Iterator[Any]:
    for op in OPS:
        for name in ("full with folds", "channels", "float64", "bfloat16 channels", "down 2, 4 taps"):
            yield (getattr(resample, op)(*CASES[name].arguments(op)),)


FAMILIES: dict[str, tuple[Callable[[], Iterator[Any]], int]] = {  # results of wrappers, and the raw ops that make them
    "spectral/cuda/spectral_cuda.cu": (spectral_results, 4),
    "spectral/cuda/around_fft_cuda.cu": (around_fft_results, 5),
    "resample/cuda/resample_cuda.cu": (resample_results, 3),
}


@pytest.mark.parametrize("source", FAMILIES)
def test_ops_return_what_the_emulation_allocates(source: str) -> None:
    """To the bit, with the shapes, dtypes and strides of what tests allocate in Python."""
    results, n_ops = FAMILIES[source]
    with launches.executed_source(cuda_source.CSRC / source):
        expected = list(results())
    with launches.executed_ops(cuda_source.CSRC / source) as names:
        found = list(results())
    assert len(set(names)) == n_ops
    for one, other in zip(found, expected, strict=True):
        for out, wanted in zip(one, other, strict=True):
            assert torch.equal(out, wanted)
            assert (out.dtype, out.stride()) == (wanted.dtype, wanted.stride())


def test_a_plan_of_other_images_is_refused() -> None:
    """Of another count, dtype, layout or struct, before anything is launched."""
    case, calls = Case("filter", (32, 32)), []

    def note(*call: Any) -> Any:
        calls.append(call)
        return call[1]

    with launches.launching(note):
        case.of(spectral, *case.arguments())
    [(name, x, *plans, numbers)] = calls
    changes = {
        "ValueError: launch is for images of 2048 elements": (x[:1], *plans, numbers),
        "TypeError: expected a contiguous tensor of float32; got float64": (x.double(), *plans, numbers),
        "TypeError: expected a contiguous tensor of float32; got float32": (x.mT, *plans, numbers),
        "ValueError: launch must be 4 integers; got 3": (x, *plans, numbers[:3]),
        "ValueError: launch is for images of 2112 elements": (x, *plans, [2, 32, 33, 0]),
        "binned_filter: the launch failed": (x, *plans, [1, 64, 32, 0]),
    }
    with launches.executed_ops(SPECTRAL):
        for error, arguments in changes.items():
            with pytest.raises(Exception, match=error):
                cuda_launch.launch(name, *arguments)
