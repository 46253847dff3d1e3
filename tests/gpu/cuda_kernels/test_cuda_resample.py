"""The CUDA kernels of resampling on the CPU: their source on fibers, their PTX interpreted, against the reference."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import cuda_source
import pytest
import torch
from cuda_source import launches as emulated
from ptx.counters import SECTOR
from resample_cases import (
    CASES,
    COMMON,
    IMAGE_OPS,
    OPS,
    PATCHES,
    TILES,
    UP,
    Case,
    bands_of_many_images,
    beyond_2_31_elements,
    check,
    check_adjoints,
    check_beyond_2_31,
    check_draw,
    check_images_apart,
    check_what_no_kernel_serves,
)
from resample_draws import Draw
from samples import RESAMPLING, Sample
from spectral_cases import ARCHS

from specops.ops.resample import cuda, reference
from specops.ops.resample.contract import BOUNDARIES
from specops.ops.resample.plans import launches, tilings

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "resample" / "cuda" / "resample_cuda.cu"
RANDOM_DRAWS = 40
LAST_BLOCK = {"counting": False, "races": False, "blocks": slice(-1, None)}


@pytest.mark.parametrize("order", cuda_source.ORDERS)
@pytest.mark.parametrize("op", OPS)
def test_source_in_orders(op: str, order: str) -> None:
    with emulated.executed_source(SOURCE, order, seed=1):
        for case in (TILES | PATCHES).values():
            check(cuda, op, *case.arguments(op))


@pytest.mark.parametrize("seed", range(5))
def test_source_on_random_arguments_in_random_orders(seed: int) -> None:
    for number in range(seed * RANDOM_DRAWS // 5, (seed + 1) * RANDOM_DRAWS // 5):
        with emulated.executed_source(SOURCE, "random", seed):
            check_draw(cuda, Draw(number))


@pytest.mark.parametrize("sample", [s for s in RESAMPLING if s.small and s.op == "upfirdn2d"], ids=str)
def test_adjoint_identities(sample: Sample) -> None:
    with emulated.executed_source(SOURCE):
        check_adjoints(cuda, sample)


@pytest.mark.parametrize("name", ["full with folds", "channels", "wide", "float16", "even", "ragged", "circular"])
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_images_do_not_meet(op: str, name: str) -> None:
    in_turn, in_any_order = (emulated.executed_source(SOURCE, order, seed=7) for order in ("forward", "random"))
    check_images_apart(cuda, op, CASES[name], in_turn, in_any_order)


@pytest.mark.parametrize(("name", "outer"), [("full", 0), ("difference", 1), ("tall", 1), ("float64", 1)])
def test_outer_products_are_found(name: str, outer: float) -> None:
    with emulated.executed_source(SOURCE) as calls:
        cuda.upfirdn2d(*CASES[name].arguments("upfirdn2d"))
    [(*_, factors, _)] = [call.tensors for call in calls]
    assert float(factors[0]) == outer


def test_taps_along_both_axes_are_factors_as_they_are() -> None:
    for name in ("1-D", "1-D reflect"):  # a tile and a patch
        with emulated.executed_source(SOURCE) as calls:
            _, taps, *_, gain = args = CASES[name].arguments("upfirdn2d")
            cuda.upfirdn2d(*args)
        [(*_, factors, _)] = [call.tensors for call in calls]
        assert torch.equal(factors, torch.cat([torch.ones(1), taps * gain, taps]))


def test_correlation_is_the_same_in_every_order() -> None:
    args = replace(UP, size=(16, 16), batch=(5,)).arguments("upfirdn2d_filter_correlation")
    results = []
    for order in cuda_source.ORDERS:
        with emulated.executed_source(SOURCE, order, seed=3):
            results.append(cuda.upfirdn2d_filter_correlation(*args))
    assert all(torch.equal(result, results[0]) for result in results)


def test_what_no_kernel_serves() -> None:
    check_what_no_kernel_serves(cuda, emulated.executed_ptx(SOURCE, 90))


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        pytest.param(
            90, ("full with folds", "odd channels", "far", "bfloat16 channels", "1-D", *PATCHES), id="90 quick"
        ),
        *(pytest.param(arch, tuple(CASES), id=str(arch), marks=pytest.mark.slow) for arch in ARCHS),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_compiled(op: str, arch: int, names: tuple[str, ...]) -> None:
    with emulated.executed_ptx(SOURCE, arch, counting=False):
        for name in names:
            check(cuda, op, *CASES[name].arguments(op))


@pytest.mark.slow
@pytest.mark.parametrize("taps", [(1, 3), (3, 3)], ids=["tiles", "patches"])
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_addresses_beyond_2_31_elements(op: str, taps: tuple[int, int]) -> None:
    check_beyond_2_31(cuda, op, taps, emulated.executed_ptx(SOURCE, 90, **LAST_BLOCK))


@pytest.mark.slow
def test_a_derivative_in_the_filter_beyond_2_31_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of the last plane, where each has a block of its own."""
    case = Case((64, 64), taps=(1, 3), padding=(1, 1, 0, 0), batch=(1,), dtype=torch.bfloat16)
    args = case.arguments("upfirdn2d_filter_correlation")
    monkeypatch.setattr(launches, "MOST_SEGMENTS", 2**20)
    launches.plan.cache_clear()
    x, y = (beyond_2_31_elements(image) for image in args[:2])
    with emulated.executed_ptx(SOURCE, 90, **LAST_BLOCK) as runs:
        cuda.upfirdn2d_filter_correlation(x, y, *args[2:])
    launches.plan.cache_clear()
    assert runs[0].launch.grid == (len(x), 1, 1)
    expected = reference.upfirdn2d_filter_correlation(*(image.double() for image in args[:2]), *args[2:])
    torch.testing.assert_close(runs[0].tensors[2][-1:], expected, rtol=1e-6, atol=1e-4)


# Kernels whose sums wait in registers: see csrc/resample/cuda/patch.cuh.


@pytest.mark.parametrize(("up", "down", "taps"), sorted(tilings.PATCHES))
def test_patches(up: int, down: int, taps: int) -> None:
    """All boundaries and types, sizes that are multiples of a patch and not, paddings of both parities, crops."""
    half = taps // 2
    boundaries = dict.fromkeys(BOUNDARIES, (half, half - 1, half + 1, half)) | {"zeros": (half - 1, half, -2, half)}
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    sizes = ((16, 32), (19, 21))
    with emulated.executed_source(SOURCE) as calls:
        for number, (boundary, dtype, size) in enumerate(itertools.product(boundaries, dtypes, sizes)):
            factors = {"taps": (taps, taps), "up": (up, up), "down": (down, down), "padding": boundaries[boundary]}
            case = Case(size, **factors, boundary=boundary, dtype=dtype, outer=number % 4 < 2)
            check(cuda, "upfirdn2d", *case.arguments("upfirdn2d"))
            check(cuda, "upfirdn2d_transpose", *replace(case, boundary="zeros").arguments("upfirdn2d_transpose"))
    assert {call.name for call in calls} == {"upfirdn2d_patches"}


@pytest.mark.parametrize(
    "change", [{"size": (4, 5)}, {"channels_last": True, "batch": (2, 4)}, {"taps": (4, 5)}], ids=str
)
def test_what_patches_do_not_serve(change: dict[str, Any]) -> None:
    """Samples more than a period beyond an end, channels side by side, taps that are not the same along both axes."""
    case = Case((16, 16), (4, 4), (1, 1), (2, 2), (6, 1, 1, 1), "reflect")
    with emulated.executed_source(SOURCE) as calls:
        check(cuda, "upfirdn2d", *case.arguments("upfirdn2d"))
        check(cuda, "upfirdn2d", *replace(case, **change).arguments("upfirdn2d"))
        check(cuda, "upfirdn2d_transpose", *case.arguments("upfirdn2d_transpose"))
    assert [call.name for call in calls] == ["upfirdn2d_patches", "upfirdn2d", "upfirdn2d"]


@pytest.mark.parametrize("name", ["up 2, 12 taps", "down 2, 4 taps"])
def test_an_output_does_not_depend_on_where_its_patch_is(name: str) -> None:
    """An image moved by pixels gives its outputs moved, to the bit; so do longer bands of rows."""
    case = replace(COMMON[name], size=(40, 40), batch=(1,))
    x, *rest = case.arguments("upfirdn2d")
    moved = torch.zeros(1, 48, 48)
    moved[..., 6:46, 4:44] = x
    step = [up / down for up, down in zip(case.up, case.down, strict=True)]
    with emulated.executed_source(SOURCE):
        out, other = (cuda.upfirdn2d(each, *rest) for each in (x, moved))
        with bands_of_many_images():
            assert torch.equal(out, cuda.upfirdn2d(x, *rest))
    rows, columns = int(6 * step[1]), int(4 * step[0])
    inside = slice(12, -12)
    assert torch.equal(
        other[..., rows:, columns:][..., : out.shape[-2], : out.shape[-1]][..., inside, inside],
        out[..., inside, inside],
    )


def test_sectors_of_patches() -> None:
    """Of many images: written once, 16 bytes at a time; read once in vectors, but for what a small cache has."""
    x, *rest = replace(COMMON["avg"], batch=(8,)).arguments("upfirdn2d")
    with bands_of_many_images(), emulated.executed_ptx(SOURCE, 90) as runs:
        out = check(cuda, "upfirdn2d", x, *rest)
    read = runs[-1].counters.loads[runs[-1].storage(x)]
    written = runs[-1].counters.stores[runs[-1].storage(out)]
    assert "upfirdn2d_patches_kernel" in runs[-1].launch.kernel
    assert read.missed + written.sectors <= 1.05 * (x.numel() + out.numel()) * x.element_size() / SECTOR
    assert read.widths == written.widths == {16}
