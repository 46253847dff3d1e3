"""The Triton kernels of resampling on the CPU: compiled by Triton, their PTX interpreted, against float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from resample_cases import (
    CASES,
    COMMON,
    DOWN,
    IMAGE_OPS,
    OPS,
    UP,
    Case,
    beyond_2_31_elements,
    bytes_that_move,
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
from torch import Tensor

from specops import backends
from specops.ops._checks import DTYPES
from specops.ops.resample import reference
from specops.ops.resample.plans import axes

if reason := backends.no_triton("specops.ops.resample"):
    pytest.skip(reason, allow_module_level=True)

from ptx.counters import SECTOR
from triton_checks import programs_of
from triton_driver import Run, executed_on

from specops.ops.resample import triton
from specops.ops.resample.triton import kernels, launches, plans, tables
from specops.ops.triton_launch import launch

SOME = ("full with folds", "odd channels", "far")


@pytest.mark.parametrize("op", OPS)
def test_some_arguments(op: str) -> None:
    with executed_on(80, counting=False) as runs:
        for name in SOME:
            check(triton, op, *CASES[name].arguments(op))
    assert len(runs) == len(SOME) * (2 if op.endswith("correlation") else 1)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("op", OPS)
def test_every_case(op: str, arch: int) -> None:
    with executed_on(arch, counting=False) as runs:
        for case in CASES.values():
            check(triton, op, *case.arguments(op))
    for run in runs:
        assert run.resources.stack == 0


@pytest.mark.parametrize("arch", [80, *(pytest.param(arch, marks=pytest.mark.slow) for arch in ARCHS[1:])])
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_every_case_in_one_band(op: str, arch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles leave samples to the next, though the planes are few."""
    monkeypatch.setattr(plans, "plan", plans.plan.__wrapped__)
    for name, value in {"ENOUGH_PROGRAMS": 1, "MOST_AGAIN": 0, "MOST_STEPS": 1 << 30}.items():
        monkeypatch.setattr(plans, name, value)
    with executed_on(arch, counting=False):
        for name in SOME if arch == 80 else CASES:
            check(triton, op, *CASES[name].arguments(op))


@pytest.mark.parametrize("boundary", axes.Boundary)
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("outputs", [1, 3, 8])
def test_a_band_loads_no_sample_twice_and_has_all(outputs: int, exchanged: bool, boundary: axes.Boundary) -> None:
    """Not twice, but for what a boundary takes to the other end, where tiles between them have no room for it."""
    axis = axes.Axis(20, 29, 5, 3, 2, 3, True, boundary)
    line = tables.line_of(axis, exchanged, 1, 1)
    tiles = line.tiles(outputs, 2, 0, torch.device("cpu"))
    made = tiles.tables.numpy()
    loads = made[:, : tiles.slots]
    terms = made[:, tiles.slots + tiles.block :].reshape(len(made), -1, tiles.block)
    found = []
    for band in range(tiles.bands):
        held = np.full(tiles.slots, -1)
        for t in range(band * tiles.steps, (band + 1) * tiles.steps):
            held = np.where(loads[t] >= 0, loads[t], held)
            for order, output in zip(*np.nonzero(terms[t] >= 0), strict=True):
                term = terms[t, order, output]
                found.append((t * outputs + output, held[term & 0xFFFF], term >> 16))
    assert sorted(found) == sorted(zip(line.to, line.sample, line.tap, strict=True))
    if boundary == axes.Boundary.ZEROS:
        for loaded in np.split(loads, tiles.bands):
            assert len(np.unique(loaded[loaded >= 0])) == np.count_nonzero(loaded >= 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_samples_of_every_type(op: str, dtype: torch.dtype) -> None:
    with executed_on(90, counting=False):
        for sample in RESAMPLING:
            if sample.op == op:
                check(triton, op, *sample.arguments(dtype))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_random_arguments(seed: int) -> None:
    with executed_on(ARCHS[seed % 2], counting=False):  # of a pair of halves on sm_100, one may be undefined
        check_draw(triton, Draw(seed))


@pytest.mark.slow
@pytest.mark.parametrize("sample", [s for s in RESAMPLING if s.small and s.op == "upfirdn2d"], ids=str)
def test_adjoint_identities(sample: Sample) -> None:
    with executed_on(90, counting=False):
        check_adjoints(triton, sample)


@pytest.mark.parametrize(
    "name", ["full with folds", *(pytest.param(name, marks=pytest.mark.slow) for name in ("channels", "up 2, 4 taps"))]
)
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_images_do_not_meet(op: str, name: str) -> None:
    check_images_apart(triton, op, CASES[name], *(executed_on(80, counting=False) for _ in range(2)))


@pytest.mark.parametrize("op", IMAGE_OPS)
def test_an_image_is_the_same_among_many_whose_tiles_differ(op: str) -> None:
    x, *rest = replace(CASES["full with folds"], batch=(3,)).arguments(op)
    with executed_on(80, counting=False):
        out, many = (getattr(triton, op)(each, *rest) for each in (x, x.repeat_interleave(43, 0)))
    assert torch.equal(out, many[::43])


def executed_alone(op: str, case: Case) -> tuple[Run, Tensor, Tensor]:
    """The first of enough images, its run, the images and the results."""
    x, *rest = replace(case, batch=(plans.ENOUGH_PROGRAMS,)).arguments(op)
    with executed_on(90, races=False, blocks=slice(programs_of(op, x, case))) as runs:
        out = getattr(triton, op)(x, *rest)
    torch.testing.assert_close(out[0], getattr(reference, op)(x[0], *rest), rtol=1e-5, atol=1e-5)
    (run,) = runs
    assert run.grid == (len(x) * programs_of(op, x, case), 1, 1)
    return run, x, out


def test_sectors_of_whole_images() -> None:
    """Images are read once and written once, 16 bytes at a time."""
    run, x, out = executed_alone("upfirdn2d", DOWN)
    loads, stores = run.counters.loads[run.storage(x)], run.counters.stores[run.storage(out)]
    assert (loads.sectors + stores.sectors) * SECTOR <= 1.05 * bytes_that_move(DOWN, "upfirdn2d", x, out)
    assert loads.widths == stores.widths == {16}
    assert run.resources.stack == 0


TIGHT = [  # what ptxas would spill some registers of, to have more warps resident or since it takes more than 255
    replace(UP, size=(16, 16), batch=(64, 64), channels_last=True),
    replace(UP, size=(16, 16), batch=(64, 64), channels_last=True, dtype=torch.float16),
    replace(UP, size=(8, 8), taps=(8, 8), padding=(4, 3, 4, 3), batch=(64, 64), channels_last=True),
    replace(DOWN, size=(16, 16), taps=(2, 2), down=(1, 1), padding=(0, 1, 0, 1), batch=(64, 64), channels_last=True),
    UP,
]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_no_kernel_spills(arch: int) -> None:
    with executed_on(arch, blocks=slice(0)) as runs:
        for case in TIGHT:
            for op in OPS:
                getattr(triton, op)(*case.arguments(op))
    for run in runs:
        assert run.resources.stack == 0


@pytest.mark.slow
@pytest.mark.parametrize(("op", "most"), [("upfirdn2d", 60), ("upfirdn2d_transpose", 330)])
def test_wide_planes_are_gathered_from_few_columns(op: str, most: int) -> None:
    """Lane instructions per output: 42 and 247, and 76 and 776 in tiles as wide as 256 and 512 samples."""
    case = replace(UP, size=(256, 256), batch=(512,))
    x, *rest = case.arguments(op)
    with executed_on(90, races=False, blocks=slice(8)) as runs:
        out = getattr(triton, op)(x, *rest)
    outputs = 8 * out[0].numel() / programs_of(op, x, case)
    assert runs[0].counters.instructions <= most * outputs


def test_an_outer_product_takes_less() -> None:
    """Which of the two ways a filter goes is found by the kernel."""
    factored, any_filter = (
        executed_alone("upfirdn2d", replace(COMMON["down 2, 4 taps"], outer=o))[0] for o in (True, False)
    )
    assert factored.ptx == any_filter.ptx
    assert factored.counters.instructions < 0.7 * any_filter.counters.instructions


def test_what_no_kernel_serves() -> None:
    check_what_no_kernel_serves(triton, executed_on(80))


@pytest.mark.slow
@pytest.mark.parametrize("op", IMAGE_OPS)
def test_addresses_beyond_2_31_elements(op: str) -> None:
    last = executed_on(90, counting=False, races=False, blocks=slice(-16, None))  # a plane has no more
    check_beyond_2_31(triton, op, (1, 3), last)


@pytest.mark.slow
def test_a_derivative_in_the_filter_beyond_2_31_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the programs of the last plane leave to be summed, and a sum behind 2^31 numbers."""
    case = Case((64, 64), taps=(1, 3), padding=(1, 1, 0, 0), batch=(1,), dtype=torch.bfloat16)
    args = case.arguments("upfirdn2d_filter_correlation")
    x, y = (beyond_2_31_elements(image) for image in args[:2])
    launched: list[Tensor] = []
    monkeypatch.setattr(launches, "launch", lambda *args, **how: launched.append(args[4]) or launch(*args, **how))
    of_last = slice(2**20, None)  # and none of the few programs that sum: the others left nothing
    with executed_on(90, counting=False, races=False, blocks=of_last) as runs:
        triton.upfirdn2d_filter_correlation(x, y, *args[2:])
    assert runs[0].grid == (2 * len(x), 1, 1)
    expected = reference.upfirdn2d_filter_correlation(*(image.double() for image in args[:2]), *args[2:])
    torch.testing.assert_close(launched[0][:, -2:].sum(1).double(), expected.flatten(), rtol=1e-5, atol=1e-3)
    sums, out = torch.from_numpy(np.zeros((2**11 + 1, 2**20), np.float32)), torch.zeros(2**11 + 1)
    sums[-1, ::4096] = 1
    with executed_on(90, counting=False, races=False, blocks=slice(-1, None)):
        kernels.sum_programs_kernel[(len(out),)](sums, out, sums.shape[1], launches.SUM_BLOCK, **launches.FUSED)
    assert float(out[-1]) == 256
