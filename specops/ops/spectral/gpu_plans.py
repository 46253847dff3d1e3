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

from specops.ops.spectral.reference import multiplicity

SHAPES = ((32, 32), (64, 64), (128, 128))
DEALING_ROUNDS = 4
TILE_BYTES = 2**15  # of real numbers, with those before them in the same sector
SECTOR_BYTES = 32
LONG_BIN = 1024  # points: of more, a warp takes turns
POINTS_PER_BIN = 4  # of a tile: of fewer, the sums of tiles would be too much to write and read

Plan = TypeVar("Plan")


@dataclass(frozen=True)
class Bins:
    """Where the coefficients of each bin are, as csrc/spectral/bins.cuh reads it.

    Attributes:
        points: int32 [P, 2] or [P, 4], 4 · the position of a value + the sum of its lane, and the bits of its weight.
        pools: int32 [n, 33], the first point of each pool of bins, and the lengths of its 32 lists.
        bins_per_pool: 1, 4 or 32.
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
    return _pooled(index, 0.25 * weight, n_bins, positions(index.shape[-2], index.shape[-1], index.device))


@cached
def bins_of_tiles(index: Tensor, weight: Tensor, n_bins: int, n_tiles: int, tile_points: int) -> Bins:
    """Returns the points of the bins of maps [H, W//2+1] or [M, H, W//2+1] in each tile of coefficients."""
    size = index.shape[-2:]
    point = torch.arange(size.numel(), device=index.device).view(size)
    return _pooled(index, weight, n_bins, point % tile_points, point // tile_points, n_tiles)


def tiles_of(n_points: int, n_bins: int, dtype: torch.dtype) -> tuple[int, int] | None:
    """Returns how many tiles the coefficients of an image are cut to, and of how many each; None for too many bins."""
    most = TILE_BYTES // dtype.itemsize + 1 - sector_points(dtype)
    n_tiles = -(-n_points // most)
    tile_points = -(-n_points // n_tiles)
    return (n_tiles, tile_points) if n_bins * POINTS_PER_BIN <= tile_points else None


def sector_points(dtype: torch.dtype) -> int:
    """Returns how many coefficients a sector of memory has."""
    return SECTOR_BYTES // (2 * dtype.itemsize)


def lanes_of(points: SortedPoints) -> int:
    """Returns how many threads take turns with the points of a bin."""
    per_bin = len(points.place) // (len(points.first) - 1)
    return 1 << min(3 if per_bin <= LONG_BIN else 5, max(0, per_bin - 1).bit_length())


def _pooled(
    index: Tensor, weight: Tensor, n_bins: int, position: Tensor, tile: Tensor | int = 0, n_tiles: int = 1
) -> Bins:
    """Returns the points of the bins from position and tile [H, W//2+1] of their values; those of no bin come last."""
    per_bin = index.numel() / (n_tiles * n_bins)
    bins_per_pool = 1 if per_bin >= 256 else 4 if per_bin >= 4 else 32
    n_pools = -(-n_bins // bins_per_pool)
    n_lists = n_tiles * n_pools * 32
    lane = index % 32 if bins_per_pool == 32 else position % 32  # the bin's, or the bank's
    list_of = (tile * n_pools + index // bins_per_pool) * 32 + lane
    list_of = torch.where((index >= 0) & (index < n_bins), list_of, n_lists).flatten()
    in_list, by_list = list_of.sort(stable=True)
    starts = torch.searchsorted(in_list, torch.arange(n_lists + 1, device=index.device))
    turn = torch.arange(len(in_list), device=index.device) - starts[in_list]
    order = by_list[(in_list // 32 * len(in_list) + turn).argsort(stable=True)]  # by pool, turn and lane
    place = (4 * position + (index % 4 if bins_per_pool == 4 else torch.zeros_like(index))).flatten()
    pools = torch.cat((starts[:-1:32].unsqueeze(1), starts.diff().view(-1, 32)), 1)
    return Bins(interleaved(place[order], weight.flatten()[order]), pools.int(), bins_per_pool)


@cached
def gains(index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Returns the gains' bins and weights in the order in which csrc/spectral/spectral_kernels.cuh reads them.

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
    second = at((-rows % height).unsqueeze(1), edges.unsqueeze(0), torch.where(rows > 0, 0.5, 0.0).unsqueeze(1))
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
    pitch = width + 4
    ky, kx = torch.arange(height, device=device).unsqueeze(1), torch.arange(columns, device=device)
    return torch.where(ky <= height // 2, ky * pitch + kx, (height - ky) * pitch + (-kx) % width)


def in_turns_without_conflicts(place: Tensor) -> Tensor:
    """Deals what each lane of a warp reads from shared memory to its turns, so that lanes seldom meet a bank in one.

    In a few rounds each word without a turn asks for one in which its lane and its bank are free; of those that ask for
    the same, one gets it. What is left at the end goes where its lane is idle.

    Args:
        place: int64 [groups, 32, turns], words of shared memory in any order along the last axis; -1 is none.

    Returns:
        As `place`, by turns. An idle lane has -2^15 + a word that another lane reads in that turn, or any if none does.
    """
    n_groups, _, n_turns = place.shape
    words = place.flatten(1)
    n = words.shape[1]
    number, turns = torch.arange(n, device=place.device), torch.arange(n_turns, device=place.device)
    # With its turn, a word has a cell of its lane and one of its bank; no two have the same.
    lane, bank = (number // n_turns * n_turns).expand_as(words), words % 32 * n_turns
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
