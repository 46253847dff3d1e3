"""The one-launch CUDA kernels of the spectral ops on the CPU: their source on fibers and their PTX, against float64."""

from __future__ import annotations

from typing import Any

import cuda_source
import pytest
import torch
from cuda_source import launches
from samples import spectral_maps
from spectral_cases import (
    ARCHS,
    KINDS,
    Case,
    assert_images_move_once,
    assert_near_exact,
    check_beyond_two_to_the_31,
    check_images_apart,
    coefficients,
)
from tolerances import tolerance
from torch import Tensor

from specops._half_plane import bin_sums
from specops.ops.spectral import cuda
from specops.ops.spectral.plans import transform

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "spectral" / "cuda" / "spectral_cuda.cu"
SIDES = tuple(height for height, _ in transform.SHAPES)
BINS = ("radial", "ragged", "most", "two")


def square(kind: str, side: int, bins: str = "radial", images: int = 2) -> Case:
    return Case(kind, (side, side), bins, images)


def check(case: Case, seed: int = 0) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
    """Runs an op's kernel as the surrounding context says."""
    args = case.arguments(seed)
    out = case.of(cuda, *args)
    assert_near_exact(case, out, args)
    return out, args


@pytest.mark.parametrize("order", cuda_source.ORDERS)
@pytest.mark.parametrize("side", SIDES)
def test_source_in_orders(side: int, order: str) -> None:
    """Three images of 32 × 32 leave one of a block's groups without work."""
    with launches.executed_source(SOURCE, order, seed=1):
        for kind in KINDS["cuda"]:
            check(square(kind, side, images=3 if side == SIDES[0] else 2))


@pytest.mark.parametrize("seed", range(5))
def test_source_in_random_orders(seed: int) -> None:
    with launches.executed_source(SOURCE, "random", seed):
        for kind in KINDS["cuda"]:
            check(square(kind, 64, "ragged"), seed)


@pytest.mark.parametrize("kind", KINDS["cuda"])
def test_smallest_images(kind: str) -> None:
    with launches.executed_ptx(SOURCE, 90) as runs:
        case = square(kind, SIDES[0], images=4)
        out, args = check(case)
    assert_gates(case, runs, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration(side: int, bins: str, arch: int) -> None:
    for kind in KINDS["cuda"]:
        if (kind, bins) == ("cross", "two"):  # two sums of terms of either sign: as near to 0 as they please
            continue
        with launches.executed_ptx(SOURCE, arch) as runs:
            case = square(kind, side, bins, images=4 if side == SIDES[0] else 2)
            out, args = check(case)
        assert_gates(case, runs, out, args)


def assert_gates(case: Case, runs: list[launches.Run], out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """One launch, images in and out once, no bank conflict; hardly any where lanes have bins."""
    (run,) = runs
    assert_images_move_once(case, run, out, args)
    wavefronts, fewest = run.counters.total_wavefronts
    assert wavefronts <= (1.01 if case.bins == "most" and case.sums else 1.0) * fewest


@pytest.mark.parametrize("seed", range(4))
def test_cross_spectra_of_many_draws(seed: int) -> None:
    """Eight images together; each of them, whose terms may cancel, relative to its sums of absolute terms."""
    case = square("cross", 128, images=8)
    with launches.executed_source(SOURCE):
        (out,), args = check(case, seed)
    x, y, index, weight, n_bins = args
    X, Y = (torch.fft.rfft2(each.double()) for each in (x, y))
    magnitude = bin_sums(X.abs() * Y.abs(), index, weight.double(), n_bins)
    error = (out - case.exact(*args)[0]).norm(dim=-1) / magnitude.norm(dim=-1)
    assert float(error.max()) <= 0.25 * tolerance(torch.float32, torch.float32, (128, 128))


@pytest.mark.parametrize("kind", ["power", "filter per image"])
def test_images_do_not_meet(kind: str) -> None:
    in_turn, in_any_order = (launches.executed_source(SOURCE, order, seed=7) for order in ("forward", "random"))
    check_images_apart(cuda, kind, in_turn, in_any_order)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["power", "cross", "filter", "sloped filter", "swap", "clipped filter"])
def test_images_beyond_two_to_the_31_pixels(kind: str) -> None:
    last = launches.executed_ptx(SOURCE, 90, counting=False, races=False, blocks=slice(-1, None))
    check_beyond_two_to_the_31(cuda, kind, last)


@pytest.mark.parametrize("side", SIDES)
def test_wavefronts_with_a_bin_per_coefficient(side: int) -> None:
    """Those of values read for sums, over the fewest, and sectors of the sums."""
    case, index = square("power", side, images=4 if side == SIDES[0] else 1), coefficients(side)
    x = case.arguments()[0]
    n_bins, weight = index.numel(), torch.ones(index.shape)
    with launches.executed_ptx(SOURCE, 90) as runs:
        (sums,) = case.of(cuda, x, x, index, weight, n_bins)
        case.of(cuda, x, x, torch.full_like(index, -1), weight, n_bins)  # reads no value
    (made, _), (without, _) = (run.counters.total_wavefronts for run in runs)
    assert 0 < made - without <= 1.3 * case.images * n_bins / 32
    assert runs[0].counters.stores[runs[0].storage(sums)].excess <= 1.05


def test_bins_of_two_maps() -> None:
    """Sums of both are one launch; the filter has one gain per coefficient, and leaves two to torch.fft."""
    with launches.executed_source(SOURCE):
        for kind in ("power", "cross"):
            check(square(kind, SIDES[0], "two maps"))
    assert launched([square(kind, SIDES[0], "two maps") for kind in ("power", "cross", "filter", "swap")]) == [
        "binned_power", "binned_cross_spectrum", "around_fft_gains", "around_fft_hermitian", "around_fft_gains",
        "around_fft_hermitian", "around_fft_clip",
    ]  # fmt: skip


def launched(cases: list[Case]) -> list[str]:
    with launches.noted_calls() as calls:
        for case in cases:
            case.of(cuda, *case.arguments())
    return [name.removeprefix("launch_") for name, _ in calls]


@pytest.mark.parametrize("kind", KINDS["cuda"])
def test_half_precision_is_float32_on_the_way(kind: str) -> None:
    case = square(kind, SIDES[0])
    args = case.arguments()

    def with_images_in(dtype: torch.dtype) -> tuple[Any, ...]:
        images = {id(arg): arg.half().to(dtype) for arg in args[:2] if arg.shape == args[0].shape}
        return tuple(images.get(id(arg), arg) for arg in args)

    with launches.executed_source(SOURCE):
        out, expected = case.of(cuda, *with_images_in(torch.float16)), case.of(cuda, *with_images_in(torch.float32))
    for found, wanted in zip(out, expected, strict=True):
        kept = (
            torch.float32 if kind in ("power", "cross") else torch.int8 if wanted.dtype == torch.int8 else torch.float16
        )
        assert torch.equal(found, wanted.to(kept))
        assert found.dtype == kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_constant_of_a_clipped_filter_is_that_of_the_call(dtype: torch.dtype) -> None:
    """The low end of the range, rounded as images are, on maps that were filtered with another one."""
    x, profile, index, weight, *_ = Case("clipped filter", (32, 32), dtype=dtype).arguments()
    nothing_passes = torch.zeros_like(profile)  # so that the constant is the result
    with launches.executed_source(SOURCE):
        for low in (-1.0, -0.3, -0.7):
            filtered, _ = cuda.clipped_filter(x, nothing_passes, index, weight, low, 1.0)
            rounded = torch.tensor(low, dtype=dtype)
            folded = (rounded.float() - low).abs() + low
            assert torch.equal(filtered, folded.to(dtype).expand_as(filtered))


def test_other_images_go_through_torch_fft() -> None:
    for shape, dtype in (((2, 32, 64), torch.float32), ((2, 32, 32), torch.float64)):
        x = torch.randn(shape, dtype=dtype)
        index, weight, n_bins = spectral_maps(shape[-2:], "radial", dtype, torch.Generator())
        with launches.noted_calls() as calls:
            cuda.binned_cross_spectrum(x, x, index, weight, n_bins)
            cuda.binned_filter(x, torch.rand(n_bins, dtype=dtype), index, weight)
        names = [name.removeprefix("launch_around_fft_") for name, _ in calls]
        assert names == ["tile_sums", "gains", "hermitian"]
    nothing = torch.ones(0, 32, 32)
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    with launches.noted_calls() as calls:
        assert cuda.binned_cross_spectrum(nothing, nothing, index, weight, n_bins).shape == (0, n_bins)
        assert cuda.binned_filter(nothing, torch.rand(n_bins), index, weight).shape == nothing.shape
    assert calls == []
