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
ASKED_PER_TURN = 3

Plan = TypeVar("Plan")


@dataclass(frozen=True)
class Bins:
    """Where the coefficients of each bin are, as csrc/spectral/bins.cuh reads it.

    Attributes:
        points: int32 [P, 2], 4 · the position of a value + the sum of its lane, and the bits of its weight.
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
    """Returns the points of the bins of maps [H, W//2+1] or [M, H, W//2+1]; those of no bin come last."""
    per_bin = index.numel() / n_bins
    bins_per_pool = 1 if per_bin >= 256 else 4 if per_bin >= 4 else 32
    n_lists = 32 * -(-n_bins // bins_per_pool)
    height, columns = index.shape[-2:]
    position = positions(height, columns, index.device).expand(index.shape).flatten()
    bin_of = index.flatten().long()
    lane = bin_of % 32 if bins_per_pool == 32 else position % 32  # the bin's, or the bank's
    list_of = torch.where((bin_of >= 0) & (bin_of < n_bins), bin_of // bins_per_pool * 32 + lane, n_lists)
    in_list, by_list = list_of.sort(stable=True)
    starts = torch.searchsorted(in_list, torch.arange(n_lists + 1, device=index.device))
    turn = torch.arange(len(in_list), device=index.device) - starts[in_list]
    order = by_list[(in_list // 32 * len(in_list) + turn).argsort(stable=True)]  # by pool, turn and lane
    place = 4 * position + (bin_of % 4 if bins_per_pool == 4 else 0)
    pools = torch.cat((starts[:-1:32].unsqueeze(1), starts.diff().view(-1, 32)), 1)
    return Bins(interleaved(place[order], 0.25 * weight.flatten()[order]), pools.int(), bins_per_pool)


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

    Turn by turn, lanes ask for the bank with the most that is left, a bank takes the lane with the most that is left,
    and lanes that got none ask again. What no turn took goes where its lane is idle.

    Args:
        place: int64 [groups, 32, turns], words of shared memory in any order along the last axis; -1 is none.

    Returns:
        As `place`, by turns. An idle lane has -2^15 + a word that another lane reads in that turn, or any if none does.
    """
    n_groups, n_lanes, n_turns = place.shape
    bank = place % 32
    lane = torch.arange(n_lanes, device=place.device).expand(n_groups, n_lanes)
    left = place >= 0
    dealt = torch.full_like(place, -1)
    for turn in range(n_turns):
        of_lane = left.sum(2) * n_lanes + lane
        of_bank = place.new_zeros(n_groups, 32).scatter_add(1, bank.flatten(1), left.flatten(1).long())
        idle, free = torch.ones_like(lane, dtype=torch.bool), torch.ones_like(of_bank, dtype=torch.bool)
        for _ in range(ASKED_PER_TURN):
            wanted = torch.where(
                left & idle.unsqueeze(2) & free.gather(1, bank.flatten(1)).view_as(left),
                of_bank.gather(1, bank.flatten(1)).view_as(bank),
                -1,
            )
            most, choice = wanted.max(2)
            asked = bank.gather(2, choice.unsqueeze(2)).squeeze(2)
            asks = torch.where(most >= 0, of_lane, -1)
            taken = torch.full_like(of_bank, -1).scatter_reduce(1, asked, asks, "amax")
            got = (asks >= 0) & (asks == taken.gather(1, asked))
            chosen = torch.zeros_like(left).scatter(2, choice.unsqueeze(2), got.unsqueeze(2))
            dealt[:, :, turn] = torch.where(got, (place * chosen).sum(2), dealt[:, :, turn])
            left, idle, free = left & ~chosen, idle & ~got, free & (taken < 0)
    turns = (dealt >= 0).long().argsort(dim=2, stable=True)  # idle ones first, as many as slots not dealt
    slots = ((place >= 0) & ~left).long().argsort(dim=2, stable=True)
    rest = torch.where(dealt < 0, place.gather(2, slots).gather(2, turns.argsort(dim=2)), dealt)
    read = rest.amax(1, keepdim=True).clamp(min=0)
    return torch.where(rest >= 0, rest, read - (1 << 15))


def interleaved(numbers: Tensor, weights: Tensor) -> Tensor:
    """Returns int32 [..., 2]: the numbers, and the bits of the float32 weights."""
    return torch.stack((numbers.int(), weights.float().contiguous().view(torch.int32)), -1)
