"""Plans of the sums on GPUs: tables that say which thread adds up which values, and when."""

from __future__ import annotations

import importlib.util
import itertools
import weakref
from typing import Any

import pytest
import torch
from samples import spectral_maps
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from specops.ops.spectral import gpu_plans

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

from specops.ops.spectral import triton

SIZES = tuple(triton.CONFIGURATIONS)


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
    turns = gpu_plans.in_turns_without_conflicts(place)
    known = torch.where(turns >= 0, turns, -1)
    assert torch.equal(known.sort(2).values, place.sort(2).values)
    wavefronts = 0
    for group, turn in itertools.product(range(3), range(16)):
        read = turns[group, :, turn] % 2**15
        assert bool((read < words).all())
        wavefronts += int((read.unique() % lanes).bincount().max())
    assert wavefronts <= most * 3 * 16


MAPS = {
    "rings": lambda side: spectral_maps((side, side), "radial", torch.float32, torch.Generator())[0],
    "one bin": lambda side: torch.zeros(side, side // 2 + 1),
    "rows": lambda side: torch.arange(side).unsqueeze(1).expand(side, side // 2 + 1),
    "columns": lambda side: torch.arange(side // 2 + 1).expand(side, side // 2 + 1),
    "some in none": lambda side: torch.randint(-1, 3 * side, (side, side // 2 + 1)),
    "none": lambda side: torch.full((side, side // 2 + 1), -1),
}


def summed(values: Tensor, tables: tuple[Tensor, ...], constants: tuple[int, ...], threads: int) -> Tensor:
    """Sums of values per bin as the kernels make them: chunks of points, chunks of their sums, the rest."""
    points, chunks, first = tables
    n_bins, padded = constants[-2:]
    sums = values
    for place, many in ((points, len(values)), (chunks, points.shape[0])):
        place = place.long()
        sums = torch.where(place >= 0, sums[place & (many - 1)], 0).sum(1)
    per_bin = max(1, min(threads // padded, 32))
    assert int(first[padded + 1]) * per_bin >= int(first[: padded + 1].diff().max())
    return torch.stack([sums[first[k] : first[k + 1]].sum() for k in range(n_bins)])


def in_bins(values: Tensor, index: Tensor, n_bins: int) -> Tensor:
    known = torch.where((index >= 0) & (index < n_bins), index, n_bins).flatten().long()
    return torch.zeros(n_bins + 1, dtype=torch.float64).index_add_(0, known, values)[:-1]


@pytest.mark.parametrize("bins", [0, 1, 2], ids=["one", "as many as the side", "most"])
@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("side", SIZES)
def test_tables_of_bins(side: int, map_: str, bins: int) -> None:
    """Each bin has its points, once."""
    n_bins = max(1, bins * side)
    index, weight = MAPS[map_](side).int(), torch.rand(side, side // 2 + 1)
    plan = triton._bin_tables(index, weight, n_bins)
    values = torch.rand(side * side // 2, dtype=torch.float64)
    how = triton.CONFIGURATIONS[side]
    found = summed(values, tuple(table[0] for table in plan.tables[2:5]), plan.constants, 32 * how.cross_warps)
    at = triton._places(how, index.device)
    torch.testing.assert_close(found, in_bins(values[at], index[:, : side // 2], n_bins))


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize(
    ("side", "n_bins"), [(20, 40), (130, 260), (200, 400), (82, 41), (256, 100), (90, 1)]
)  # in the last three, points and bins just fill the chunks
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_tables_of_tiles(side: int, n_bins: int, map_: str, dtype: torch.dtype) -> None:
    index = MAPS[map_](side).int()
    tiles = gpu_plans.tiles_of(index.numel(), n_bins, dtype) or (1, index.numel())
    plan = triton._tile_tables(index, torch.rand(index.shape), n_bins, *tiles, dtype.itemsize)
    sector, words, warps, *constants = plan.constants
    assert tiles[1] + sector - 1 <= words
    for tile, part in enumerate(index.flatten().split(tiles[1])):
        values = torch.rand(words, dtype=torch.float64)
        found = summed(values, tuple(table[tile] for table in plan.tables), tuple(constants), 32 * warps)
        torch.testing.assert_close(found, in_bins(values[: len(part)], part, n_bins))


PLANS = {
    "triton": lambda *maps: triton._bin_tables(*maps),
    "cuda": lambda *maps: gpu_plans.bins(*maps),
    "cuda, few points": lambda index, weight, _: gpu_plans.bins(index, weight, index.numel()),
    "triton, tiles": lambda *maps: triton._tile_tables(*maps, 2, 1056, 4),
    "cuda, tiles": lambda *maps: gpu_plans.bins_of_tiles(*maps, 2, 1056),
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_takes_few_ops(plan: str) -> None:
    """A compiled graph, whose maps are new ones, makes it in each call."""
    index, weight, n_bins = spectral_maps((64, 64), "radial", torch.float32, torch.Generator())
    maps = (index.clone(), weight.clone(), n_bins)  # of which no plan is kept
    made: list[str] = []

    class Noted(TorchDispatchMode):
        def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made.extend([] if op.is_view else [str(op)])
            return op(*args, **(kwargs or {}))

    with Noted():
        PLANS[plan](*maps)
    assert 0 < len(made) <= 400


def test_a_plan_does_not_keep_its_maps() -> None:
    index, weight, n_bins = spectral_maps((64, 64), "radial", torch.float32, torch.Generator())
    weight = weight.clone()
    gone = weakref.ref(weight)
    plans = [plan(index, weight, n_bins) for plan in PLANS.values()]
    del weight
    assert len(plans) == len(PLANS)
    assert gone() is None
