"""Where the coefficients of each bin are: points by pool, turn and lane, or in the order of the bins.

All plans are made by torch ops on the device of the maps. No function looks at a value of a map, which would wait for
the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from specops.ops.spectral.plans.lane_turns import LANES, SUM_CODES, SUMS, lists_with_waits
from specops.ops.spectral.plans.tables import cached, interleaved
from specops.ops.spectral.plans.transform import positions

SECTOR_BYTES = 32  # the least that a request of memory moves: hardware
MOST_WARPS = 8  # of a block: kAroundFftThreads / LANES
POOL_BINS = LANES * SUMS  # of a pool whose bins have few points each
TILE_BYTES = 2**15  # of terms: four blocks fit the 164 KiB of a multiprocessor of sm_80, six those of sm_90
# Not timed against others:
POINTS_PER_WARP = 512  # of a tile
POINTS_PER_BIN = 4  # on average; bins of fewer have no pool of lanes that have banks, and no tiles
LONG_POOL = 256  # points of a bin that has a pool of its own
LONG_BIN = 1024  # points of a bin that a whole warp takes turns with


@dataclass(frozen=True)
class Bins:
    """Where the coefficients of each bin are, as csrc/spectral/cuda/bins.cuh reads it.

    Attributes:
        points: int32 [P, 2], in float64 [P, 4], 8 · the position of a value + the sum of its lane (4: none), and the
            bits of its weight.
        pools: int32 [n, 33], the first point of each pool of bins, and the lengths of its 32 lists.
        bins_per_pool: 1, 4 or 128.
    """

    points: Tensor
    pools: Tensor
    bins_per_pool: int


@dataclass(frozen=True)
class SortedPoints:
    """The coefficients of half planes bin by bin, those of no bin last.

    Attributes:
        place, weight: int32 and real [P]; `first`: int32 [K + 1], where each bin starts, and its end.
    """

    place: Tensor
    weight: Tensor
    first: Tensor


@cached
def bins(index: Tensor, weight: Tensor, n_bins: int) -> Bins:
    """Returns the points of the bins of maps [H, W//2+1] or [M, H, W//2+1], of values four times too large."""
    position, weight = positions(index.shape[-2], index.shape[-1], index.device), 0.25 * weight
    if index.numel() >= POINTS_PER_BIN * n_bins:
        return _bins_by_banks(index, weight, n_bins, position)
    n_pools = -(-n_bins // POOL_BINS)
    bin_of = torch.where((index >= 0) & (index < n_bins), index, n_pools * POOL_BINS).flatten().long()
    place, point, list_of = lists_with_waits(bin_of, position.expand(index.shape).flatten(), n_pools)
    weight = torch.nn.functional.pad(weight.flatten(), (0, 1))[point]
    return Bins(*_in_turns(place, weight, list_of, LANES * n_pools), POOL_BINS)


@cached
def bins_of_tiles(index: Tensor, weight: Tensor, n_bins: int, n_tiles: int, tile_points: int) -> Bins:
    """Returns the points of the bins of maps [H, W//2+1] or [M, H, W//2+1] in each tile of coefficients."""
    size = index.shape[-2:]
    point = torch.arange(size.numel(), device=index.device).view(size)
    return _bins_by_banks(index, weight, n_bins, point % tile_points, point // tile_points, n_tiles)


def tiles_of(n_points: int, n_bins: int, dtype: torch.dtype) -> tuple[int, int] | None:
    """Returns how many tiles the coefficients of an image are cut to, and of how many each; None for too many bins."""
    n_tiles = -(-n_points // (TILE_BYTES // dtype.itemsize + 1 - sector_points(dtype.itemsize)))
    return (n_tiles, -(-n_points // n_tiles)) if n_points >= POINTS_PER_BIN * n_bins * n_tiles else None


def sector_points(itemsize: int) -> int:
    """Returns how many coefficients, of two numbers of `itemsize` bytes, a sector of memory has."""
    return SECTOR_BYTES // (2 * itemsize)


def warps_of_tiles(tile_points: int) -> int:
    """Returns how many warps sum a tile."""
    return min(MOST_WARPS, 1 << max(0, tile_points // POINTS_PER_WARP).bit_length())


def lanes_of(points: SortedPoints) -> int:
    """Returns how many threads take turns with the points of a bin."""
    per_bin = len(points.place) // (len(points.first) - 1)
    return 1 << min(3 if per_bin <= LONG_BIN else 5, max(0, per_bin - 1).bit_length())


@cached
def sorted_points(index: Tensor, weight: Tensor, n_bins: int) -> SortedPoints:
    """Returns the points of maps [H, W//2+1] or [M, H, W//2+1]."""
    bins = torch.where((index >= 0) & (index < n_bins), index, n_bins).flatten()
    in_bin, order = bins.sort(stable=True)
    first = torch.searchsorted(in_bin, torch.arange(n_bins + 1, device=index.device, dtype=torch.int32))
    points = index.shape[-2] * index.shape[-1]
    return SortedPoints((order % points).int(), weight.flatten()[order].contiguous(), first.int())


def _bins_by_banks(
    index: Tensor, weight: Tensor, n_bins: int, position: Tensor, tile: Tensor | int = 0, n_tiles: int = 1
) -> Bins:
    """Returns the points of the bins, whose values have a position and a tile [H, W//2+1]; lanes have banks."""
    bins_per_pool = SUMS if index.numel() < LONG_POOL * n_tiles * n_bins else 1
    n_pools = -(-n_bins // bins_per_pool)
    list_of = (tile * n_pools + index // bins_per_pool) * LANES + position % LANES
    list_of = torch.where((index >= 0) & (index < n_bins), list_of, LANES * n_tiles * n_pools).flatten()
    place = (SUM_CODES * position + index % bins_per_pool).flatten()
    return Bins(*_in_turns(place, weight.flatten(), list_of, LANES * n_tiles * n_pools), bins_per_pool)


def _in_turns(place: Tensor, weight: Tensor, list_of: Tensor, n_lists: int) -> tuple[Tensor, Tensor]:
    """Returns the points of the lists by pool, turn and lane, and the pools; those of no list come last."""
    in_list, by_list = list_of.sort(stable=True)
    starts = torch.searchsorted(in_list, torch.arange(n_lists + 1, device=place.device))
    turn = torch.arange(len(in_list), device=place.device) - starts[in_list]
    order = by_list[(in_list // LANES * len(in_list) + turn).argsort(stable=True)]  # by pool, turn and lane
    pools = torch.cat((starts[:-1:LANES].unsqueeze(1), starts.diff().view(-1, LANES)), 1)
    return interleaved(place[order], weight[order]), pools.int()
