"""The library's core without torch, on NumPy's arrays: each instruction set's transforms, the lists of resampling."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeAlias

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_native import KINDS, UNIT, allowed, error, images, maps
from tolerances import UNIT_ROUNDOFF

from specops.ops.cuda_launch import integers_of
from specops.ops.resample.plans.axes import Axis, Boundary

core = pytest.importorskip("specops_core", reason="only `make setup` builds the core's module")

Terms: TypeAlias = dict[int, list[tuple[int, int]]]  # sample and tap, of each output
PLANS = {torch.float32: core.SinglePlan, torch.float64: core.DoublePlan}
SIZES = [(1, 1), (2, 2), (5, 7), (8, 8), (12, 20), (16, 16), (33, 18), (64, 64), (97, 6), (128, 96)]
PADDED = {Boundary.REFLECT: "reflect", Boundary.REPLICATE: "edge", Boundary.CIRCULAR: "wrap"}

each_isa = pytest.mark.parametrize("isa", core.isas())


def plan_of(isa: str, size: tuple[int, int], kind: str, dtype: torch.dtype) -> tuple[Any, tuple[Any, ...]]:
    index, weight, n_bins = maps(size, kind, dtype)
    return PLANS[dtype](index.numpy()[None], weight.numpy()[None], size[1], n_bins, isa), (index, weight, n_bins)


def check_values(isa: str, size: tuple[int, int], kind: str, dtype: torch.dtype, seed: int = 0) -> None:
    plan, (index, weight, n_bins) = plan_of(isa, size, kind, dtype)
    x, y = (images(3, *size, dtype=dtype, seed=seed + i) for i in range(2))
    profile, bound = images(n_bins, dtype=dtype, seed=seed + 2), allowed(size, dtype)
    for other, sums in ((x, plan.power(x.numpy())), (y, plan.cross(x.numpy(), y.numpy()))):
        terms = np.abs(np.fft.rfft2(oracle.exact(x)) * np.fft.rfft2(oracle.exact(other)))
        magnitude = oracle.sums_of(terms, index, weight.abs(), n_bins)
        expected = oracle.binned_cross_spectrum(x, other, index, weight, n_bins)
        assert error(torch.from_numpy(sums), expected, magnitude) <= bound
    out = plan.filter(x.numpy(), profile.numpy())
    assert error(torch.from_numpy(out), oracle.binned_filter(x, profile, index, weight)) <= bound


@each_isa
def test_each_instruction_set_gives_the_values(isa: str) -> None:
    for size in SIZES:
        for kind in KINDS:
            for dtype in UNIT:
                check_values(isa, size, kind, dtype)


@given(
    isa=st.sampled_from(core.isas()),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from(list(UNIT)),
    seed=st.integers(0, 1000),
)
def test_values_of_any_size(isa: str, size: tuple[int, int], kind: str, dtype: torch.dtype, seed: int) -> None:
    check_values(isa, size, kind, dtype, seed)


@each_isa
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_rounded_once(isa: str, dtype: torch.dtype) -> None:
    plan, (_, _, n_bins) = plan_of(isa, (24, 40), "radial", torch.float32)
    x, profile = images(2, 24, 40, dtype=dtype), images(n_bins).numpy()
    stored = x.view(torch.int16).numpy().view(np.float16 if dtype == torch.float16 else np.uint16)
    assert np.array_equal(plan.power(stored), plan.power(x.float().numpy()))
    out, wide = plan.filter(stored, profile), plan.filter(x.float().numpy(), profile)
    found, wanted = torch.from_numpy(out.view(np.int16)).view(dtype).double(), torch.from_numpy(wide).double()
    assert bool(((found - wanted).abs() <= UNIT_ROUNDOFF[dtype] * 1.001 * wanted.abs() + 2**-25).all())


@each_isa
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16, np.float64], ids=lambda dtype: dtype.__name__)
def test_images_of_any_strides(isa: str, dtype: type) -> None:
    size = (24, 37)
    wide = torch.float64 if dtype == np.float64 else torch.float32
    plan, (_, _, n_bins) = plan_of(isa, size, "random", wide)
    profile = images(n_bins, dtype=wide).numpy()
    x = np.round(images(plan.lanes, *size).numpy() * 100 + 500).astype(dtype)
    side_by_side = np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)
    layouts = (
        x.swapaxes(1, 2).copy().swapaxes(1, 2),
        np.stack((x, x), -1)[..., 0],
        x[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
    )
    for layout in (*layouts, side_by_side):
        assert np.array_equal(plan.power(layout), plan.power(x))
        assert np.array_equal(plan.filter(layout, profile), plan.filter(x, profile))
    if dtype is not np.uint16:
        assert np.array_equal(plan.parted(side_by_side), x)


@st.composite
def axes(draw: st.DrawFn, is_transposed: bool) -> Axis:
    """Of upfirdn2d; only those that count taps from the last one have a transpose."""
    n_in, n_taps, up, down = (draw(st.integers(1, most)) for most in (20, 9, 4, 4))
    before, after = (draw(st.integers(-6, 30)) for _ in range(2))
    padded = n_in * up + before + after
    if padded < n_taps:
        after, padded = after + n_taps - padded, n_taps
    is_reversed = is_transposed or draw(st.booleans())
    boundary = draw(st.sampled_from(Boundary))
    return Axis(n_in, (padded - n_taps) // down + 1, n_taps, up, down, before, is_reversed, boundary)


@st.composite
def operators(draw: st.DrawFn) -> tuple[Axis, bool]:
    """An axis, and whether its transpose is meant."""
    is_transposed = draw(st.booleans())
    return draw(axes(is_transposed)), is_transposed


def walked(axis: Axis, is_transposed: bool) -> Terms:
    """Every term by the definition: insert zeros, pad, multiply taps, take every `down`-th output."""
    reach = axis.n_out * axis.down + abs(axis.before) + axis.n_taps
    mode = {"mode": PADDED[axis.boundary]} if axis.boundary else {"constant_values": -1}
    extended = np.pad(np.arange(axis.n_in), reach, **mode)
    terms: Terms = defaultdict(list)
    for output in range(axis.n_out):
        for place in range(axis.n_taps):
            sample, between = divmod(output * axis.down - axis.before + place, axis.up)
            source = int(extended[sample + reach]) if between == 0 else -1
            tap = axis.n_taps - 1 - place if axis.reversed else place
            if source >= 0:
                to, of = (source, output) if is_transposed else (output, source)
                terms[to].append((of, tap))
    return {output: sorted(found) for output, found in terms.items()}


@given(operators())
def test_rows_are_the_terms_of_the_definition(operator: tuple[Axis, bool]) -> None:
    """And what a row shares with the next are terms of the same samples."""
    rows = core.rows_of(integers_of(operator[0]), operator[1])
    starts = [0, *rows["ends"][:-1]]
    found = [
        list(zip(rows["sources"][a:b], rows["taps"][a:b], strict=True))
        for a, b in zip(starts, rows["ends"], strict=True)
    ]
    assert {row: sorted(terms) for row, terms in enumerate(found) if terms} == walked(*operator)
    assert rows["longest"] == max(map(len, found))
    for row, (lag, count) in enumerate(zip(rows["lags"], rows["counts"], strict=True)):
        if count:
            assert [of for of, _ in found[row][lag : lag + count]] == [of for of, _ in found[row + 1][:count]]


@given(operators())
def test_columns_are_the_terms_of_the_definition(operator: tuple[Axis, bool]) -> None:
    """Of the line that a kernel reads: the row's samples, and copies of them for what lies beyond."""
    columns = core.columns_of(integers_of(operator[0]), operator[1])
    line, read = np.full(columns["n_line"], -1), np.arange(columns["read_begin"], columns["read_end"])
    line[columns["read_to"] :][: len(read)] = read
    for to, of in zip(columns["to"], columns["from"], strict=True):
        line[to] = line[of]
    terms: Terms = defaultdict(list)
    for output in range(columns["n_out"]):
        step, phase = divmod(output, columns["phases"])
        for k in range(columns["ends"][phase - 1] if phase else 0, columns["ends"][phase]):
            terms[output].append((line[columns["shifts"][k] + columns["stride"] * step], columns["taps"][k]))
    n_folds = len(columns["folds"])
    for k, to in enumerate(columns["folds"], len(columns["taps"]) - n_folds):
        terms[int(to)].append((line[columns["shifts"][k]], columns["taps"][k]))
    there = {output: sorted(term for term in found if term[0] >= 0) for output, found in terms.items()}
    assert {output: found for output, found in there.items() if found} == walked(*operator)
