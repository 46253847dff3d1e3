"""Plans of GPU kernels have the structs and numbers of C++, each coefficient once, lanes that seldom meet a bank."""

from __future__ import annotations

import doctest
import itertools
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import spectral_maps
from spectral_cases import Case, coefficients
from torch import Tensor

from specops.ops.resample.plans import axes, tilings
from specops.ops.resample.plans import launches as resample
from specops.ops.spectral import cuda as spectral
from specops.ops.spectral.plans import bins, gains, lane_turns, tables, transform

CSRC = Path(__file__).parents[2] / "csrc"
SIDES = tuple(height for height, _ in transform.SHAPES)
TYPES = {"Int32": "int32_t", "Int64": "int64_t"}
STRUCTS = {
    "resample/axis.h": (axes.Axis,),
    "resample/cuda/layout.h": (tilings.TiledAxis, resample.Layout, resample.Launch),
    "spectral/cuda/spectral_cuda.h": (spectral.BinnedSums, spectral.BinnedFilter, spectral.BandSwap),
    "spectral/cuda/around_fft_cuda.h": (
        spectral.TileSums,
        spectral.BinSums,
        spectral.Gains,
        spectral.HermitianColumns,
        spectral.Clip,
    ),
}


def declared(text: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """The base of a C++ struct, and type and name of each field that it adds; Int is that of an axis on a GPU."""
    found = re.search(rf"struct {name}(?: : (\w+)(?:<\w+>)?)? \{{(.*?)\n\}};", text, re.DOTALL)
    assert found is not None, f"no struct {name}"
    lines = [line.partition("//")[0].strip() for line in found[2].splitlines()]
    fields = []
    for line in filter(None, lines):
        kind, names = line.removesuffix(";").split(" ", 1)
        fields += [(kind.replace("Int", "int32_t"), each) for each in names.split(", ")]
    return found[1] or "object", fields


@pytest.mark.parametrize(("header", "struct"), [(h, s) for h, structs in STRUCTS.items() for s in structs])
def test_a_dataclass_has_the_fields_of_its_struct(header: str, struct: Any) -> None:
    """Names, order and types."""
    text = (CSRC / header).read_text()
    fields = [(TYPES.get(kind, kind), name) for name, kind in struct.__annotations__.items()]
    assert declared(text, struct.__name__) == (struct.__base__.__name__, fields)


def test_numbers_and_names_of_the_headers() -> None:
    """What plans are made for stands in the kernels too."""
    kernels = {path.name: path.read_text() for path in CSRC.rglob("*") if path.suffix in (".h", ".cuh", ".cu")}
    boundaries = ", ".join(f"k{boundary.name.capitalize()}" for boundary in axes.Boundary)
    assert f"enum class Boundary : int32_t {{ {boundaries} }}" in kernels["axis.h"]
    assert "enum class Pixel { kHalf, kBfloat16, kFloat, kDouble }" in kernels["pixel.h"]
    assert (torch.half, torch.bfloat16, torch.float, torch.double) == resample.PIXELS
    resampling = kernels["resample_cuda.cu"] + kernels["resample_kernels.cuh"]
    assert f"kThreads = {tilings.MOST_THREADS}, kBlocksEach = 3;" in resampling
    assert f"kRowsAtOnce = {tilings.ROWS_AT_ONCE};" in resampling
    assert f"kPatchThreads = {tilings.PATCH_THREADS};" in kernels["patch.cuh"]
    listed = re.findall(r"if \(is\((\d+), (\d+), (\d+)\)\)", resampling)
    assert {tuple(map(int, each)) for each in listed} == tilings.PATCHES
    assert f"kMostSums = {lane_turns.SUMS};" in kernels["bins.cuh"]
    assert f"kSumCodes = {lane_turns.SUM_CODES};" in kernels["bins.cuh"]
    assert f"kAroundFftThreads = {bins.MOST_WARPS * lane_turns.LANES};" in kernels["around_fft_kernels.cuh"]
    assert f"kSectorBytes = {bins.SECTOR_BYTES};" in kernels["around_fft_kernels.cuh"]
    pitch = int(transform.positions(32, 17, torch.device("cpu"))[1, 0])
    assert f"S::W == 32 ? {pitch // 4} : S::kPitch" in kernels["spectral_kernels.cuh"]


def test_the_drawn_schedules_of_eight_lanes() -> None:
    assert doctest.testmod(lane_turns) == (0, 9)


def turns_of(plan: bins.Bins) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The pool of each turn, the lanes that read a value and their points."""
    reads = plan.points[:, 0] % 8 < 4
    for pool, (first, *lengths) in enumerate(plan.pools.tolist()):
        for turn in range(max(lengths)):
            lanes = torch.tensor([lane for lane, length in enumerate(lengths) if turn < length])
            points = torch.arange(first, first + len(lanes))
            first += len(lanes)
            yield pool, lanes[reads[points]], points[reads[points]]


@pytest.mark.parametrize("map_", ["radial", "ragged", "most", "two"])
@pytest.mark.parametrize("side", SIDES)
def test_plans_of_bins(side: int, map_: str) -> None:
    """Each coefficient of a bin is one point of its pool; where lanes have banks, each reads its own."""
    index, weight, n_bins = Case("power", (side, side), map_).maps(torch.Generator().manual_seed(0))
    plan = bins.bins(index, weight, n_bins)
    place, weights = plan.points[:, 0], plan.points[:, 1].view(torch.float32)
    position, found = place // 8, []
    for pool, lanes, points in turns_of(plan):
        if plan.bins_per_pool == 128:
            bin_of = pool * 128 + place[points] % 8 * 32 + lanes
        else:
            bin_of = pool * plan.bins_per_pool + place[points] % 8
            assert torch.equal(position[points] % 32, lanes)
        found.append(torch.stack((bin_of.double(), position[points].double(), weights[points].double()), 1))
    inside = index >= 0
    where = transform.positions(side, side // 2 + 1, index.device)
    wanted = torch.stack([t[inside].double() for t in (index, where, 0.25 * weight)], 1)
    assert torch.equal(torch.unique(torch.cat(found), dim=0), torch.unique(wanted, dim=0))
    assert len(torch.cat(found)) == len(wanted)


FEW_POINTS = {  # what makes an index of each coefficient's number, bins per coefficient, wavefronts over the fewest
    "own": (lambda number: number, 1, (1.3, 1.3, 1.3)),
    "own with holes": (lambda number: number.where(number * 7 % 10 > 2, -1), 1, (1.9, 1.9, 1.9)),
    "every other bin empty": (lambda number: 2 * number, 2, (2.0, 2.0, 2.0)),
    "shuffled": (lambda number: number.flatten()[torch.randperm(number.numel())].view_as(number), 1, (3.8, 3.7, 3.6)),
    "neighbours": (lambda number: number // 2, 0.5, (2.4, 2.0, 2.0)),
    "two far away": (lambda number: number % (number.numel() // 2), 0.5, (2.1, 2.0, 1.5)),
    "no value": (lambda number: torch.full_like(number, -1), 1, (0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("map_", FEW_POINTS)
@pytest.mark.parametrize("side", SIDES)
def test_plans_of_few_points_per_bin(side: int, map_: str) -> None:
    """Every bin has its points, and the wavefronts of a warp's turns are bounded."""
    torch.manual_seed(0)
    make, per_coefficient, bounds = FEW_POINTS[map_]
    index = make(coefficients(side))
    plan = bins.bins(index, torch.ones(index.shape), int(per_coefficient * index.numel()))
    assert plan.bins_per_pool == 128
    position, wavefronts, read = plan.points[:, 0] // 8, 0, 0
    for _, _, points in turns_of(plan):
        read += len(points)
        wavefronts += int(torch.bincount(position[points] % 32, minlength=32).max())
    assert read == int((index >= 0).sum())
    assert wavefronts <= bounds[SIDES.index(side)] * read / 32


def test_gains_when_numbers_are_double_by_default() -> None:
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    expected = gains.gains(index, weight, n_bins)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(gains.gains(index.clone(), weight, n_bins), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_plans_are_kept_as_long_as_maps_live_and_are_not_written_to() -> None:
    made: list[weakref.ref[Held]] = []

    class Held:
        """What can be referred to weakly."""

    @tables.cached
    def plan(index: Tensor, weight: Tensor, *options: int) -> Held:
        held = Held()
        made.append(weakref.ref(held))
        return held

    index, weight, other = torch.zeros(2, dtype=torch.int32), torch.ones(2), torch.ones(2)
    first = plan(index, weight, 3)
    assert plan(index, weight, 3) is first
    assert len({id(each) for each in (first, plan(index, weight, 4), plan(index, other, 3))}) == 3
    weight.mul_(2)
    second = plan(index, weight, 3)
    index.add_(1)
    assert len({id(each) for each in (first, second, plan(index, weight, 3))}) == 3
    for number in range(2 * tables.MOST_PLANS):
        plan(index, weight, number)
    assert 0 < sum(each() is not None for each in made) <= tables.MOST_PLANS + 2
    del first, second, index
    assert all(each() is None for each in made)


@pytest.mark.parametrize("lanes", [16, 32])
@pytest.mark.parametrize(
    ("filled", "words", "most"),
    [(0.0, 8192, 1.0), (0.5, 8192, 1.2), (0.7, 8192, 1.6), (1.0, 8192, 2.5), (1.0, 32, 1.0)],
)
def test_turns_without_conflicts(filled: float, words: int, most: float, lanes: int) -> None:
    """Each lane reads what it is to read, in some turn; wavefronts per turn, up to 3.4 without a plan."""
    generator = torch.Generator().manual_seed(1)
    place = torch.randint(words * lanes // 32, (3, lanes, 16), generator=generator)
    place[torch.rand(place.shape, generator=generator) >= filled] = -1
    turns = lane_turns.in_turns_without_conflicts(place)
    known = torch.where(turns >= 0, turns, -1)
    assert torch.equal(known.sort(2).values, place.sort(2).values)
    wavefronts = 0
    for group, turn in itertools.product(range(3), range(16)):
        read = turns[group, :, turn] % 2**15
        assert bool((read < words).all())
        wavefronts += int((read.unique() % lanes).bincount().max())
    assert wavefronts <= most * 3 * 16


def test_maps_of_inference_mode_have_plans_too() -> None:
    """Made anew, as torch does not count what is written to such maps."""
    made = []

    @tables.cached
    def plan(index: Tensor, weight: Tensor) -> Tensor:
        made.append(weight.sum())
        return made[-1]

    with torch.inference_mode():
        index, weight = torch.zeros(2, 2, dtype=torch.int32), torch.ones(2, 2)
        assert plan(index, weight) == 4
        weight += 1
        assert plan(index, weight) == 8
        ordinary = torch.inference_mode(False)
        with ordinary:
            others = torch.zeros(2, 2, dtype=torch.int32), torch.ones(2, 2)
        assert not plan(*others).is_inference()
    assert plan(*others) is made[-1]
