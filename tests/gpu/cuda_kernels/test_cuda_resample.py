"""The CUDA kernels of resampling on the CPU: their source on fibers, their PTX interpreted, against the reference."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cuda_source
import pytest
import torch
from cuda_source import launches as emulated
from ptx.counters import SECTOR
from resample_cases import (
    ARCHS,
    CASES,
    IMAGE_OPS,
    OPS,
    PATCHES,
    TILED,
    TILES,
    UP,
    Case,
    beyond_2_31_elements,
    bytes_that_move,
    check,
    check_adjoints,
    check_draw,
)
from resample_draws import Draw
from samples import RESAMPLING, Sample

from specops.ops import cuda_launch
from specops.ops.resample import cuda, reference
from specops.ops.resample.plans import axes, launches

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "resample" / "cuda" / "resample_cuda.cu"
RANDOM_DRAWS = 40


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
    """A NaN stays in its image, a batch is its parts to the bit, and so is a second run in another order."""
    case = replace(CASES[name], batch=(3, *CASES[name].batch[1:]))
    x, *rest = case.arguments(op)
    spoiled = x.clone()
    spoiled[1, ..., 0, 0] = math.nan
    with emulated.executed_source(SOURCE):
        out, beside = getattr(cuda, op)(x, *rest), getattr(cuda, op)(spoiled, *rest)
        parts = [getattr(cuda, op)(each, *rest) for each in (x[:1], x[1:])]
    with emulated.executed_source(SOURCE, "random", seed=7):
        again = getattr(cuda, op)(x, *rest)
    assert torch.equal(out, torch.cat(parts))
    assert torch.equal(out, again)
    assert torch.equal(out[::2], beside[::2])
    assert torch.equal(beside.isnan(), getattr(reference, op)(spoiled, *rest).isnan())


@pytest.mark.parametrize(("name", "outer"), [("full", 0), ("difference", 1), ("tall", 1), ("float64", 1)])
def test_outer_products_are_found(name: str, outer: float) -> None:
    factors = []
    with emulated.executed_source(SOURCE):
        execute = cuda_launch.launch

        def launch(name: str, *args: Any) -> None:
            execute(name, *args)
            factors.append(float(args[2][0]))

        with emulated.launching(launch):
            cuda.upfirdn2d(*CASES[name].arguments("upfirdn2d"))
    assert factors == [outer]


def test_correlation_is_the_same_in_every_order() -> None:
    args = replace(UP, size=(16, 16), batch=(5,)).arguments("upfirdn2d_filter_correlation")
    results = []
    for order in cuda_source.ORDERS:
        with emulated.executed_source(SOURCE, order, seed=3):
            results.append(cuda.upfirdn2d_filter_correlation(*args))
    assert all(torch.equal(result, results[0]) for result in results)


def test_filters_that_fit_no_block_go_to_the_reference() -> None:
    x, f = torch.randn(1, 5, 5), torch.randn(300, 300)
    args = ((1, 1), (1, 1), (150, 149, 150, 149), "zeros")
    assert launches.plan(*axes.axes_of(x.shape[-2:], f.shape, *args), axes.Images.of(x)) is None
    with emulated.executed_source(SOURCE):
        assert torch.equal(cuda.upfirdn2d(x, f, *args), reference.upfirdn2d(x, f, *args))


def test_empty_batches() -> None:
    for op in OPS:
        args = replace(UP, batch=(0, 3)).arguments(op)
        assert torch.equal(getattr(cuda, op)(*args), getattr(reference, op)(*args))


@pytest.mark.slow
@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_sectors_of_tiles(op: str, name: str) -> None:
    """One of enough images: read once and written once, 16 bytes at a time; of a stride every second row."""
    case = replace(TILED[name], batch=(launches.ENOUGH_BLOCKS,))
    x, *rest = case.arguments(op)
    with emulated.executed_ptx(SOURCE, 90, blocks=range(1)) as runs:
        out = getattr(cuda, op)(x, *rest)
    torch.testing.assert_close(out[0], getattr(reference, op)(x[0], *rest), rtol=1e-5, atol=1e-5)
    loads, stores = runs[-1].counters.loads, runs[-1].counters.stores
    ideal = bytes_that_move(case, op, x, out) / SECTOR
    assert runs[-1].launch.grid == (len(x), 1, 1)
    assert sum(each.sectors for each in (*loads.values(), *stores.values())) / ideal <= 1.05
    assert loads[runs[-1].storage(x)].widths == stores[runs[-1].storage(out)].widths == {16}


@pytest.mark.parametrize("arch", [90, *(pytest.param(arch, marks=pytest.mark.slow) for arch in ARCHS if arch != 90)])
@pytest.mark.parametrize("op", OPS)
def test_ptx(op: str, arch: int) -> None:
    """More than 20 sets of arguments; the default run executes some of them."""
    names = list(CASES) if arch != 90 else ["full with folds", "odd channels", "far", "bfloat16 channels", *PATCHES]
    with emulated.executed_ptx(SOURCE, arch, counting=False):
        for name in names:
            check(cuda, op, *CASES[name].arguments(op))


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS)
def test_ptx_of_sm_90_on_all_arguments(op: str) -> None:
    with emulated.executed_ptx(SOURCE, 90, counting=False):
        for case in CASES.values():
            check(cuda, op, *case.arguments(op))


@pytest.mark.slow
@pytest.mark.parametrize(("taps", "images_of_a_block"), [((1, 3), 1), ((3, 3), 16)], ids=["tiles", "patches"])
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_addresses_beyond_2_31_elements(op: str, taps: tuple[int, int], images_of_a_block: int) -> None:
    """Those of the last image."""
    _, f, *rest = Case((64, 64), taps=taps, padding=(1, 1, taps[0] // 2, taps[0] // 2)).arguments(op)
    x = beyond_2_31_elements(torch.randn(64, 64))
    blocks = -(-len(x) // images_of_a_block)
    with emulated.executed_ptx(SOURCE, 90, last_blocks=1, counting=False, races=False) as runs:
        out = getattr(cuda, op)(x, f, *rest)
    assert runs[-1].launch.grid == (blocks, 1, 1)
    expected = getattr(reference, op)(x[-1].double(), f.double(), *rest)
    torch.testing.assert_close(out[-1].double(), expected, rtol=2**-7, atol=2**-7)


@pytest.mark.slow
def test_a_derivative_in_the_filter_beyond_2_31_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of the last plane, where each has a block of its own."""
    case = Case((64, 64), taps=(1, 3), padding=(1, 1, 0, 0), batch=(1,), dtype=torch.bfloat16)
    args = case.arguments("upfirdn2d_filter_correlation")
    monkeypatch.setattr(launches, "MOST_SEGMENTS", 2**20)
    launches.plan.cache_clear()
    x, y = (beyond_2_31_elements(image) for image in args[:2])
    with emulated.executed_ptx(SOURCE, 90, last_blocks=1, counting=False, races=False) as runs:
        cuda.upfirdn2d_filter_correlation(x, y, *args[2:])
    launches.plan.cache_clear()
    assert runs[0].launch.grid == (len(x), 1, 1)
    expected = reference.upfirdn2d_filter_correlation(*(image.double() for image in args[:2]), *args[2:])
    torch.testing.assert_close(runs[0].tensors[2][-1:], expected, rtol=1e-6, atol=1e-4)
