"""What a call costs the host: microseconds on one image [1, 8, 8], one thread, the least of many."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

import specops
from bench.registry import Entry, Figure
from specops import backends, geometry

TESTS = ("functional/test_straight_calls.py",)
ROUNDS, CALLS = 2000, 16

MASK = torch.rand(8, 5, generator=torch.Generator().manual_seed(0))
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "radial_spectrum": specops.radial_spectrum,
    "hff": lambda x: specops.hff(x, 3),
    "frequency_filter": lambda x: specops.frequency_filter(x, MASK),
    "upfirdn2d": lambda x: specops.upfirdn2d(x, TAPS, up=2, padding=(2, 1, 2, 1), gain=4),
    "upsample(zeros)": lambda x: specops.upsample(x, mode="zeros"),
    "upsample(binomial)": lambda x: specops.upsample(x, mode="binomial"),
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


def without_gradient(function: Callable[[Tensor], Any]) -> Callable[[], Any]:
    """Returns a call of the function on an image; to be timed under no_grad."""
    return functools.partial(function, torch.randn(1, 8, 8))


def recorded(function: Callable[[Tensor], Any]) -> Callable[[], Any]:
    """Returns a call that autograd records."""
    return functools.partial(function, torch.randn(1, 8, 8).requires_grad_())


def with_backward(function: Callable[[Tensor], Tensor]) -> Callable[[], Any]:
    """Returns a call with the gradient of the image for a given cotangent."""
    x = torch.randn(1, 8, 8).requires_grad_()
    cotangent = torch.ones_like(function(x))
    return lambda: torch.autograd.grad(function(x), x, cotangent)


CASES: dict[str, tuple[Callable[[Callable[[Tensor], Tensor]], Callable[[], Any]], float]] = {
    "no gradient": (without_gradient, 8),
    "recorded": (recorded, 14),
    "with backward": (with_backward, 55),
}


RAW = ("binned_cross_spectrum", "binned_filter", "clipped_filter", "upfirdn2d")


def raw_call(op: str) -> Callable[[], Any]:
    """Returns a call of a raw op of RAW."""
    x, device = torch.randn(1, 8, 8), torch.device("cpu")
    index, _, weight = geometry.coefficient_maps(8, 8, x.dtype, device)
    gain = MASK.flatten()
    arguments: dict[str, tuple[Any, ...]] = {
        "binned_cross_spectrum": (x, x, *geometry.radial_mean_maps(8, 8, "schwarz2021", x.dtype, device)),
        "binned_filter": (x, gain, index, weight),
        "clipped_filter": (x, gain, index, weight, -1.0, 1.0),
        "upfirdn2d": (x, torch.outer(TAPS, TAPS), (2, 2), (1, 1), (2, 1, 2, 1), "zeros"),
    }
    return functools.partial(backends.BACKENDS["cpp"].kernel(op), *arguments[op])


def timed(call: Callable[[], Callable[[], Any]], gradient: bool, allowed: float, device: torch.device) -> Figure:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.set_grad_enabled(gradient):
            return Figure(round(least_microseconds(call())[0], 2), allowed)
    finally:
        torch.set_num_threads(threads)


def entries() -> Iterator[Entry]:
    """Yields a figure per function and case, and one per raw op."""
    for name, function in FUNCTIONS.items():
        for case, (prepare, allowed) in CASES.items():
            call = functools.partial(prepare, function)
            setup = functools.partial(timed, call, case != "no gradient", allowed)
            yield Entry(f"host: µs per call of {name}, 1 x 8²", case, TESTS, setup)
    for op in RAW:
        setup = functools.partial(timed, functools.partial(raw_call, op), False, 4)
        yield Entry(f"host: µs per call of raw {op}, 1 x 8²", "no gradient", TESTS, setup)
