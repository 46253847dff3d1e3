"""The Triton kernels around torch.fft on the CPU: compiled by Triton, their PTX interpreted, against float64."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from around_fft_cases import check_logarithm_of_tiles, check_scaled
from inverse_transforms import check_hermitian
from samples import spectral_maps
from spectral_cases import ARCHS, Case

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

from triton_checks import TILED, check, check_few_points, check_one_bin, check_tiles
from triton_driver import executed_on

from specops.ops.spectral import around_fft, triton
from specops.ops.spectral.plans import bins
from specops.ops.spectral.triton import around_fft_kernels, launches


def test_few_points() -> None:
    check_few_points()
    check_one_bin()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("arch", ARCHS)
def test_tiles(arch: int, dtype: torch.dtype) -> None:
    check_tiles(arch, dtype)


@pytest.mark.parametrize("kind", ["cross", "filter per image", "swap"])
@pytest.mark.parametrize(
    ("size", "dtype"), [((12, 17), torch.float64), ((7, 20), torch.float32), ((9, 16), torch.bfloat16)]
)
def test_other_sizes_and_types(kind: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    for binning in ("radial", "ragged"):
        check(Case(kind, size, binning, dtype=dtype), 80)


def test_logarithm_of_tiles() -> None:
    with executed_on(80, counting=False):
        check_logarithm_of_tiles(triton)


@pytest.mark.parametrize(("kind", "size"), [("power", (32, 32)), ("filter per image", (32, 32)), ("power", TILED)])
def test_an_image_does_not_depend_on_its_neighbours(kind: str, size: tuple[int, int]) -> None:
    case = Case(kind, size, images=4)
    args = case.arguments()
    spoilt = args[0].clone()
    spoilt[2, 3, 5] = float("nan")
    kept = torch.tensor([0, 1, 3])
    with executed_on(80, counting=False):
        [whole] = case.of(triton, *args)
        [again] = case.of(triton, *args)
        alone = case.of(triton, *(arg[3:] if arg.shape[:1] == (4,) else arg for arg in args[:2]), *args[2:])[0]
        [broken] = case.of(triton, spoilt, spoilt if kind == "power" else args[1], *args[2:])
    assert torch.equal(whole, again)
    assert torch.equal(whole[3:], alone)
    assert torch.equal(whole[kept], broken[kept])
    assert bool(broken[2].isnan().all())


@pytest.mark.slow
def test_half_planes_beyond_two_to_the_31_numbers() -> None:
    """The last sums, by a tile and of bins with few points, profile, clipped pixels and totals of tiles."""
    count = 2**31 // (2 * 16 * 8) + 1
    X, index, weight = torch.empty(count, 16, 8, 2), torch.zeros(16, 8, dtype=torch.int32), torch.ones(16, 8)
    X[-1] = torch.arange(256.0).view(16, 8, 2)
    of_last = {"counting": False, "races": False}
    for n_bins in (1, 65):
        sums = torch.empty(count, n_bins)
        assert (bins.tiles_of(128, n_bins, X.dtype) is None) == (n_bins > 1)
        with executed_on(90, **of_last, blocks=range(count - 1, count)):
            launches.AROUND_FFT.bin_sums(X, X, index, weight, sums, around_fft.UNSCALED)
        assert float(sums[-1, 0]) == pytest.approx(float(X[-1].square().sum()), rel=1e-6)
    with executed_on(90, **of_last, blocks=range(count - 1, count)):
        launches.AROUND_FFT.gain(X, torch.full((1,), 2.0), index, weight, around_fft.UNSCALED)
    assert torch.equal(X[-1], 2 * torch.arange(256.0).view(16, 8, 2))
    programs = -(-count * 2 * 9 // launches.BLOCK)  # columns and rows from 0 to 8
    with executed_on(90, **of_last, blocks=range(programs - 2, programs)):
        launches.AROUND_FFT.hermitian(X, 2)
    assert X[-1, 3, [0, -1], 1].tolist() == [2 * 0.5 * (49 - 209), 2 * 0.5 * (63 - 223)]  # ky = 3 and -3
    memory, slope = X.view(-1), torch.empty(X.numel(), dtype=torch.int8)
    memory[-3:] = torch.tensor([-2.0, 0.5, 3.0])
    programs = X.numel() // launches.BLOCK
    with executed_on(90, **of_last, blocks=range(programs - 1, programs)):
        launches.AROUND_FFT.clip(memory, torch.zeros(()).expand(memory.shape), memory, slope, memory[:0], -1.0, 1.0)
    assert memory[-3:].tolist() == [0.0, 0.5, 1.0]
    assert slope[-3:].tolist() == [-1, 1, 0]
    totals = torch.empty(len(memory) // 2)
    programs = -(-len(totals) // launches.BLOCK)
    with executed_on(90, **of_last, blocks=range(programs - 1, programs)):
        around_fft_kernels.around_fft_totals_kernel[(programs,)](memory, totals, len(totals), 2, 1, launches.BLOCK)
    assert float(totals[-1]) == 1.5


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


@pytest.mark.parametrize("kind", ["power", "cross", "filter per image", "swap"])
def test_bins_of_two_maps(kind: str) -> None:
    check(Case(kind, (32, 32), "two maps"), 90)


@pytest.mark.parametrize("scale", ["amplitude", "log"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scaled(dtype: torch.dtype, scale: str) -> None:
    with executed_on(90):
        check_scaled(triton, dtype, scale)


@pytest.mark.parametrize(("size", "dtype"), [((7, 12), torch.float32), ((12, 5), torch.float64)], ids=str)
def test_half_planes_are_hermitian(size: tuple[int, int], dtype: torch.dtype) -> None:
    with executed_on(90, counting=False):
        check_hermitian(triton, size, dtype)
