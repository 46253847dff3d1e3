"""The Triton kernels of the spectral ops on the CPU: compiled by Triton, their PTX interpreted, against float64."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import randn, spectral_maps
from tolerances import relative_error, tolerance
from torch import Tensor

from specops._half_plane import multiplicity
from specops.ops._layout import compute_dtype
from specops.ops.spectral import around_fft, gpu_plans, reference

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

import mutation
from inverse_transforms import check_hermitian
from ptx import PtxError
from test_gpu_spectral import last_of_many
from triton_driver import Run, executed_on

from specops.ops.spectral import triton, triton_kernels

ARCHS = (80, 90, 100)
SIZES = tuple(triton.CONFIGURATIONS)
OPS = ("power", "cross", "filter", "filter per image", "swap", "swap constant")
FUNCTIONS = {"power": "binned_cross_spectrum", "cross": "binned_cross_spectrum", "filter": "binned_filter"}
MUTANTS = mutation.triton_masks(Path(triton_kernels.__file__).read_text())


@dataclass(frozen=True)
class Case:
    """Arguments of one op; `bins` as in samples.spectral_maps."""

    op: str
    size: tuple[int, int]
    bins: str = "radial"
    images: int = 2
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.op}-{self.images}x{height}x{width}-{self.bins}-{str(self.dtype).removeprefix('torch.')}"

    def arguments(self, seed: int = 0) -> tuple[Any, ...]:
        generator, wide = torch.Generator().manual_seed(seed), compute_dtype(self.dtype)
        index, weight, n_bins = spectral_maps(self.size, self.bins, wide, generator)
        shape = (self.images, *self.size)
        x = randn(shape, self.dtype, generator)
        y = x if self.op == "power" else randn(shape, self.dtype, generator)
        if self.op in ("power", "cross"):
            return x, y, index, weight, n_bins
        gains = torch.rand((self.images, n_bins) if "image" in self.op else (n_bins,), generator=generator).to(wide)
        if self.op.startswith("filter"):
            return x, gains, index, weight
        weight = (multiplicity(self.size, wide, index.device) / x[0].numel()).expand(index.shape).contiguous()
        if self.op == "swap constant":
            return x, torch.full((), -1.0, dtype=self.dtype).expand(shape), gains, index, weight, -1.0, 1.0, False
        return x, y, gains, index, weight, -1.0, 1.0, True

    def call(self, *args: Any) -> tuple[Tensor, ...]:
        return self.of(triton, *args)

    def exact(self, *args: Any) -> tuple[Tensor, ...]:
        wide = tuple(arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args)
        return self.of(reference, *wide)

    def of(self, module: Any, *args: Any) -> tuple[Tensor, ...]:
        """What the op of a module of implementations returns."""
        out = getattr(module, FUNCTIONS.get(self.op.split()[0], "clipped_band_swap"))(*args)
        return out if isinstance(out, tuple) else (out,)


def check(case: Case, arch: int, **options: Any) -> tuple[tuple[Tensor, ...], list[Run], tuple[Any, ...]]:
    """Executes a case, whose results are near those of float64."""
    args = case.arguments()
    with executed_on(arch, **options) as runs:
        out = case.call(*args)
    expected = case.exact(*args)
    assert relative_error(out[0], expected[0]) <= tolerance(compute_dtype(case.dtype), out[0].dtype, case.size)
    if case.op.startswith("swap"):  # the slope jumps where rounding decides on which side of a bound a pixel is
        assert float((out[1] != expected[1]).double().mean()) <= 1e-3
        assert relative_error(out[2], expected[2]) <= tolerance(compute_dtype(case.dtype), case.dtype, case.size)
    return out, runs, args


def check_scaled(dtype: torch.dtype, scale: str) -> None:
    """Of images with coefficients that are exactly 0."""
    x, gains, index, weight = Case("filter per image", (12, 32), "ragged", 3, dtype).arguments()
    x[1] = torch.where(torch.arange(32) < 16, 1, -1)
    how = (scale, 0.01, 1e-3)
    with executed_on(90):
        power = triton.binned_scaled_power(x, index, weight, gains.shape[-1], *how)
        filtered = triton.binned_scaled_filter(x, gains, index, weight, *how)
    expected = reference.binned_scaled_power(x, index, weight, gains.shape[-1], *how)
    near = 1e-5 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(power, expected, rtol=near, atol=near)
    assert relative_error(filtered, reference.binned_scaled_filter(x, gains, index, weight, *how)) <= near


def check_uneven_bins() -> None:
    """Every second bin is empty, the first has many points."""
    x, _, index, weight, n_bins = Case("power", (32, 32)).arguments()
    args = (torch.where(index > 5, 2 * index, 0).int(), weight, 2 * n_bins)
    with executed_on(80, counting=False):
        out = triton.binned_cross_spectrum(x, x, *args)
    wide = x.double()
    expected = reference.binned_cross_spectrum(wide, wide, args[0], weight.double(), 2 * n_bins)
    assert relative_error(out, expected) <= tolerance(torch.float32, torch.float32, (32, 32))


def check_few_points() -> None:
    """Two points to each bin of the first half, none to the others; a logarithm that is infinite at 0."""
    x, _, index, weight, n_bins = Case("power", (7, 20), "own").arguments()
    args = ((torch.arange(n_bins) // 2).int().view(index.shape), weight, n_bins)
    assert gpu_plans.tiles_of(index.numel(), n_bins, x.dtype) is None
    with executed_on(80, counting=False):
        power = triton.binned_cross_spectrum(x, x, *args)
        logarithm = triton.binned_scaled_power(x, *args, "log", 1.0, 0.0)
    assert relative_error(power, reference.binned_cross_spectrum(x, x, *args)) <= 1e-6
    assert relative_error(logarithm, reference.binned_scaled_power(x, *args, "log", 1.0, 0.0)) <= 1e-6


TILED = (131, 129)


def check_tiles(arch: int, dtype: torch.dtype = torch.float32) -> None:
    """Of several tiles, the last with fewer points, that begin anywhere in a sector."""
    _, runs, _ = check(Case("cross", TILED, "ragged", dtype=dtype), arch, counting=False)
    assert [run.kernel.name for run in runs] == ["tile_sums_kernel", "totals_kernel"]


def check_one_bin() -> None:
    """Of more points than a lane adds up at a time, beside others that have none."""
    x, _, index, weight, n_bins = Case("power", (65, 65), "own").arguments()
    args = (torch.zeros_like(index), weight, n_bins)
    with executed_on(80, counting=False):
        out = triton.binned_cross_spectrum(x, x, *args)
    expected = reference.binned_cross_spectrum(x.double(), x.double(), *args[:1], weight.double(), n_bins)
    assert float((out - expected).abs().max()) <= 2e-7 * float(expected.max())


def assert_gates(case: Case, run: Run, out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """One launch, each image in and out once by 16 bytes at a time, no spills, no bank conflict.

    But a few where values are gathered bin by bin, up to .6 % over all of shared memory.
    """
    made, ideal = run.counters.total_wavefronts
    assert made <= (1.006 if case.op in ("power", "cross") else 1.0) * ideal
    assert run.resources.stack == 0
    images = {arg.data_ptr(): arg for arg in args[:2] if isinstance(arg, Tensor) and arg.shape[-2:] == case.size}
    for image in images.values():
        if not any(image.stride()):
            continue
        loads = run.counters.loads[run.storage(image)]
        assert loads.bytes == image.numel() * image.element_size()
        assert loads.excess <= 1.05
        assert loads.widths == {4 * image.element_size()}
    for result in out:
        if result.numel() and result.shape[-2:] == case.size:
            stores = run.counters.stores[run.storage(result)]
            assert stores.bytes == result.numel() * result.element_size()
            assert stores.excess <= 1.05
            assert stores.widths == {4 * result.element_size()}


@pytest.mark.parametrize("op", OPS)
def test_smallest_images(op: str) -> None:
    case = Case(op, (32, 32), images=3)
    out, runs, args = check(case, 80)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("side", SIZES)
def test_every_configuration(op: str, side: int, arch: int) -> None:
    case = Case(op, (side, side))
    out, runs, args = check(case, arch)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("side", SIZES)
def test_every_configuration_in_half_types(side: int, dtype: torch.dtype, arch: int) -> None:
    for op in OPS:
        _, (run,), _ = check(Case(op, (side, side), dtype=dtype), arch, counting=False)
        assert run.resources.stack == 0


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_what_ptxas_would_spill(arch: int) -> None:
    """Compiled, not executed: most bins in one launch; an amplitude in float64."""
    with executed_on(arch, blocks=range(0)) as runs:
        for dtype, side in itertools.product((torch.float32, torch.float16, torch.bfloat16), SIZES):
            x, *maps, _ = Case("power", (side, side), dtype=dtype).arguments()[1:]
            triton.binned_cross_spectrum(x, x, *maps, 2 * side)
        x, _, *maps, n_bins = Case("power", (256, 256), images=1, dtype=torch.float64).arguments()
        triton.binned_scaled_power(x, *maps, n_bins, "amplitude", 0.01, 1e-3)
    assert [run for run in runs if run.resources.stack] == []


@pytest.mark.parametrize("bins", ["ragged", "own"])
@pytest.mark.parametrize("op", ["power", "filter"])
def test_any_bins(op: str, bins: str) -> None:
    check(Case(op, (32, 32), bins), 80, counting=False)


def test_uneven_bins() -> None:
    check_uneven_bins()


def test_few_points() -> None:
    check_few_points()
    check_one_bin()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("arch", ARCHS)
def test_tiles(arch: int, dtype: torch.dtype) -> None:
    check_tiles(arch, dtype)


@pytest.mark.parametrize("op", ["cross", "filter per image", "swap"])
@pytest.mark.parametrize(
    ("size", "dtype"), [((12, 17), torch.float64), ((7, 20), torch.float32), ((9, 16), torch.bfloat16)]
)
def test_other_sizes_and_types(op: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    for bins in ("radial", "ragged"):
        check(Case(op, size, bins, dtype=dtype), 80)


def test_sloped_filter() -> None:
    x, gains, index, weight = Case("filter", (32, 32)).arguments()
    slope = torch.randint(-1, 2, x.shape, dtype=torch.int8)
    with executed_on(80, counting=False):
        out = triton.binned_sloped_filter(x, gains, slope, index, weight)
    assert relative_error(out, reference.binned_sloped_filter(x, gains, slope, index, weight)) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("op", OPS)
def test_other_types_of_served_sizes(op: str, dtype: torch.dtype) -> None:
    check(Case(op, (32, 32), dtype=dtype), 90)


def test_logarithm_of_tiles() -> None:
    """Infinite at 0, which is what a tile has beside its points."""
    x, _, index, weight, n_bins = Case("power", TILED).arguments()
    with executed_on(80, counting=False):
        found = triton.binned_scaled_power(x, index, weight, n_bins, "log", 1.0, 0.0)
    expected = reference.binned_scaled_power(x, index, weight, n_bins, "log", 1.0, 0.0)
    assert relative_error(found, expected) <= 1e-6


@pytest.mark.parametrize(("op", "size"), [("power", (32, 32)), ("filter per image", (32, 32)), ("power", TILED)])
def test_an_image_does_not_depend_on_its_neighbours(op: str, size: tuple[int, int]) -> None:
    case = Case(op, size, images=4)
    args = case.arguments()
    spoilt = args[0].clone()
    spoilt[2, 3, 5] = float("nan")
    kept = torch.tensor([0, 1, 3])
    with executed_on(80, counting=False):
        [whole] = case.call(*args)
        [again] = case.call(*args)
        alone = case.call(*(arg[3:] if arg.shape[:1] == (4,) else arg for arg in args[:2]), *args[2:])[0]
        [broken] = case.call(spoilt, spoilt if op == "power" else args[1], *args[2:])
    assert torch.equal(whole, again)
    assert torch.equal(whole[3:], alone)
    assert torch.equal(whole[kept], broken[kept])
    assert bool(broken[2].isnan().all())


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mask_left_out_is_noticed(mutant: mutation.Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong values, or an access that the interpreter refuses."""
    path = tmp_path / "mutant_kernels.py"
    path.write_text(mutant.source)
    spec = importlib.util.spec_from_file_location("mutant_kernels", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)
    monkeypatch.setattr(triton, "kernels", module)
    cases = [Case(op, size, bins) for op in OPS for size in ((32, 32), (7, 20)) for bins in ("ragged", "radial")]
    for case in cases:
        try:
            check(case, 80, counting=False)
        except (AssertionError, PtxError):
            return
    try:
        check_uneven_bins()
        check_few_points()
        check_one_bin()
        check_tiles(80)
        for scale in ("amplitude", "log"):
            check_scaled(torch.float32, scale)
        with executed_on(80, counting=False):
            check_hermitian(triton, (6, 10), torch.float32)
    except (AssertionError, PtxError):
        return
    pytest.fail(f"not noticed: {mutant}")


@pytest.mark.slow
@pytest.mark.parametrize("op", ["power", "cross", "filter", "swap"])
def test_images_beyond_two_to_the_31_pixels(op: str) -> None:
    case = Case(op, (128, 128), images=1)
    args = case.arguments()
    many = last_of_many(args, args[0])
    with executed_on(90, counting=False, races=False):
        alone = case.call(*args)
    with executed_on(90, counting=False, races=False, blocks=range(len(many[0]) - 1, len(many[0]))):
        last = case.call(*many)
    assert all(torch.equal(each[-1:], of_one) for each, of_one in zip(last, alone, strict=True))


@pytest.mark.slow
def test_half_planes_beyond_two_to_the_31_numbers() -> None:
    """The last sums, by a tile and of bins with few points, gains, clipped pixels and totals of tiles."""
    count = 2**31 // (2 * 16 * 8) + 1
    X, index, weight = torch.empty(count, 16, 8, 2), torch.zeros(16, 8, dtype=torch.int32), torch.ones(16, 8)
    X[-1] = torch.arange(256.0).view(16, 8, 2)
    of_last = {"counting": False, "races": False}
    for n_bins in (1, 65):
        sums = torch.empty(count, n_bins)
        assert (gpu_plans.tiles_of(128, n_bins, X.dtype) is None) == (n_bins > 1)
        with executed_on(90, **of_last, blocks=range(count - 1, count)):
            triton.AROUND_FFT.bin_sums(X, X, index, weight, sums, around_fft.UNSCALED)
        assert float(sums[-1, 0]) == pytest.approx(float(X[-1].square().sum()), rel=1e-6)
    with executed_on(90, **of_last, blocks=range(count - 1, count)):
        triton.AROUND_FFT.gain(X, torch.full((1,), 2.0), index, weight, around_fft.UNSCALED)
    assert torch.equal(X[-1], 2 * torch.arange(256.0).view(16, 8, 2))
    programs = -(-count * 2 * 9 // triton.BLOCK)  # columns and rows from 0 to 8
    with executed_on(90, **of_last, blocks=range(programs - 2, programs)):
        triton.AROUND_FFT.hermitian(X, 2)
    assert X[-1, 3, [0, -1], 1].tolist() == [2 * 0.5 * (49 - 209), 2 * 0.5 * (63 - 223)]  # ky = 3 and -3
    memory, slope = X.view(-1), torch.empty(X.numel(), dtype=torch.int8)
    memory[-3:] = torch.tensor([-2.0, 0.5, 3.0])
    programs = X.numel() // triton.BLOCK
    with executed_on(90, **of_last, blocks=range(programs - 1, programs)):
        triton.AROUND_FFT.clip(memory, torch.zeros(()).expand(memory.shape), memory, slope, memory[:0], -1.0, 1.0)
    assert memory[-3:].tolist() == [0.0, 0.5, 1.0]
    assert slope[-3:].tolist() == [-1, 1, 0]
    totals = torch.empty(len(memory) // 2)
    programs = -(-len(totals) // triton.BLOCK)
    with executed_on(90, **of_last, blocks=range(programs - 1, programs)):
        triton_kernels.totals_kernel[(programs,)](memory, totals, len(totals), 2, 1, triton.BLOCK)
    assert float(totals[-1]) == 1.5


@pytest.mark.parametrize("size", [(96, 80), pytest.param((256, 256), marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_wavefronts_of_sums_of_tiles(size: tuple[int, int], dtype: torch.dtype) -> None:
    index, weight, n_bins = spectral_maps(size, "radial", dtype, torch.Generator())
    x = torch.randn(1, *size, dtype=dtype)
    with executed_on(90) as runs:
        triton.binned_cross_spectrum(x, x, index, weight, n_bins)
    tiles = gpu_plans.tiles_of(index.numel(), n_bins, x.dtype)
    made, fewest = runs[0].counters.total_wavefronts
    stored = tiles[0] * -(-tiles[1] // 1024) * 8 * dtype.itemsize  # without conflicts: 4 terms of each thread
    assert stored <= fewest
    assert made - stored <= 1.3 * (fewest - stored)


@pytest.mark.parametrize("op", ["power", "cross", "filter per image", "swap"])
def test_bins_of_two_maps(op: str) -> None:
    check(Case(op, (32, 32), "two maps"), 90)


@pytest.mark.parametrize("scale", ["amplitude", "log"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scaled(dtype: torch.dtype, scale: str) -> None:
    check_scaled(dtype, scale)


@pytest.mark.parametrize(("size", "dtype"), [((7, 12), torch.float32), ((12, 5), torch.float64)], ids=str)
def test_half_planes_are_hermitian(size: tuple[int, int], dtype: torch.dtype) -> None:
    with executed_on(90, counting=False):
        check_hermitian(triton, size, dtype)


def test_empty_batches() -> None:
    x = torch.empty(0, 32, 32)
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    assert triton.binned_cross_spectrum(x, x, index, weight, n_bins).shape == (0, n_bins)
    assert triton.binned_filter(x, torch.ones(n_bins), index, weight).shape == x.shape


def test_import_of_specops_leaves_triton_alone() -> None:
    code = "import sys, specops; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
