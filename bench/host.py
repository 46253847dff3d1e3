"""What a call costs the host: microseconds on one small image, one thread, the least of many.

On CPU tensors the image is [1, 8, 8] and the kernel is counted. What calls on GPU tensors cost is measured on CPU
tensors that go the way of GPU tensors, to raw ops that allocate their results and whose launchers do nothing.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from cuda_source.idle import idle_gpu
from torch import Tensor

import specops
from bench.registry import Entry, Figure
from specops import backends, geometry

TESTS = ("functional/test_straight_calls.py",)
ROUNDS, CALLS = 2000, 16

MASK = torch.rand(8, 5, generator=torch.Generator().manual_seed(0))
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
OUTER_TAPS = 4 * torch.outer(TAPS, TAPS)
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "radial_spectrum": specops.radial_spectrum,
    "hff": lambda x: specops.hff(x, 3),
    "frequency_filter": lambda x: specops.frequency_filter(x, MASK),
    "upfirdn2d": lambda x: specops.upfirdn2d(x, TAPS, up=2, padding=(2, 1, 2, 1), gain=4),
    "upsample(zeros)": lambda x: specops.upsample(x, mode="zeros"),
    "upsample(binomial)": lambda x: specops.upsample(x, mode="binomial"),
}
ONE_LAUNCH_MASK = torch.rand(32, 17, generator=torch.Generator().manual_seed(0))
GPU_FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {  # and the least side that one launch serves
    "radial_spectrum": (FUNCTIONS["radial_spectrum"], 32),
    "hff": (FUNCTIONS["hff"], 32),
    "frequency_filter": (lambda x: specops.frequency_filter(x, ONE_LAUNCH_MASK), 32),
    "upfirdn2d": (FUNCTIONS["upfirdn2d"], 8),
    "upfirdn2d of 2-D taps": (lambda x: specops.upfirdn2d(x, OUTER_TAPS, up=2, padding=(2, 1, 2, 1)), 8),
    "upsample(zeros)": (FUNCTIONS["upsample(zeros)"], 8),
    "upsample(binomial)": (FUNCTIONS["upsample(binomial)"], 8),
}


def least_microseconds(*calls: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Returns the least time of each call, of means over CALLS of them, taken in turn."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            least[i] = min(least[i], time.perf_counter() - start)
    return [1e6 * seconds / CALLS for seconds in least]


def without_gradient(function: Callable[[Tensor], Any], side: int = 8) -> Callable[[], Any]:
    """Returns a call of the function on an image; to be timed under no_grad."""
    return functools.partial(function, torch.randn(1, side, side))


def recorded(function: Callable[[Tensor], Any], side: int = 8) -> Callable[[], Any]:
    """Returns a call that autograd records."""
    return functools.partial(function, torch.randn(1, side, side).requires_grad_())


def with_backward(function: Callable[[Tensor], Tensor], side: int = 8) -> Callable[[], Any]:
    """Returns a call with the gradient of the image for a given cotangent."""
    x = torch.randn(1, side, side).requires_grad_()
    cotangent = torch.ones_like(function(x))
    return lambda: torch.autograd.grad(function(x), x, cotangent)


CASES: dict[str, tuple[Callable[..., Callable[[], Any]], float]] = {
    "no gradient": (without_gradient, 8),
    "recorded": (recorded, 14),
    "with backward": (with_backward, 55),
}
GPU_ALLOWED = {"no gradient": 10, "recorded": 15, "with backward": 60}


RAW = ("binned_cross_spectrum", "binned_filter", "clipped_filter", "upfirdn2d", "clipped_band_swap")


def raw_call(op: str) -> Callable[[], Any]:
    """Returns a call of a raw op of RAW."""
    x, device = torch.randn(1, 8, 8), torch.device("cpu")
    index, _, weight = geometry.coefficient_maps(8, 8, x.dtype, device)
    gain = MASK.flatten()
    arguments: dict[str, tuple[Any, ...]] = {
        "binned_cross_spectrum": (x, x, *geometry.radial_mean_maps(8, 8, "schwarz2021", x.dtype, device)),
        "binned_filter": (x, gain, index, weight),
        "clipped_filter": (x, gain, index, weight, -1.0, 1.0),
        "clipped_band_swap": (x, torch.randn(1, 8, 8), gain, index, weight, -1.0, 1.0, True),
        "upfirdn2d": (x, torch.outer(TAPS, TAPS), (2, 2), (1, 1), (2, 1, 2, 1), "zeros"),
    }
    return functools.partial(backends.BACKENDS["cpp"].kernel(op), *arguments[op])


def timed(call: Callable[[], Callable[[], Any]], gradient: bool, allowed: float, device: torch.device) -> Figure:
    """Returns the microseconds of what `call` returns, on the CPU whatever the benchmark's device."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.set_grad_enabled(gradient):
            return Figure(round(least_microseconds(call())[0], 2), allowed)
    finally:
        torch.set_num_threads(threads)


def timed_on_idle_gpu(*args: Any) -> Figure:
    """As `timed`, of a call that goes the way of GPU tensors."""
    with idle_gpu():
        return timed(*args)


def entries() -> Iterator[Entry]:
    """Yields a figure per function and case on both kinds of tensors, and one per raw op of the CPU."""
    for name, function in FUNCTIONS.items():
        for case, (prepare, allowed) in CASES.items():
            call = functools.partial(prepare, function)
            setup = functools.partial(timed, call, case != "no gradient", allowed)
            yield Entry(f"host: µs per call of {name}, 1 x 8²", case, TESTS, setup)
    for name, (function, side) in GPU_FUNCTIONS.items():
        for case, (prepare, _) in CASES.items():
            call = functools.partial(prepare, function, side)
            setup = functools.partial(timed_on_idle_gpu, call, case != "no gradient", GPU_ALLOWED[case])
            claim = f"host: µs per call of {name}, 1 x {side}², on a GPU whose launcher does nothing"
            yield Entry(claim, case, TESTS, setup)
    for op in RAW:
        setup = functools.partial(timed, functools.partial(raw_call, op), False, 4)
        yield Entry(f"host: µs per call of raw {op}, 1 x 8²", "no gradient", TESTS, setup)
