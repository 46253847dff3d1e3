"""What the kernels around torch.fft of any backend are tested with: functions of the module that has its ops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from battery import as_double
from samples import SPECTRAL, Sample, randn, spectral_maps
from tolerances import assert_near, relative_error, tolerance

from specops import geometry
from specops.ops.spectral import around_fft, cuda, reference
from specops.ops.spectral.plans import bins

DTYPES = (torch.float32, torch.float64)
SERVED = [  # the error of a band swap is relative to what it clips: see `check_swap`
    sample for sample in SPECTRAL if len(sample.results) == 1 and not cuda.serves(sample.arguments(torch.float32)[0])
]
QUICK = [sample for sample in SERVED if sample.quick]


def check(module: Any, sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    out = getattr(module, sample.op)(*args)
    assert out.dtype == dtype
    assert_near(out, sample.reference(*as_double(args)), tolerance(dtype, dtype, args[0].shape[-2:]))


def check_logarithm_of_tiles(module: Any) -> None:
    """Infinite at 0, which is what a tile may have beside its points."""
    x, _, index, weight, n_bins = tiled(torch.float32, own=True)
    args = (index, weight, n_bins, "log", 1.0, 0.0)
    assert relative_error(module.binned_scaled_power(x, *args), reference.binned_scaled_power(x, *args)) <= 1e-6


def check_scaled(module: Any, dtype: torch.dtype, scale: str) -> None:
    """Of an image with a coefficient that is exactly 0."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((9, 20), "ragged", dtype, generator)
    x = randn((3, 9, 20), dtype, generator)
    x[1] = 1
    profile = randn((3, n_bins), dtype, generator)
    args = (index, weight, n_bins, scale, 0.01, 1e-3)
    near = {"rtol": 1e-5 if dtype == torch.float32 else 1e-13, "atol": 1e-5 if dtype == torch.float32 else 1e-13}
    torch.testing.assert_close(module.binned_scaled_power(x, *args), reference.binned_scaled_power(x, *args), **near)
    x[1] = torch.where(torch.arange(20) < 10, 1, -1)  # of which cosines along y are exactly 0
    args = (profile, index, weight, scale, 0.01, 1e-3)
    found, expected = module.binned_scaled_filter(x, *args), reference.binned_scaled_filter(x, *args)
    assert bool(found.isfinite().all())
    assert (found - expected).norm() <= near["rtol"] * expected.norm()


def one_bin(dtype: torch.dtype, n_bins: int) -> tuple[Any, ...]:
    """All points in the first: more than the lanes of a bin add up at a time."""
    generator = torch.Generator().manual_seed(0)
    x, weight = randn((2, 65, 65), dtype, generator), torch.rand(65, 33, generator=generator, dtype=dtype)
    return x, x, torch.zeros(65, 33, dtype=torch.int32), weight, n_bins


def check_one_bin(module: Any, dtype: torch.dtype) -> None:
    for n_bins in (1, 65 * 33):  # a tile, and bins that have few points on average
        args = one_bin(dtype, n_bins)
        assert (bins.tiles_of(65 * 33, n_bins, dtype) is None) == (n_bins > 1)
        found, expected = module.binned_cross_spectrum(*args).numpy(), oracle.binned_cross_spectrum(*args)
        error = np.abs(found - expected) / expected[:, :1]  # all terms are positive
        assert error.max() <= tolerance(dtype, dtype, (65, 65))


def tiled(dtype: torch.dtype, own: bool) -> tuple[Any, ...]:
    """Of several tiles, the last with fewer points, that begin anywhere in a sector; some points in no bin."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((131, 129), "ragged", dtype, generator)
    x = randn((2, 131, 129), dtype, generator)
    return x, x if own else randn((2, 131, 129), dtype, generator), index, weight, n_bins


def check_tiled(module: Any, dtype: torch.dtype) -> None:
    for own in (True, False):
        args = tiled(dtype, own)
        tiles = bins.tiles_of(args[2].numel(), args[4], dtype)
        assert tiles is not None
        assert tiles[0] > 1
        assert_near(
            module.binned_cross_spectrum(*args),
            reference.binned_cross_spectrum(*as_double(args)),
            tolerance(dtype, dtype, (131, 129)),
        )


def check_neighbours(kernels: around_fft.AroundFft, dtype: torch.dtype) -> None:
    """Images of several tiles do not depend on each other; a coefficient in no bin may be anything."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((131, 129), "ragged", dtype, generator)
    x = randn((3, 131, 129), dtype, generator)
    X = around_fft.spectrum_of(x)
    X[:, index < 0] = torch.nan
    whole, alone = (kernels.bin_sums(each, each, index, weight, n_bins, around_fft.UNSCALED) for each in (X, X[2:]))
    assert bool(whole.isfinite().all())
    X[1] = torch.nan
    again = kernels.bin_sums(X, X, index, weight, n_bins, around_fft.UNSCALED)
    assert torch.equal(whole[::2], again[::2])
    assert torch.equal(whole[2:], alone)


def check_beyond_two_to_the_31(
    kernels: around_fft.AroundFft, last: Callable[[int], AbstractContextManager[Any]]
) -> None:
    """Pixels and coefficients behind 2³¹ others, whose memory is there page by page; `last` executes so many blocks."""
    memory = torch.from_numpy(np.zeros(2**31 + 2**12, np.float32))
    memory[-3:] = torch.tensor([-2.0, 0.5, 3.0])
    with last(1):
        swapped, slope, _ = kernels.clip(memory, torch.zeros(()).expand(len(memory)), -1.0, 1.0, keep=False)
    assert swapped[-3:].tolist() == [0.0, 0.5, 1.0]
    assert slope[-3:].tolist() == [-1, 1, 0]
    X, numbers = memory[: 2**31 + 2**10].view(-1, 16, 8, 2), torch.arange(256.0).view(16, 8, 2)
    X[-1] = numbers
    index, weight = torch.zeros(16, 8, dtype=torch.int32), torch.arange(128.0).view(16, 8)
    for n_bins in (1, 65):  # a tile, bins with few points
        assert (bins.tiles_of(128, n_bins, X.dtype) is None) == (n_bins > 1)
        with last(1):
            sums = kernels.bin_sums(X, X, index, weight, n_bins, around_fft.UNSCALED)
        assert float(sums[-1, 0]) == pytest.approx(float((weight * numbers.square().sum(-1)).sum()), rel=1e-6)
    with last(1):
        kernels.gain(X, torch.full((1,), 2.0), index, weight, around_fft.UNSCALED)
    assert torch.equal(X[-1], 2 * weight.unsqueeze(-1) * numbers)
    X[-1] = numbers
    with last(2):
        kernels.hermitian(X, 2)
    assert X[-1, 3, [0, -1], 1].tolist() == [(49 - 209) / 2, (63 - 223) / 2]  # ky = 3 less -3, halved


def check_sloped(module: Any, dtype: torch.dtype) -> None:
    x, _, profile, index, weight, *_ = swap_arguments(dtype, constant=False)
    slope = torch.randint(-1, 2, x.shape, dtype=torch.int8)
    out = module.binned_sloped_filter(x, profile, slope, index, weight)
    expected = reference.binned_sloped_filter(x, profile, slope, index, weight)  # rounded in the same type
    assert_near(out, expected, 2 * tolerance(dtype, dtype, (9, 20)))


def swap_arguments(
    dtype: torch.dtype, constant: bool, size: tuple[int, int] = (9, 20), images: int = 3
) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    a, b = (randn((images, *size), dtype, generator) for _ in range(2))
    b = b.flatten()[0].expand_as(b) if constant else b
    index, _, weight = geometry.coefficient_maps(*size, dtype, a.device)
    profile = randn((images, index.numel()), dtype, generator)
    return a, b, profile, index, weight, -0.1, 0.7, not constant


def check_swap(module: Any, args: tuple[Any, ...]) -> None:
    swapped, slope, kept = module.clipped_band_swap(*args)
    expected, expected_slope, expected_kept = reference.clipped_band_swap(*args)
    near = 1e-5 if swapped.dtype == torch.float32 else 1e-13
    torch.testing.assert_close(swapped, expected, rtol=0, atol=near)
    assert torch.equal(kept, expected_kept)
    unclipped = reference.clipped_band_swap(*args[:6], 1e9, False)[0]
    turning = ((unclipped - args[5]).abs() < near) | ((unclipped - args[6]).abs() < near)
    assert torch.equal(slope[~turning], expected_slope[~turning])
    assert {-1, 0, 1} == set(slope.unique().tolist())
