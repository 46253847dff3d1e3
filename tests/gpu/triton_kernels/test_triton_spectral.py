"""The Triton kernels of the spectral ops on the CPU: compiled, their PTX interpreted, against float64."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from around_fft_cases import (
    DTYPES,
    check_beyond_two_to_the_31,
    check_logarithm_of_tiles,
    check_neighbours,
    check_one_bin,
    check_scaled,
    check_sloped,
    check_tiled,
)
from inverse_transforms import check_hermitian
from samples import spectral_maps
from spectral_cases import ARCHS, KINDS, Case, assert_images_move_once, check_images_apart
from spectral_cases import check_beyond_two_to_the_31 as check_images_beyond
from torch import Tensor

from specops import backends

if reason := backends.no_triton("specops.ops.spectral"):
    pytest.skip(reason, allow_module_level=True)

from triton_checks import check, check_few_points, check_uneven_bins
from triton_driver import Run, executed_on

from specops.ops.spectral import triton
from specops.ops.spectral.plans import bins
from specops.ops.spectral.triton import around_fft_kernels, launches, tables

SIDES = tuple(tables.CONFIGURATIONS)


def assert_gates(case: Case, run: Run, out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """Each image in and out once, four pixels at a time, no spills, no bank conflict.

    But a few where values are gathered bin by bin, up to .6 % over all of shared memory.
    """
    made, ideal = run.counters.total_wavefronts
    assert made <= (1.006 if case.sums else 1.0) * ideal
    assert run.resources.stack == 0
    assert_images_move_once(case, run, out, args, pixels=4)


@pytest.mark.parametrize("kind", KINDS["triton"])
def test_smallest_images(kind: str) -> None:
    case = Case(kind, (32, 32), images=3)
    out, runs, args = check(case, 80)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kind", KINDS["triton"])
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration(kind: str, side: int, arch: int) -> None:
    case = Case(kind, (side, side))
    out, runs, args = check(case, arch)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration_in_half_types(side: int, dtype: torch.dtype, arch: int) -> None:
    for kind in KINDS["triton"]:
        _, (run,), _ = check(Case(kind, (side, side), dtype=dtype), arch, counting=False)
        assert run.resources.stack == 0


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_what_ptxas_would_spill(arch: int) -> None:
    """Compiled, not executed: most bins in one launch; an amplitude in float64."""
    with executed_on(arch, blocks=slice(0)) as runs:
        for dtype, side in itertools.product((torch.float32, torch.float16, torch.bfloat16), SIDES):
            x, *maps, _ = Case("power", (side, side), dtype=dtype).arguments()[1:]
            triton.binned_cross_spectrum(x, x, *maps, 2 * side)
        x, _, *maps, n_bins = Case("power", (256, 256), images=1, dtype=torch.float64).arguments()
        triton.binned_scaled_power(x, *maps, n_bins, "amplitude", 0.01, 1e-3)
    assert [run for run in runs if run.resources.stack] == []


@pytest.mark.parametrize("bins", ["ragged", "own"])
@pytest.mark.parametrize("kind", ["power", "filter"])
def test_any_bins(kind: str, bins: str) -> None:
    check(Case(kind, (32, 32), bins), 80, counting=False)


def test_uneven_bins() -> None:
    check_uneven_bins()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", KINDS["triton"])
def test_other_types_of_served_sizes(kind: str, dtype: torch.dtype) -> None:
    check(Case(kind, (32, 32), dtype=dtype), 90)


def last(blocks: int) -> AbstractContextManager[list[Run]]:
    return executed_on(90, counting=False, races=False, blocks=slice(-blocks, None))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["power", "cross", "filter", "swap"])
def test_images_beyond_two_to_the_31_pixels(kind: str) -> None:
    check_images_beyond(triton, kind, last(1))


@pytest.mark.parametrize("kind", ["power", "filter per image"])
def test_images_do_not_meet(kind: str) -> None:
    check_images_apart(triton, kind, *(executed_on(80, counting=False) for _ in range(2)))


def test_empty_batches() -> None:
    x = torch.empty(0, 32, 32)
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    assert triton.binned_cross_spectrum(x, x, index, weight, n_bins).shape == (0, n_bins)
    assert triton.binned_filter(x, torch.ones(n_bins), index, weight).shape == x.shape


@pytest.mark.parametrize("kind", ["power", "cross", "filter per image", "swap"])
def test_bins_of_two_maps(kind: str) -> None:
    check(Case(kind, (32, 32), "two maps"), 90)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("arch", ARCHS)
def test_tiles(arch: int, dtype: torch.dtype) -> None:
    with executed_on(arch, counting=False) as runs:
        check_tiled(triton, dtype)
    assert [run.kernel.name for run in runs] == 2 * ["around_fft_tile_sums_kernel", "around_fft_totals_kernel"]


def test_around_fft() -> None:
    check_few_points()
    with executed_on(80, counting=False):
        check_one_bin(triton, torch.float32)
        check_logarithm_of_tiles(triton)
        check_neighbours(launches.AROUND_FFT, torch.float32)
        check_sloped(triton, torch.float32)
        for size, dtype in (((7, 12), torch.float32), ((12, 5), torch.float64)):
            check_hermitian(triton, size, dtype)


@pytest.mark.parametrize("scale", ["amplitude", "log"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_scaled(dtype: torch.dtype, scale: str) -> None:
    with executed_on(90):
        check_scaled(triton, dtype, scale)


@pytest.mark.parametrize("kind", ["cross", "filter per image", "swap"])
@pytest.mark.parametrize(
    ("size", "dtype"), [((12, 17), torch.float64), ((7, 20), torch.float32), ((9, 16), torch.bfloat16)]
)
def test_other_sizes_and_types(kind: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    for binning in ("radial", "ragged"):
        check(Case(kind, size, binning, dtype=dtype), 80)


@pytest.mark.parametrize("size", [(96, 80), pytest.param((256, 256), marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_wavefronts_of_sums_of_tiles(size: tuple[int, int], dtype: torch.dtype) -> None:
    index, weight, n_bins = spectral_maps(size, "radial", dtype, torch.Generator())
    x = torch.randn(1, *size, dtype=dtype)
    with executed_on(90) as runs:
        triton.binned_cross_spectrum(x, x, index, weight, n_bins)
    tiles = bins.tiles_of(index.numel(), n_bins, x.dtype)
    made, fewest = runs[0].counters.total_wavefronts
    stored = tiles[0] * -(-tiles[1] // 1024) * 8 * dtype.itemsize  # without conflicts: 4 terms of each thread
    assert stored <= fewest
    assert made - stored <= 1.3 * (fewest - stored)


@pytest.mark.slow
def test_half_planes_beyond_two_to_the_31_numbers() -> None:
    check_beyond_two_to_the_31(launches.AROUND_FFT, last)
    parts, totals = torch.empty(2**31 + 2**12), torch.empty(2**30 + 2**11)
    parts[-2:] = torch.tensor([0.5, 1.0])
    programs = -(-len(totals) // launches.BLOCK)
    with last(1):
        around_fft_kernels.around_fft_totals_kernel[(programs,)](
            parts, totals, len(totals), 2, 1, launches.BLOCK, **launches.FUSED
        )
    assert float(totals[-1]) == 1.5
