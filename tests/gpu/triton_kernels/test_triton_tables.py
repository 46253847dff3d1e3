"""Tables of the Triton kernels have the names of parameters and each value once; few torch ops make a plan."""

from __future__ import annotations

import importlib.util
import weakref
from dataclasses import fields
from typing import Any

import pytest
import torch
from samples import spectral_maps
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from specops.ops.spectral.plans import bins

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

from specops.ops.resample.plans.axes import Images, axes_of
from specops.ops.resample.triton import plans
from specops.ops.resample.triton.kernels import upfirdn2d_filter_correlation_kernel, upfirdn2d_kernel
from specops.ops.spectral.triton import around_fft_kernels, kernels, tables

SIDES = tuple(tables.CONFIGURATIONS)


@pytest.mark.parametrize(
    ("kernel", "structs"),
    [
        (kernels.binned_cross_spectrum_kernel, (tables.BinTables, tables.Circles, tables.Digits)),
        (kernels.binned_filter_kernel, (tables.GainTables, tables.Circles, tables.Digits)),
        (kernels.clipped_band_swap_kernel, (tables.GainTables, tables.Circles, tables.Digits)),
        (around_fft_kernels.around_fft_tile_sums_kernel, (tables.TileTables,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_fields_are_parameters_of_the_kernels(kernel: Any, structs: tuple[type, ...]) -> None:
    names = [field.name for struct in structs for field in fields(struct)]
    assert set(names) <= set(kernel.arg_names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kernel", [upfirdn2d_kernel, upfirdn2d_filter_correlation_kernel], ids=["filter", "sums"])
def test_tables_of_a_plan_are_parameters_of_the_kernels(kernel: Any) -> None:
    axes = axes_of((8, 8), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), "zeros")
    how = plans.plan(*axes, Images(1, 1, torch.float32, torch.device("cpu")), False, False)
    assert set(how.tables) <= set(kernel.arg_names)


MAPS = {
    "rings": lambda side: spectral_maps((side, side), "radial", torch.float32, torch.Generator())[0],
    "one bin": lambda side: torch.zeros(side, side // 2 + 1),
    "rows": lambda side: torch.arange(side).unsqueeze(1).expand(side, side // 2 + 1),
    "columns": lambda side: torch.arange(side // 2 + 1).expand(side, side // 2 + 1),
    "some in none": lambda side: torch.randint(-1, 3 * side, (side, side // 2 + 1)),
    "none": lambda side: torch.full((side, side // 2 + 1), -1),
}


def summed(values: Tensor, plan: tables.SumTables, tile: int, threads: int) -> Tensor:
    """Sums of values per bin as the kernels make them: chunks of points, chunks of their sums, the rest."""
    points, chunks, first = (table[tile] for table in (plan.point, plan.chunk, plan.first))
    sums = values
    for place, many in ((points, len(values)), (chunks, points.shape[0])):
        place = place.long()
        sums = torch.where(place >= 0, sums[place & (many - 1)], 0).sum(1)
    per_bin = max(1, min(threads // plan.PADDED, 32))
    assert int(first[plan.PADDED + 1]) * per_bin >= int(first[: plan.PADDED + 1].diff().max())
    return torch.stack([sums[first[k] : first[k + 1]].sum() for k in range(plan.K)])


def in_bins(values: Tensor, index: Tensor, n_bins: int) -> Tensor:
    known = torch.where((index >= 0) & (index < n_bins), index, n_bins).flatten().long()
    return torch.zeros(n_bins + 1, dtype=torch.float64).index_add_(0, known, values)[:-1]


@pytest.mark.parametrize("sides", [0, 1, 2], ids=["one", "as many as the side", "most"])
@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("side", SIDES)
def test_tables_of_bins(side: int, map_: str, sides: int) -> None:
    """Each bin has its points, once."""
    n_bins = max(1, sides * side)
    index, weight = MAPS[map_](side).int(), torch.rand(side, side // 2 + 1)
    plan = tables.bin_tables(index, weight, n_bins)
    values = torch.rand(side * side // 2, dtype=torch.float64)
    how = tables.CONFIGURATIONS[side]
    found = summed(values, plan, 0, 32 * how.cross_warps)
    at = tables.places_of(how.digits, index.device)
    torch.testing.assert_close(found, in_bins(values[at], index[:, : side // 2], n_bins))


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize(
    ("side", "n_bins", "dtype"),
    [
        (20, 40, torch.float64),
        (130, 260, torch.float32),
        pytest.param(200, 400, torch.float64, marks=pytest.mark.slow),
        (82, 41, torch.float32),  # here and below, points and bins just fill the chunks
        pytest.param(256, 100, torch.float32, marks=pytest.mark.slow),
        (90, 1, torch.float64),
    ],
)
def test_tables_of_tiles(side: int, n_bins: int, map_: str, dtype: torch.dtype) -> None:
    index = MAPS[map_](side).int()
    tiles = bins.tiles_of(index.numel(), n_bins, dtype) or (1, index.numel())
    plan = tables.tile_tables(index, torch.rand(index.shape), n_bins, *tiles, dtype.itemsize)
    assert tiles[1] + plan.SECTOR - 1 <= plan.WORDS
    for tile, part in enumerate(index.flatten().split(tiles[1])):
        values = torch.rand(plan.WORDS, dtype=torch.float64)
        found = summed(values, plan, tile, 32 * plan.WARPS)
        torch.testing.assert_close(found, in_bins(values[: len(part)], part, n_bins))


PLANS = {
    "triton": lambda *maps: tables.bin_tables(*maps),
    "cuda": lambda *maps: bins.bins(*maps),
    "cuda, few points": lambda index, weight, _: bins.bins(index, weight, index.numel()),
    "triton, tiles": lambda *maps: tables.tile_tables(*maps, 2, 1056, 4),
    "cuda, tiles": lambda *maps: bins.bins_of_tiles(*maps, 2, 1056),
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
