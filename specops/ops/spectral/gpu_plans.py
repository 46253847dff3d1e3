"""What the spectral kernels of GPUs must know beside the pixels, made by torch ops on the device of the maps.

The numbers of one-launch kernels are those of csrc/fft/image_transform.cuh: which thread holds what, where values are
kept. No function looks at a value of a map, which would wait for the device.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from specops._half_plane import multiplicity

SHAPES = ((32, 32), (64, 64), (128, 128))
DEALING_ROUNDS = 4
TILE_BYTES = 2**15  # of terms, and as many more as a sector may begin with
SECTOR_BYTES = 32
POINTS_PER_WARP = 512  # of a tile
MOST_WARPS = 8
LONG_BIN = 1024  # points: of more, a warp takes turns
POINTS_PER_BIN = 4  # on average: of fewer, no pool of lanes that have banks, and no tiles
LANES, SUMS = 32, 4  # of a warp; of a lane, as in csrc/spectral/cuda/bins.cuh
SUM_CODES, NO_SUM = 2 * SUMS, SUMS  # what tells the sum of a point
FEW_POINTS_POOL = LANES * SUMS  # bins, where they have few points each
LONG_POOL = 256  # points of a bin that has a pool of its own
MOST_RUNS = 8  # turns of such a pool in which lanes wait

Plan = TypeVar("Plan")


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
class Layout:
    """What each thread of an image holds after the transform: numbers i = 2j + b, kx = 2h + b + T j, of line ky.

    Attributes:
        row, column: [2E, threads], the half-plane coefficient that equals the number or its conjugate.
        line_threads: threads of a line.
    """

    row: Tensor
    column: Tensor
    line_threads: int


@dataclass(frozen=True)
class SortedPoints:
    """The coefficients of half planes bin by bin, those of no bin last.

    Attributes:
        place, weight: int32 and real [P]; `first`: int32 [K + 1], where each bin starts, and its end.
    """

    place: Tensor
    weight: Tensor
    first: Tensor


def serves(size: tuple[int, int]) -> bool:
    """Whether there are one-launch kernels for images of `size`."""
    return size in SHAPES


def cached(make: Callable[..., Plan]) -> Callable[..., Plan]:
    """Keeps the plan of (index, weight, numbers) as long as both maps live and are not written to."""
    plans: WeakIdKeyDictionary = WeakIdKeyDictionary()

    @functools.wraps(make)
    def plan_of(index: Tensor, weight: Tensor, *numbers: int) -> Plan:
        known = plans.setdefault(index, {})
        found = known.get((id(weight), *numbers))
        versions = (index._version, weight._version)
        if found is not None and found[0]() is weight and found[1] == versions:
            return found[2]
        plan = make(index, weight, *numbers)
        known[(id(weight), *numbers)] = (weakref.ref(weight), versions, plan)
        return plan

    return plan_of


@functools.cache
def unit_circle(count: int, device: torch.device) -> Tensor:
    """Returns exp(2 pi i m / count), m < count, as float32 [count, 2]."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack((angle.cos(), angle.sin()), -1).float().to(device)


@cached
def bins(index: Tensor, weight: Tensor, n_bins: int) -> Bins:
    """Returns the points of the bins of maps [H, W//2+1] or [M, H, W//2+1], of values four times too large."""
    position, weight = positions(index.shape[-2], index.shape[-1], index.device), 0.25 * weight
    if index.numel() >= POINTS_PER_BIN * n_bins:
        return _bins_by_banks(index, weight, n_bins, position)
    n_pools = -(-n_bins // FEW_POINTS_POOL)
    bin_of = torch.where((index >= 0) & (index < n_bins), index, n_pools * FEW_POINTS_POOL).flatten().long()
    place, point, list_of = _lists_with_waits(bin_of, position.expand(index.shape).flatten(), n_pools)
    weight = torch.nn.functional.pad(weight.flatten(), (0, 1))[point]
    return Bins(*_in_turns(place, weight, list_of, LANES * n_pools), FEW_POINTS_POOL)


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


def _lists_with_waits(bin_of: Tensor, position: Tensor, n_pools: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lists the points of pools of 128 bins, whose lanes have every 32nd bin, so that lanes seldom meet a bank.

    Args:
        bin_of, position: int64 [P], the bin of each point, 128 · n_pools for none, and where its value is.

    Returns:
        Three of int64 [N], in the order of turns: 8 · position + sum, the point, P for a wait, and its list, 32 · pool
        + lane, 32 · n_pools for none.
    """
    n, device = len(bin_of), bin_of.device
    bins_in_turn = bin_of // FEW_POINTS_POOL * n + _among_equals(bin_of)[0]  # first of each bin, then second
    order = (bins_in_turn * FEW_POINTS_POOL + bin_of % FEW_POINTS_POOL).argsort(stable=True)
    bin_of, position = bin_of[order], position[order]
    pool, lane = bin_of // FEW_POINTS_POOL, bin_of % LANES
    turn, n_runs = _turns_in_runs(pool, lane, position % LANES, n_pools)
    cells = torch.arange(n_pools * MOST_RUNS * LANES, device=device)  # [pools, turns, lanes]
    pool_of_cell, turn_of_cell = cells // (MOST_RUNS * LANES), cells // LANES % MOST_RUNS
    in_run = turn < torch.cat((n_runs, n_runs[:1] * 0))[pool]
    taken = torch.zeros(len(cells) + 1, dtype=torch.bool, device=device)
    taken = taken.scatter(0, ((pool * MOST_RUNS + turn) * LANES + lane).where(in_run, len(cells)), True)[:-1]
    waits = ~taken & (turn_of_cell < n_runs[pool_of_cell])
    read = torch.zeros(n_pools * MOST_RUNS + 1, dtype=torch.int64, device=device)  # by another lane in that turn
    read = read.scatter(0, (pool * MOST_RUNS + turn).where(in_run, n_pools * MOST_RUNS), position)
    places = torch.cat((SUM_CODES * position + bin_of // LANES % SUMS, SUM_CODES * read[cells // LANES] + NO_SUM))
    points = torch.cat((order, torch.full_like(cells, n)))
    lists = torch.cat((LANES * pool + lane, (LANES * pool_of_cell + cells % LANES).where(waits, LANES * n_pools)))
    by_turn = torch.cat((turn, turn_of_cell)).argsort(stable=True)
    return places[by_turn], points[by_turn], lists[by_turn]


def _turns_in_runs(pool: Tensor, lane: Tensor, bank: Tensor, n_pools: int) -> tuple[Tensor, Tensor]:
    """Cuts the points of each pool into runs that meet no lane or bank twice, each as long as it can be.

    A pool keeps its lists without waits if these make no more wavefronts, or if there would be over MOST_RUNS runs.

    Args:
        pool, lane, bank: int64 [P], by pools; n_pools is none.

    Returns:
        The turn of each point, and the runs of each pool, 0 if it has no waits.
    """
    turn, next_of_lane = _among_equals(LANES * pool + lane)
    _, next_of_bank = _among_equals(LANES * pool + bank)
    first = torch.searchsorted(pool, torch.arange(n_pools + 1, device=pool.device))
    ends = torch.minimum(next_of_lane, next_of_bank).flip(0).cummin(0).values.flip(0)  # of runs, by where they begin
    ends = torch.cat((ends, first[-1:]))
    begins = [first[:-1]]
    for _ in range(MOST_RUNS):
        begins.append(torch.minimum(ends[begins[-1]], first[1:]))
    runs = torch.stack(begins[:-1])
    n_runs = (runs < first[1:]).sum(0)
    met_before, _ = _among_equals((pool * len(pool) + turn) * LANES + bank)
    cell = (pool * MOST_RUNS + turn.clamp(max=MOST_RUNS - 1)).where(pool < n_pools, n_pools * MOST_RUNS)
    wavefronts = torch.zeros(n_pools * MOST_RUNS + 1, dtype=torch.int64, device=pool.device)
    wavefronts = wavefronts.scatter_reduce(0, cell, met_before + 1, "amax")[:-1].view(n_pools, MOST_RUNS).sum(1)
    n_runs = n_runs.where((begins[-1] == first[1:]) & (n_runs < wavefronts), 0)
    of_pool = pool.clamp(max=n_pools - 1)
    run = (torch.arange(len(pool), device=pool.device) >= runs[:, of_pool]).sum(0) - 1
    return run.where((n_runs[of_pool] > 0) & (pool < n_pools), turn), n_runs


def _among_equals(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Returns how many equal keys [N] come before each, and where the next one is, N for none."""
    in_order, order = keys.sort(stable=True)
    number = torch.arange(len(keys), device=keys.device)
    rank = number - torch.searchsorted(in_order, in_order)
    following = torch.cat((order[1:].where(in_order.diff() == 0, len(keys)), number[:1] + len(keys)))
    return torch.empty_like(rank).scatter(0, order, rank), torch.empty_like(rank).scatter(0, order, following)


@cached
def gains(index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Returns the gains' bins and weights in the order in which csrc/spectral/cuda/spectral_kernels.cuh reads them.

    int32 [2E · threads + H + 2E · line threads, 2]: bin (-1: none) and the bits of the weight, over multiplicity and 2.
    """
    height, columns = index.shape
    width = 2 * (columns - 1)
    layout = layout_of(height, width, index.device)
    kx = torch.arange(columns, device=index.device)
    alone = (kx == 0) | (kx == width // 2)
    weight = weight * torch.where(alone, 0.5, 0.25).to(weight.dtype)
    index = torch.where(index < n_bins, index, -1)

    def at(row: Tensor, column: Tensor, factor: Tensor | float = 1.0) -> Tensor:
        return interleaved(index[row, column], factor * weight[row, column])

    halved = torch.where(alone[layout.column] & (layout.row % (height // 2) != 0), 0.5, 1.0).to(weight.dtype)
    own = at(layout.row, layout.column, halved)
    rows = torch.arange(height // 2, device=index.device)
    edges = torch.arange(2, device=index.device) * (width // 2)
    second = at(
        (-rows % height).unsqueeze(1), edges.unsqueeze(0), torch.where(rows > 0, 0.5, 0.0).to(weight.dtype).unsqueeze(1)
    )
    second[0, :, 0] = -1  # the lines 0 and H/2 are their own mirrors
    of_line = layout.column[:, : layout.line_threads]
    last = at(torch.full_like(of_line, height // 2), of_line)
    return torch.cat([part.flatten(0, 1) for part in (own, second, last)]).contiguous()


@cached
def sorted_points(index: Tensor, weight: Tensor, n_bins: int) -> SortedPoints:
    """Returns the points of maps [H, W//2+1] or [M, H, W//2+1]."""
    bins = torch.where((index >= 0) & (index < n_bins), index, n_bins).flatten()
    in_bin, order = bins.sort(stable=True)
    first = torch.searchsorted(in_bin, torch.arange(n_bins + 1, device=index.device, dtype=torch.int32))
    points = index.shape[-2] * index.shape[-1]
    return SortedPoints((order % points).int(), weight.flatten()[order].contiguous(), first.int())


@cached
def half_plane_gains(index: Tensor, weight: Tensor, n_bins: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns index, -1 for no bin, and weight over a coefficient's multiplicity in the plane of images [H, width]."""
    known = torch.where((index >= 0) & (index < n_bins), index, -1).contiguous()
    return known, (weight / multiplicity((index.shape[-2], width), weight.dtype, weight.device)).contiguous()


@functools.cache
def layout_of(height: int, width: int, device: torch.device) -> Layout:
    """Returns which coefficients the threads of an image [height, width] hold after the transform."""
    count = 16 if max(height, width) > 64 else 8
    step = width // count
    line_threads = step // 2
    thread = torch.arange(height * width // (4 * count), device=device)
    lane, warp = thread % 32, thread // 32
    line = lane // line_threads
    reversed_line = (line & ~7) | (line & 1) << 2 | (line & 2) | (line >> 2 & 1)
    ky = warp * (32 // line_threads) + reversed_line
    number = torch.arange(2 * count, device=device).unsqueeze(1)
    kx = 2 * (thread % line_threads) + number % 2 + step * (number // 2)
    low = kx <= width // 2
    row = torch.where(low, ky, (height - ky) % height)
    return Layout(row, torch.where(low, kx, width - kx), line_threads)


def positions(height: int, columns: int, device: torch.device) -> Tensor:
    """Returns where in shared memory, in floats, the value of each coefficient is: [H, W//2+1]."""
    width = 2 * (columns - 1)
    pitch = width + (20 if width == 32 else 4)  # kValuePitch of csrc/spectral/cuda/spectral_kernels.cuh
    ky, kx = torch.arange(height, device=device).unsqueeze(1), torch.arange(columns, device=device)
    return torch.where(ky <= height // 2, ky * pitch + kx, (height - ky) * pitch + (-kx) % width)


def in_turns_without_conflicts(place: Tensor) -> Tensor:
    """Deals what each lane reads from shared memory to its turns, so that lanes seldom meet a bank in one.

    In a few rounds each word without a turn asks for one in which its lane and its bank are free; of those that ask for
    the same, one gets it. What is left at the end goes where its lane is idle.

    Args:
        place: int64 [groups, lanes, turns], words of shared memory in any order along the last axis; -1 is none. Lanes
            are those that are served at once, of which there are as many as banks as wide as a word.

    Returns:
        As `place`, by turns. An idle lane has -2^15 + a word that another lane reads in that turn, or any if none does.
    """
    n_groups, n_lanes, n_turns = place.shape
    words = place.flatten(1)
    n = words.shape[1]
    number, turns = torch.arange(n, device=place.device), torch.arange(n_turns, device=place.device)
    # With its turn, a word has a cell of its lane and one of its bank; no two have the same.
    lane, bank = (number // n_turns * n_turns).expand_as(words), words % n_lanes * n_turns
    lane_cells, bank_cells = ((each.unsqueeze(2) + turns).flatten(1) for each in (lane, bank))
    likes = turns + (number + number // n_turns).unsqueeze(1)  # neighbours like others best
    left = words >= 0
    dealt = torch.full((n_groups, n + 1), -1, device=place.device)  # the last cell is of those that got none
    bank_free = torch.ones((n_groups, n + 1), dtype=torch.bool, device=place.device)
    for attempt in range(DEALING_ROUNDS):
        open_ = ((dealt.gather(1, lane_cells) < 0) & bank_free.gather(1, bank_cells)).view(n_groups, n, n_turns)
        liked, turn = ((likes + 5 * attempt) % n_turns).where(open_ & left.unsqueeze(2), turns[:1] - 1).max(2)
        asks = number.expand_as(words).masked_fill(liked < 0, n)
        of_lane, of_bank = lane + turn, bank + turn
        for cell in (of_lane, of_bank):
            first = torch.full_like(words, n).scatter_reduce(1, cell, asks, "amin")
            asks = asks.masked_fill(first.gather(1, cell) != asks, n)
        got_none = asks == n
        dealt = dealt.scatter(1, of_lane.masked_fill(got_none, n), words.masked_fill(got_none, -1))
        bank_free = bank_free.scatter(1, of_bank.masked_fill(got_none, n), False)
        left = left & got_none
    dealt = dealt[:, :-1].view_as(place)
    idle = (dealt >= 0).long().argsort(dim=2, stable=True)  # first, as many as words not dealt
    rest = (left | (words < 0)).view_as(place).logical_not().long().argsort(dim=2, stable=True)
    dealt = torch.where(dealt < 0, place.gather(2, rest).gather(2, idle.argsort(dim=2)), dealt)
    return torch.where(dealt >= 0, dealt, dealt.amax(1, keepdim=True).clamp(min=0) - (1 << 15))


def interleaved(numbers: Tensor, weights: Tensor) -> Tensor:
    """Returns int32 [..., 2], in float64 [..., 4]: the numbers, padded to the weights' size, and the weights' bits."""
    bits = weights.unsqueeze(-1).contiguous().view(torch.int32)
    return torch.cat((torch.nn.functional.pad(numbers.int().unsqueeze(-1), (0, bits.shape[-1] - 1)), bits), -1)
