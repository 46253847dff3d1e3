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


def in_other_places(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same images but for the places in memory: one is off the boundaries of vectors, another has gaps."""
    first, second, *rest = args
    off = torch.cat((first.new_zeros(1), first.flatten()))[1:].view(first.shape)
    is_image = second.shape[:-2] == first.shape[:-2] and any(second.stride())
    gaps = torch.stack((second, second), -1)[..., 0] if is_image else second
    return off, off if second is first else gaps, *rest


def spectral_results() -> Iterator[Any]:
    for kind in KINDS["cuda"]:
        case = Case(kind, (32, 32), images=3)
        yield case.of(spectral, *case.arguments())
        for dtype in (torch.float32, torch.bfloat16):
            case = Case(kind, (32, 32), dtype=dtype)
            yield case.of(spectral, *in_other_places(case.arguments()))


def around_fft_results() -> Iterator[Any]:
    for dtype in (torch.float32, torch.float64):
        for args in (one_bin(dtype, 65 * 33), tiled(dtype, own=False)):
            yield (spectral.binned_cross_spectrum(*args),)
        for constant in (False, True):
            yield spectral.clipped_band_swap(*swap_arguments(dtype, constant))


def resample_results() -> Iterator[Any]:
    for op in OPS:
        for name in (
            "full with folds",
            "channels",
            "float64",
            "bfloat16 channels",
            "down 2, 4 taps",
            "1-D",
            "1-D reflect",
        ):
            args = CASES[name].arguments(op)
            yield (getattr(resample, op)(*args),)
            yield (getattr(resample, op)(*in_other_places(args)),)


FAMILIES: dict[str, tuple[Callable[[], Iterator[Any]], int]] = {  # results of wrappers, and the raw ops that make them
    "spectral/cuda/spectral_cuda.cu": (spectral_results, 6),
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
    """Of another count, dtype or struct, before anything is launched."""
    case, calls = Case("filter", (32, 32)), []

    def note(*call: Any) -> Any:
        calls.append(call)
        return call[1]

    with launches.launching(note):
        case.of(spectral, *case.arguments())
    [(name, x, *plans, numbers)] = calls
    changes = {
        "ValueError: launch is for images of 2048 elements": (x[:1], *plans, numbers),
        "TypeError: images must be float16, bfloat16 or float32; got float64": (x.double(), *plans, numbers),
        "TypeError: expected a contiguous tensor of float32; got float32": (x, *plans[:-1], x.mT, numbers),
        r"ValueError: launch must be 4 integers, int64 on the CPU; got \[3\] of int64": (x, *plans, numbers[:3]),
        r"ValueError: launch must be 4 integers, int64 on the CPU; got \[4\] of int32": (x, *plans, numbers.int()),
        "ValueError: launch is for images of 2112 elements": (x, *plans, torch.tensor([2, 32, 33, 0])),
        "binned_filter: the launch failed": (x, *plans, torch.tensor([1, 64, 32, 0])),
    }
    with launches.executed_ops(SPECTRAL):
        for error, arguments in changes.items():
            with pytest.raises(Exception, match=error):
                cuda_launch.launch(name, *arguments)


@pytest.mark.parametrize("name", ["1-D", "1-D reflect"], ids=["tiles", "patches"])
def test_taps_that_a_plan_is_not_for_are_refused(name: str) -> None:
    """A filter in the place of 1-D taps and the other way round, and an outer product of different taps."""
    calls: list[Any] = []
    with launches.launching(lambda *call: calls.append(call)):
        resample.upfirdn2d(*CASES[name].arguments("upfirdn2d"))
    [(raw, x, taps, *lists, layout, launch, gain)] = calls
    other_axis, no_outer = layout.clone(), launch.clone()
    other_axis[2] -= 1  # taps along y
    no_outer[-1] = 0
    changes = {
        "launch is for taps": (x, torch.outer(taps, taps), *lists, layout, launch, gain),
        "launch is for taps of": (x, taps, *lists, layout, no_outer, gain),
        "the same taps, several, along both axes": (x, taps, *lists, other_axis, launch, gain),
    }
    with launches.executed_ops(cuda_source.CSRC / "resample/cuda/resample_cuda.cu"):
        for error, arguments in changes.items():
            with pytest.raises(Exception, match=error):
                cuda_launch.launch(raw, *arguments)
