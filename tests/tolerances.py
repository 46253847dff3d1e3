"""The one table of tolerances, by dtype and size, and the comparison that applies it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype

UNIT_ROUNDOFF = {torch.float16: 2**-11, torch.bfloat16: 2**-8, torch.float32: 2**-24, torch.float64: 2**-53}


def is_smooth(n: int) -> bool:
    for prime in (2, 3, 5, 7, 11, 13):
        while n % prime == 0:
            n //= prime
    return n == 1


def tolerance(arithmetic: torch.dtype, out: torch.dtype, size: tuple[int, int]) -> float:
    """Relative L2 error allowed: 2u·√log2(pixels), twice that for primes above 13, and half an ulp of the output."""
    factor = 2 if is_smooth(size[0]) and is_smooth(size[1]) else 4
    transform = factor * UNIT_ROUNDOFF[arithmetic] * math.sqrt(max(1.0, math.log2(size[0] * size[1])))
    return transform + (UNIT_ROUNDOFF[out] if out != arithmetic else 0)


def gradient_tolerance(images: torch.dtype, out: torch.dtype, size: tuple[int, int]) -> float:
    """Of a gradient: twice that of a value, and half an ulp of the images, of which rounded gradients are summed."""
    arithmetic = compute_dtype(images)
    return 2 * tolerance(arithmetic, out, size) + (UNIT_ROUNDOFF[images] if images != arithmetic else 0)


def relative_error(value: Tensor, expected: Tensor) -> float:
    value, expected = value.detach().double(), expected.detach().double()
    norm = float(expected.norm())
    return float((value - expected).norm()) / norm if norm else float(value.norm())


def assert_near(value: Tensor, expected: Tensor, bound: float, magnitude: Tensor | None = None) -> None:
    """`magnitude` is what the error is relative to, if not `expected`: the sum of absolute terms where terms cancel."""
    assert value.shape == expected.shape
    error = relative_error(value, expected)
    if magnitude is not None:
        error *= float(expected.norm() / magnitude.norm())
    assert error <= bound, f"relative L2 error {error:.3g} above {bound:.3g}"
