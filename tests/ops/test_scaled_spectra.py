"""Scaled spectra beside the battery: powers of any size, a power of 0, decibels, wrong use."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import oracle
import pytest
import torch
from samples import spectral_maps
from torch import Tensor

import specops
from specops import backends, ops
from specops.ops._layout import compute_dtype

SCALES = {"amplitude": ("amplitude", 0.5, 0.0), "log": ("log", 0.5, 1.0)}

each_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


@pytest.fixture(params=["cpp", "reference"])
def _on_each_backend(request: pytest.FixtureRequest) -> Iterator[None]:
    reason = backends.why_not(request.param, "binned_scaled_power")
    if reason is not None:
        pytest.skip(reason)
    with backends.use(request.param):
        yield


def maps(size: tuple[int, int], bins: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, int]:
    return spectral_maps(size, bins, compute_dtype(dtype), torch.Generator().manual_seed(1))


@each_scale
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_powers_of_any_size(dtype: torch.dtype, scale: tuple[str, float, float]) -> None:
    """Images of one pixel: s itself, from subnormal powers to the largest that can be squared."""
    factor = scale[1]
    x = torch.logspace(-18, 18, 4001, dtype=torch.float64).to(dtype).reshape(-1, 1, 1)
    index, weight = torch.zeros(1, 1).int(), torch.ones(1, 1, dtype=dtype)
    profile = ops.binned_scaled_power(x, index, weight, 1, scale[0], factor, 0.0)
    expected = oracle.binned_scaled_power(x, index, weight, 1, scale[0], factor, 0.0)
    normal = (x.square() * factor > torch.finfo(dtype).tiny).flatten().numpy()
    unit = torch.finfo(dtype).eps
    allowed = 2 * unit * np.abs(expected) + (unit if scale[0] == "log" else 0)  # of the square, seen by the logarithm
    assert (np.abs(oracle.exact(profile) - expected) <= allowed)[normal].all()
    assert profile.isfinite().all()


@pytest.mark.usefixtures("_on_each_backend")
def test_where_the_power_is_zero() -> None:
    x = torch.stack([torch.zeros(8, 8), torch.randn(8, 8)])
    leaf = x.clone().requires_grad_()
    amplitude = specops.radial_spectrum(leaf, scale="amplitude")
    (gradient,) = torch.autograd.grad(amplitude.sum(), leaf)
    assert amplitude[0].eq(0).all()
    assert gradient[0].eq(0).all()
    assert gradient[1].isfinite().all()
    assert gradient[1].any()
    log = specops.radial_spectrum(x, scale="log", eps=0)
    assert log[0].eq(-torch.inf).all()
    assert log[1].isfinite().all()


def test_decibels_are_tens_of_decades() -> None:
    x = torch.randn(2, 8, 6, dtype=torch.float64)
    decades = specops.radial_spectrum(x, scale="log", eps=0.1) / np.log(10)
    torch.testing.assert_close(specops.radial_spectrum(x, scale="db", eps=0.1), 10 * decades)


def test_wrong_arguments() -> None:
    x = torch.ones(2, 8, 8)
    index, weight, n_bins = maps((8, 8), "radial", torch.float32)
    for settings, message in (
        (("power", 1.0, 0.0), "scale must be one of amplitude, log; got 'power'"),
        (("log", 0.0, 0.0), r"factor must be above 0, eps at least 0, both finite; got 0\.0 and 0\.0"),
        (("log", 1.0, -1.0), r"got 1\.0 and -1\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.binned_scaled_power(x, index, weight, n_bins, *settings)
        with pytest.raises(ValueError, match=message):
            ops.binned_scaled_filter(x, torch.ones(n_bins), index, weight, *settings)
    with pytest.raises(ValueError, match="index and weight must be"):
        ops.binned_scaled_power(x, index.expand(0, 8, 5), weight, n_bins, "log", 1.0, 0.0)
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        ops.binned_scaled_power(x, index, weight, 0, "log", 1.0, 0.0)
