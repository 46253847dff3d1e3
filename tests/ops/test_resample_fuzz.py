"""The compiled resampling kernels against the reference in float64, on random arguments of every kind."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from resample_draws import Draw
from tolerances import UNIT_ROUNDOFF

from specops import backends, ops
from specops.ops._layout import compute_dtype

ARGUMENT_SETS = 2000
PER_TEST = 50


def check(draw: Draw, op: str, *args: Any) -> None:
    """Each element within one rounding per tap, and NaN and Inf where the reference has them."""
    with backends.use("cpp"):
        out = getattr(ops, op)(*args)
    first, second = (arg.double() for arg in args[:2])
    with backends.use("reference"):
        expected = getattr(ops, op)(first, second, *args[2:])
        terms = getattr(ops, op)(abs(first), abs(second), *args[2:])
    roundings = 20 + sum(draw.taps)
    if op == "upfirdn2d_filter_correlation":
        roundings = 8 + 2 * math.isqrt(math.prod(draw.batch) * math.prod(draw.out))
    bound = roundings * UNIT_ROUNDOFF[compute_dtype(draw.dtype)] * terms
    if out.dtype != compute_dtype(draw.dtype):
        bound += UNIT_ROUNDOFF[out.dtype] * expected.abs() + 2**-24
    assert out.shape == expected.shape, draw.describe()
    assert bool(((out - expected).abs() <= bound).all()), draw.describe()


def check_spread(draw: Draw, op: str, *args: Any) -> None:
    image = args[0].clone()
    image.view(-1)[draw.integer(0, image.numel() - 1)] = draw.choice((math.nan, math.inf))
    with backends.use("cpp"):
        out = getattr(ops, op)(image, *args[1:])
    with backends.use("reference"):
        expected = getattr(ops, op)(image, *args[1:])
    assert torch.equal(out.isfinite(), expected.isfinite()), draw.describe()


@pytest.mark.skipif(backends.no_extension() is not None, reason=str(backends.no_extension()))
@pytest.mark.parametrize("block", range(ARGUMENT_SETS // PER_TEST))
def test_random_arguments(block: int) -> None:
    for seed in range(block * PER_TEST, (block + 1) * PER_TEST):
        draw = Draw(seed)
        sampling = (draw.up, draw.down, draw.padding, draw.boundary)
        x, y, f = draw.image(draw.size), draw.image(draw.out), draw.filter()
        check(draw, "upfirdn2d", x, f, *sampling, draw.gain)
        check(draw, "upfirdn2d_transpose", y, f, *sampling, draw.size, draw.gain)
        check(draw, "upfirdn2d_filter_correlation", x, y, *sampling, draw.taps)
        check_spread(draw, "upfirdn2d", x.contiguous(), f, *sampling, draw.gain)
        check_spread(draw, "upfirdn2d_transpose", y.contiguous(), f, *sampling, draw.size, draw.gain)
