"""The CUDA kernels around torch.fft, on the CPU: source on fibers and interpreted PTX, against the reference."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cuda_source
import mutation
import numpy as np
import oracle
import pytest
import torch
from battery import as_double
from cuda_source import launches
from inverse_transforms import check_hermitian
from samples import SPECTRAL, Sample, randn, spectral_maps
from tolerances import assert_near, tolerance

from specops import geometry
from specops.ops.spectral import around_fft, cuda, gpu_plans, reference

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "spectral" / "cuda" / "around_fft_cuda.cu"
DTYPES = (torch.float32, torch.float64)
PAIR = [sample for sample in SPECTRAL if sample.linear == (0, 1)]
SERVED = [sample for sample in PAIR if not cuda.serves(sample.arguments(torch.float32)[0])]

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def check(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    out = getattr(cuda, sample.op)(*args)
    assert out.dtype == dtype
    assert_near(out, sample.reference(*as_double(args)), tolerance(dtype, dtype, args[0].shape[-2:]))


def check_logarithm_of_tiles() -> None:
    """Infinite at 0."""
    x, _, index, weight, n_bins = tiled(torch.float32, own=True)
    args = (index, weight, n_bins, "log", 1.0, 0.0)
    torch.testing.assert_close(cuda.binned_scaled_power(x, *args), reference.binned_scaled_power(x, *args))


def check_scaled(dtype: torch.dtype, scale: str) -> None:
    """Of an image with a coefficient that is exactly 0."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((9, 20), "ragged", dtype, generator)
    x = randn((3, 9, 20), dtype, generator)
    x[1] = 1
    gains = randn((3, n_bins), dtype, generator)
    args = (index, weight, n_bins, scale, 0.01, 1e-3)
    near = {"rtol": 1e-5 if dtype == torch.float32 else 1e-13, "atol": 1e-5 if dtype == torch.float32 else 1e-13}
    torch.testing.assert_close(cuda.binned_scaled_power(x, *args), reference.binned_scaled_power(x, *args), **near)
    x[1] = torch.where(torch.arange(20) < 10, 1, -1)  # of which cosines along y are exactly 0
    args = (gains, index, weight, scale, 0.01, 1e-3)
    found, expected = cuda.binned_scaled_filter(x, *args), reference.binned_scaled_filter(x, *args)
    assert bool(found.isfinite().all())
    assert (found - expected).norm() <= near["rtol"] * expected.norm()


def one_bin(dtype: torch.dtype, n_bins: int) -> tuple[Any, ...]:
    """All points in the first: more than the lanes of a bin add up at a time."""
    generator = torch.Generator().manual_seed(0)
    x, weight = randn((2, 33, 33), dtype, generator), torch.rand(33, 17, generator=generator, dtype=dtype)
    return x, x, torch.zeros(33, 17, dtype=torch.int32), weight, n_bins


def check_one_bin(dtype: torch.dtype) -> None:
    for n_bins in (1, 33 * 17):  # a tile, and bins that have few points on average
        args = one_bin(dtype, n_bins)
        assert (gpu_plans.tiles_of(33 * 17, n_bins, dtype) is None) == (n_bins > 1)
        found, expected = cuda.binned_cross_spectrum(*args).numpy(), oracle.binned_cross_spectrum(*args)
        error = np.abs(found - expected) / expected[:, :1]  # all terms are positive
        assert error.max() <= tolerance(dtype, dtype, (33, 33))


def tiled(dtype: torch.dtype, own: bool) -> tuple[Any, ...]:
    """Of several tiles, the last with fewer points, that begin anywhere in a sector; some points in no bin."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((131, 129), "ragged", dtype, generator)
    x = randn((2, 131, 129), dtype, generator)
    return x, x if own else randn((2, 131, 129), dtype, generator), index, weight, n_bins


def check_tiled(dtype: torch.dtype) -> None:
    for own in (True, False):
        args = tiled(dtype, own)
        tiles = gpu_plans.tiles_of(args[2].numel(), args[4], dtype)
        assert tiles is not None
        assert tiles[0] > 1
        assert_near(
            cuda.binned_cross_spectrum(*args),
            reference.binned_cross_spectrum(*as_double(args)),
            tolerance(dtype, dtype, (131, 129)),
        )


def check_neighbours(dtype: torch.dtype) -> None:
    """Images of several tiles do not depend on each other; a coefficient in no bin may be anything."""
    generator = torch.Generator().manual_seed(0)
    index, weight, n_bins = spectral_maps((131, 129), "ragged", dtype, generator)
    x = randn((3, 131, 129), dtype, generator)
    X = around_fft.half_plane(x)
    X[:, index < 0] = torch.nan
    whole, again, alone = (X.new_empty(n, n_bins) for n in (3, 3, 1))
    cuda.HALF_PLANE.bin_sums(X, X, index, weight, whole, around_fft.UNSCALED)
    cuda.HALF_PLANE.bin_sums(X[2:], X[2:], index, weight, alone, around_fft.UNSCALED)
    assert bool(whole.isfinite().all())
    X[1] = torch.nan
    cuda.HALF_PLANE.bin_sums(X, X, index, weight, again, around_fft.UNSCALED)
    assert torch.equal(whole[::2], again[::2])
    assert torch.equal(whole[2:], alone)


def check_sloped(dtype: torch.dtype) -> None:
    x, _, gains, index, weight, *_ = swap_arguments(dtype, constant=False)
    slope = torch.randint(-1, 2, x.shape, dtype=torch.int8)
    out = cuda.binned_sloped_filter(x, gains, slope, index, weight)
    expected = reference.binned_sloped_filter(x, gains, slope, index, weight)  # rounded in the same type
    assert_near(out, expected, 2 * tolerance(dtype, dtype, (9, 20)))


def swap_arguments(
    dtype: torch.dtype, constant: bool, size: tuple[int, int] = (9, 20), images: int = 3
) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    a, b = (randn((images, *size), dtype, generator) for _ in range(2))
    b = b.flatten()[0].expand_as(b) if constant else b
    index, _, weight = geometry.coefficient_maps(*size, dtype, a.device)
    gains = randn((images, index.numel()), dtype, generator)
    return a, b, gains, index, weight, -0.1, 0.7, not constant


def check_swap(args: tuple[Any, ...]) -> None:
    swapped, slope, kept = cuda.clipped_band_swap(*args)
    expected, expected_slope, expected_kept = reference.clipped_band_swap(*args)
    near = 1e-5 if swapped.dtype == torch.float32 else 1e-13
    torch.testing.assert_close(swapped, expected, rtol=0, atol=near)
    assert torch.equal(kept, expected_kept)
    unclipped = reference.clipped_band_swap(*args[:6], 1e9, False)[0]
    turning = ((unclipped - args[5]).abs() < near) | ((unclipped - args[6]).abs() < near)
    assert torch.equal(slope[~turning], expected_slope[~turning])
    assert {-1, 0, 1} == set(slope.unique().tolist())


@each_dtype
@pytest.mark.parametrize("order", cuda_source.ORDERS)
def test_source_in_orders(order: str, dtype: torch.dtype) -> None:
    with launches.executed_source(SOURCE, order, seed=1):
        for sample in SERVED:
            check(sample, dtype)
        for constant in (False, True):
            check_swap(swap_arguments(dtype, constant))
        for scale in ("amplitude", "log"):
            check_scaled(dtype, scale)
        check_logarithm_of_tiles()
        check_one_bin(dtype)
        check_tiled(dtype)
        check_neighbours(dtype)
        check_sloped(dtype)
        for size in ((9, 20), (6, 5)):
            check_hermitian(cuda, size, dtype)


@pytest.mark.parametrize("arch", [80, 90, 100])
def test_compiled(arch: int) -> None:
    with launches.executed_ptx(SOURCE, arch) as runs:
        for dtype in DTYPES:
            for sample in SERVED:
                check(sample, dtype)
            for constant in (False, True):
                check_swap(swap_arguments(dtype, constant))
            for scale in ("amplitude", "log"):
                check_scaled(dtype, scale)
            check_one_bin(dtype)
            check_tiled(dtype)
            check_hermitian(cuda, (9, 20), dtype)
    kernels = {run.launch.kernel for run in runs}
    assert len(kernels) == 12  # sums, of tiles and of those, gains, Hermitian columns and clip in float32 and float64


@each_dtype
def test_what_must_move_moves_once(dtype: torch.dtype) -> None:
    with launches.executed_ptx(SOURCE, 90) as runs:
        check_swap(swap_arguments(dtype, constant=False, size=(32, 48)))
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
    x, gains = torch.randn(2, 9, 20), torch.randn(2, n_bins - 3)
    with launches.executed_source(SOURCE):
        out = cuda.binned_filter(x, gains, index, weight)
    assert_near(out, reference.binned_filter(x, gains, torch.where(index < n_bins - 3, index, -1), weight), 1e-6)


def test_images_beyond_two_to_the_31_pixels() -> None:
    """Pixels and coefficients behind 2³¹ others, whose memory is there page by page."""
    n = 2**31 + 2**12
    memory = torch.from_numpy(np.zeros(n, np.float32))
    slope = torch.from_numpy(np.zeros(n, np.int8))
    memory[-3:] = torch.tensor([-2.0, 0.5, 3.0])
    of_last = {"counting": False, "races": False}
    with launches.executed_ptx(SOURCE, 90, **of_last, blocks=range(n // 256 - 1, n // 256)):
        cuda.HALF_PLANE.clip(memory, torch.zeros(()).expand(n), memory, slope, memory[:0], -1.0, 1.0)
    assert memory[-3:].tolist() == [0.0, 0.5, 1.0]
    assert slope[-3:].tolist() == [-1, 1, 0]
    X = memory[: 2**31 + 2**10].view(-1, 16, 8, 2)
    X[-1] = 1.0
    index, weight = torch.zeros(16, 8, dtype=torch.int32), torch.arange(128.0).view(16, 8)
    with launches.executed_ptx(SOURCE, 90, **of_last, blocks=range(len(X) - 1, len(X))):
        cuda.HALF_PLANE.gain(X, torch.full((1,), 2.0), index, weight, around_fft.UNSCALED)
    assert torch.equal(X[-1, ..., 1], 2 * weight)
    for n_bins in (1, 128):  # a tile, bins with few points
        sums = torch.empty(len(X), n_bins)
        with launches.executed_ptx(SOURCE, 90, **of_last, last_blocks=1):
            cuda.HALF_PLANE.bin_sums(X, X, index, torch.ones(16, 8), sums, around_fft.UNSCALED)
        assert float(sums[-1, 0]) == pytest.approx(2 * float((2 * weight).square().sum()), rel=1e-6)
    with launches.executed_ptx(SOURCE, 90, **of_last, last_blocks=2):
        cuda.HALF_PLANE.hermitian(X, 2)
    assert X[-1, 3, [0, -1], 1].tolist() == [24 - 104, 38 - 118]  # 2 · weight at ky = 3 less that at -3, halved
    X = torch.from_numpy(np.zeros((2**31 // (2 * 96 * 90) + 1, 96, 90, 2), np.float32))  # of two tiles
    X[-1, ..., 0] = 1.0
    sums = torch.empty(len(X), 1)
    with launches.executed_ptx(SOURCE, 90, **of_last, last_blocks=2) as runs:
        index, weight = torch.zeros(96, 90, dtype=torch.int32), torch.ones(96, 90)
        cuda.HALF_PLANE.bin_sums(X, X, index, weight, sums, around_fft.UNSCALED)
    assert len(runs) == 2
    assert float(sums[-1, 0]) == 96 * 90


@functools.cache
def noted() -> list[tuple[str, list[Any]]]:
    with launches.noted_calls() as calls:
        for n_bins in (1, 33 * 17):
            cuda.binned_cross_spectrum(*one_bin(torch.float32, n_bins))
        for dtype, own in ((torch.float32, True), (torch.float32, False), (torch.float64, False)):
            cuda.binned_cross_spectrum(*tiled(dtype, own))
        for sample in SERVED:
            getattr(cuda, sample.op)(*sample.arguments(torch.float32))
        for constant in (False, True):
            cuda.clipped_band_swap(*swap_arguments(torch.float32, constant))
        x, _, gains, index, weight, *_ = swap_arguments(torch.float32, constant=False)
        for scale in ("amplitude", "log"):
            cuda.binned_scaled_power(x, index, weight, index.numel(), scale, 0.01, 1e-3)
            cuda.binned_scaled_filter(x, gains, index, weight, scale, 0.01, 1e-3)
    for name, arguments in calls:  # what has not been executed leaves its inputs as they come
        for array in arguments:
            if isinstance(array, np.ndarray) and name.endswith("clip") and array.dtype == np.float32:
                array[np.isnan(array)] = 0
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing(sanitizer: str) -> None:
    orders = [("forward", 0), ("reverse", 0), *(("random", seed) for seed in range(5))]
    cuda_source.call_sanitized(SOURCE, sanitizer, noted(), orders=orders)


MUTATED = "spectral/cuda/around_fft_kernels.cuh"
CHOICES = {
    MUTATED: [
        ("live ? first[bin + 1] : 0", "first[bin + 1]"),
        ("live ? first[bin] + lane : 0", "first[bin] + lane"),
        ("turn < kTermsAtOnce", "true"),
        ("left < tile_points ? left : tile_points", "tile_points"),
        ("tile < n_tiles", "tile < n_tiles + 1"),
        ("begin + lanes * (turn + t) >= end", "false"),
        ("constant ? 0 : i", "i"),
        ("map < n_maps", "map < n_maps + 1"),
        ("pair % n_edges == 0 ? 0 : n_columns - 1", "0"),
        ("(n_rows - ky)", "(n_rows - 1 - ky)"),
    ]
}


def switchable() -> tuple[dict[str, str], list[str]]:
    sources = {name: (cuda_source.CSRC / name).read_text() for name in (MUTATED, "common/coefficient.h")}
    return mutation.switchable(sources, r"__syncthreads\(\);", CHOICES)


SPEED_ONLY = ("lane == 0", "!alone")  # all lanes have the sum; a real coefficient twice
MUTANTS = [(number, what) for number, what in enumerate(switchable()[1]) if not what.endswith(SPEED_ONLY)]


@pytest.fixture(scope="module")
def mutants_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mutation.write_switched(switchable()[0], SOURCE, tmp_path_factory.mktemp("mutants"))


def left_by(source: Path, sanitizer: str, mutant: int) -> list[Any]:
    calls = [("specops_select_mutant", [mutant, None]), *noted()]
    return cuda_source.call_sanitized(source, sanitizer, calls, orders=[("forward", 0)])[1:]


@functools.cache
def left_by_none(source: Path) -> list[Any]:
    return left_by(source, "address", -1)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "what"), MUTANTS, ids=[what for _, what in MUTANTS])
def test_every_barrier_and_condition_is_needed(number: int, what: str, mutants_source: Path) -> None:
    """Without it a sanitizer reports something or a result is another."""
    try:
        found = left_by(mutants_source, "address", number)
    except cuda_source.SanitizerError:
        return
    pairs = [
        pair
        for one, two in zip(found, left_by_none(mutants_source), strict=True)
        for pair in zip(one, two, strict=True)
    ]
    if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs if isinstance(a, np.ndarray)):
        with pytest.raises(cuda_source.SanitizerError, match="data race"):
            left_by(mutants_source, "thread", number)
