"""The CUDA kernels around torch.fft, on the CPU: source on fibers and interpreted PTX, against the reference."""

from __future__ import annotations

from contextlib import AbstractContextManager

import cuda_source
import numpy as np
import pytest
import torch
from around_fft_cases import (
    DTYPES,
    QUICK,
    SERVED,
    check,
    check_beyond_two_to_the_31,
    check_logarithm_of_tiles,
    check_neighbours,
    check_one_bin,
    check_scaled,
    check_sloped,
    check_swap,
    check_tiled,
    swap_arguments,
)
from cuda_source import launches
from inverse_transforms import check_hermitian
from samples import Sample, spectral_maps
from spectral_cases import ARCHS
from tolerances import assert_near

from specops.ops.spectral import around_fft, cuda, reference

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "spectral" / "cuda" / "around_fft_cuda.cu"

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.mark.slow
@each_dtype
def test_source_on_all_samples(dtype: torch.dtype) -> None:
    with launches.executed_source(SOURCE):
        for sample in SERVED:
            check(cuda, sample, dtype)


@each_dtype
@pytest.mark.parametrize("order", cuda_source.ORDERS)
def test_source_in_orders(order: str, dtype: torch.dtype) -> None:
    with launches.executed_source(SOURCE, order, seed=1):
        for sample in QUICK:
            check(cuda, sample, dtype)
        for constant in (False, True):
            check_swap(cuda, swap_arguments(dtype, constant))
        for scale in ("amplitude", "log"):
            check_scaled(cuda, dtype, scale)
        check_logarithm_of_tiles(cuda)
        check_one_bin(cuda, dtype)
        check_tiled(cuda, dtype)
        check_neighbours(cuda.AROUND_FFT, dtype)
        check_sloped(cuda, dtype)
        for size in ((9, 20), (6, 5)):
            check_hermitian(cuda, size, dtype)


@pytest.mark.parametrize(
    ("arch", "samples"),
    [
        pytest.param(90, QUICK, id="90 quick"),
        *(pytest.param(arch, SERVED, id=str(arch), marks=pytest.mark.slow) for arch in ARCHS),
    ],
)
def test_compiled(arch: int, samples: list[Sample]) -> None:
    with launches.executed_ptx(SOURCE, arch, counting=False) as runs:
        for dtype in DTYPES:
            for sample in samples:
                check(cuda, sample, dtype)
            for constant in (False, True):
                check_swap(cuda, swap_arguments(dtype, constant))
            for scale in ("amplitude", "log"):
                check_scaled(cuda, dtype, scale)
            check_one_bin(cuda, dtype)
            check_tiled(cuda, dtype)
            check_hermitian(cuda, (9, 20), dtype)
    kernels = {run.launch.kernel for run in runs}
    assert len(kernels) == 12  # sums, of tiles and of those, gains, Hermitian columns and clip in float32 and float64


@each_dtype
def test_what_must_move_moves_once(dtype: torch.dtype) -> None:
    with launches.executed_ptx(SOURCE, 90) as runs:
        check_swap(cuda, swap_arguments(dtype, constant=False, size=(32, 48)))
    gained, _, clipped = runs  # between them the two columns that become Hermitian
    for run, (loaded, stored) in ((gained, ((0,), (0,))), (clipped, ((0, 1), (2, 3, 4)))):
        for position, traffic in [(p, run.counters.loads) for p in loaded] + [(p, run.counters.stores) for p in stored]:
            tensor = run.tensors[position]
            assert traffic[position].sectors * 32 <= 1.05 * tensor.numel() * tensor.element_size()


@pytest.mark.parametrize("size", [(96, 80), (256, 256)])
def test_sums_of_tiles_meet_no_bank_twice(size: tuple[int, int]) -> None:
    index, weight, n_bins = spectral_maps(size, "radial", torch.float32, torch.Generator())
    x = torch.randn(1, *size)
    with launches.executed_ptx(SOURCE, 90) as runs:
        cuda.binned_cross_spectrum(x, x, index, weight, n_bins)
    made, fewest = runs[0].counters.total_wavefronts
    assert made <= 1.005 * fewest


def test_a_bin_that_the_profile_lacks_has_no_gain() -> None:
    index, weight, n_bins = spectral_maps((9, 20), "radial", torch.float32, torch.Generator())
    x, profile = torch.randn(2, 9, 20), torch.randn(2, n_bins - 3)
    with launches.executed_source(SOURCE):
        out = cuda.binned_filter(x, profile, index, weight)
    assert_near(out, reference.binned_filter(x, profile, torch.where(index < n_bins - 3, index, -1), weight), 1e-6)


def last(blocks: int) -> AbstractContextManager[list[launches.Run]]:
    return launches.executed_ptx(SOURCE, 90, counting=False, races=False, blocks=slice(-blocks, None))


def test_images_beyond_two_to_the_31_pixels() -> None:
    check_beyond_two_to_the_31(cuda.AROUND_FFT, last)


def test_sums_of_tiles_beyond_two_to_the_31_numbers() -> None:
    X = torch.from_numpy(np.zeros((2**31 // (2 * 96 * 90) + 1, 96, 90, 2), np.float32))  # of two tiles
    X[-1, ..., 0] = 1.0
    with last(2) as runs:
        index, weight = torch.zeros(96, 90, dtype=torch.int32), torch.ones(96, 90)
        sums = cuda.AROUND_FFT.bin_sums(X, X, index, weight, 1, around_fft.UNSCALED)
    assert len(runs) == 2
    assert float(sums[-1, 0]) == 96 * 90
