"""Tables of the spectral Triton kernels, in the order in which these read them, made once per map and size.

Fields have the names of the kernels' parameters. Tables of a map in kernel order are [lb, k, la], the order in which
the last stage of `transform` leaves its results.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from specops.ops.spectral.plans.bins import sector_points, warps_of_tiles
from specops.ops.spectral.plans.gains import gain_maps
from specops.ops.spectral.plans.lane_turns import in_turns_without_conflicts
from specops.ops.spectral.plans.tables import cached

POINTS, SUMS = 16, 8  # that a thread adds up at most: of a bin, of its sums; not timed against others
PHASE_BYTES = 128  # of shared memory, of the lanes that it serves at once: 32 banks of 4 bytes
AT_ONCE = 256  # groups of lanes whose reads are planned together: 128 MiB


@dataclass(frozen=True)
class Digits:
    """The side of an image, and the digits of its transform: RA · RB = N rows, CA · CB = N / 2 pairs of columns."""

    N: int
    RA: int
    RB: int
    CA: int
    CB: int


@dataclass(frozen=True)
class Configuration:
    """How a size is transformed, and the warps of an image."""

    digits: Digits
    filter_warps: int
    cross_warps: int


CONFIGURATIONS = {
    32: Configuration(Digits(32, 8, 4, 4, 4), 1, 1),
    64: Configuration(Digits(64, 8, 8, 8, 4), 4, 4),
    128: Configuration(Digits(128, 8, 16, 8, 8), 16, 8),  # with 16, the cross of two images spills
}


@dataclass(frozen=True)
class Circles:
    """Cosines and sines of the rows' and the pairs' twiddles, and of l / N: float32 [2, ...]."""

    row_circle: Tensor
    column_circle: Tensor
    phase: Tensor


@dataclass(frozen=True)
class SumTables:
    """Which values the threads add up for which bin.

    Attributes:
        point: int16 [tiles, chunks, POINTS], places of values; `chunk`: [tiles, chunks, SUMS], of their sums.
        first: int32 [tiles, PADDED + 2], the first of those of each bin, the end, and how many turns all lanes take.
        TILES, SUM_TILES: chunks of values, of sums, over the threads.
        K, PADDED: bins, and at least as many, a power of 2.
    """

    point: Tensor
    chunk: Tensor
    first: Tensor
    TILES: int
    POINTS: int
    SUM_TILES: int
    SUMS: int
    K: int
    PADDED: int


@dataclass(frozen=True)
class BinTables(SumTables):
    """Further, a quarter of the weights in kernel order, and the last column, which is in no chunk."""

    weight: Tensor
    last_weight: Tensor
    last_index: Tensor


@dataclass(frozen=True)
class TileTables(SumTables):
    """Further, the points of a sector, the words that a tile may take, and its warps."""

    SECTOR: int
    WORDS: int
    WARPS: int


@dataclass(frozen=True)
class GainTables:
    """Gains at l and at l + M, [2, N M] in kernel order, and of columns 0 and N/2 at -ky, [2, N]: index and weight."""

    index: Tensor
    weight: Tensor
    edge_index: Tensor
    edge_weight: Tensor


@functools.cache
def circles_of(digits: Digits, device: torch.device) -> Circles:
    """Returns the circles of a size, computed in float64."""
    RA, RB, CA, CB = digits.RA, digits.RB, digits.CA, digits.CB
    axes = (torch.outer(_range(RA), _range(RB)), torch.outer(_range(CA), _range(CB)) * 2, _range(digits.N // 2))
    angles = [axis * (2 * math.pi / digits.N) for axis in axes]
    return Circles(*(torch.stack((t.cos(), t.sin())).float().contiguous().to(device) for t in angles))


def _range(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float64)


def _kernel_order(map_: Tensor) -> Tensor:
    """Columns l < M of a map [N, M] in the order lb, k, la."""
    digits = CONFIGURATIONS[map_.shape[0]].digits
    return map_.reshape(digits.N, digits.CB, digits.CA).permute(1, 0, 2).reshape(-1)


def places_of(digits: Digits, device: torch.device) -> Tensor:
    """Returns where in kernel order the coefficients [N, M] are, row by row."""
    k, m = torch.arange(digits.N, device=device).unsqueeze(1), torch.arange(digits.N // 2, device=device)
    return ((m // digits.CA * digits.N + k) * digits.CA + m % digits.CA).flatten()


@cached
def bin_tables(index: Tensor, weight: Tensor, n_bins: int) -> BinTables:
    """Returns tables whose sizes depend on the number of bins alone, so that no value is looked at."""
    how = CONFIGURATIONS[index.shape[0]]
    half = how.digits.N // 2
    bins = _known(index[:, :half], n_bins).flatten().long()
    place, lanes = places_of(how.digits, index.device), PHASE_BYTES // torch.float32.itemsize
    sums = _sum_tables(bins.unsqueeze(0), place.unsqueeze(0), n_bins, 32 * how.cross_warps, lanes)
    quarter = weight.float() / 4
    return BinTables(
        **vars(sums),
        weight=_kernel_order(quarter[:, :half]).contiguous(),
        last_weight=quarter[:, half].contiguous(),
        last_index=_known(index[:, half], n_bins).to(torch.int32).contiguous(),
    )


@cached
def tile_tables(
    index: Tensor, weight: Tensor, n_bins: int, n_tiles: int, tile_points: int, itemsize: int
) -> TileTables:
    """Returns tables of tiles of a spectrum in a row of memory."""
    bins = _known(index, n_bins).flatten().long()
    bins = torch.nn.functional.pad(bins, (0, n_tiles * tile_points - len(bins)), value=_padded(n_bins))
    place = torch.arange(tile_points, device=index.device).expand(n_tiles, -1)
    warps, sector = warps_of_tiles(tile_points), sector_points(itemsize)
    sums = _sum_tables(bins.view(n_tiles, -1), place, n_bins, 32 * warps, PHASE_BYTES // itemsize)
    words = max(4 * 32 * warps, 1 << (tile_points + sector - 2).bit_length())
    return TileTables(**vars(sums), SECTOR=sector, WORDS=words, WARPS=warps)


@cached
def gain_tables(index: Tensor, weight: Tensor, n_bins: int) -> GainTables:
    """Returns the tables of a map.

    A coefficient at l + M is the conjugate of the one at (-ky, M - l), columns 0 and M are the means of ky and -ky.
    """
    half = index.shape[0] // 2
    places, weight = gain_maps(index, weight, n_bins, 2 * half)
    factors = torch.where(places >= 0, weight, 0)
    tables = []
    for values, edge in ((places, 1), (factors, 0.5)):
        mirror = torch.roll(values.flip(0), 1, 0)
        low, high = values[:, :half].clone(), mirror.flip(1)[:, :half].clone()
        low[:, 0], high[:, 0] = values[:, 0] * edge, values[:, half] * edge
        edges = torch.stack((mirror[:, 0], mirror[:, half])) * edge
        tables.append((torch.cat((_kernel_order(low), _kernel_order(high))).contiguous(), edges.contiguous()))
    (inner_index, edge_index), (inner_weight, edge_weight) = tables
    return GainTables(inner_index, inner_weight, edge_index, edge_weight)


def _sum_tables(bins: Tensor, place: Tensor, n_bins: int, threads: int, lanes: int) -> SumTables:
    """Tables of the points [tiles, n].

    Shared memory serves so many `lanes` at once.
    """
    padded = _padded(n_bins)
    points = _dealt(bins, place, n_bins, threads, POINTS, lanes)
    chunks = torch.arange(points.place.shape[1], device=bins.device).expand(len(bins), -1).contiguous()
    bin_of = torch.searchsorted(points.first, chunks, right=True) - 1
    sums = _dealt(bin_of, chunks, n_bins, threads, SUMS, lanes)
    per_bin = max(1, min(threads // padded, 32))
    rounds = (sums.first.diff().amax(1, keepdim=True) + per_bin - 1) // per_bin
    first = torch.cat((sums.first, rounds), 1).to(torch.int32)
    tiles = [each.place.shape[1] // threads for each in (points, sums)]
    places = points.place.to(torch.int16), sums.place.to(torch.int16)
    return SumTables(*places, first, tiles[0], POINTS, tiles[1], SUMS, n_bins, padded)


class Dealt(NamedTuple):
    """What the threads add up, each for one bin, tile by tile.

    Attributes:
        place: [tiles, chunks, turns], as `in_turns_without_conflicts` leaves it.
        first: [tiles, padded + 1], the first chunk of each bin, and the end of the last.
    """

    place: Tensor
    first: Tensor


def _dealt(bins: Tensor, place: Tensor, n_bins: int, threads: int, turns: int, lanes: int) -> Dealt:
    """Cuts the places [tiles, n] of each bin to chunks of at most `turns`, as many as threads, or a multiple, allow."""
    padded, (n_tiles, n) = _padded(n_bins), bins.shape
    n_chunks = threads << (-(-(-(-n // turns) + n_bins) // threads) - 1).bit_length()
    per_chunk = -(-n // (n_chunks - n_bins))
    in_bin, source = bins.sort(stable=True)
    numbers = torch.arange(max(n, padded + 1), device=bins.device).expand(n_tiles, -1)
    before = torch.searchsorted(in_bin, numbers[:, : padded + 1].contiguous())
    chunks = (before.diff() + per_chunk - 1) // per_chunk
    first = torch.nn.functional.pad(chunks.cumsum(1), (1, 0))
    rank = numbers[:, :n] - before.gather(1, in_bin)
    dealt_to = torch.nn.functional.pad(chunks, (0, 1), value=1).gather(1, in_bin)
    slot = (first.gather(1, in_bin) + rank % dealt_to) * turns + rank // dealt_to
    slot = torch.where(in_bin < padded, slot, n_chunks * turns)  # of no bin: one slot behind the last, cut off
    slots = torch.full((n_tiles, n_chunks * turns + 1), -1, device=bins.device)
    slots = slots.scatter(1, slot, place.gather(1, source))[:, :-1].reshape(-1, lanes, turns)
    dealt = torch.cat([in_turns_without_conflicts(some) for some in slots.split(AT_ONCE)])
    return Dealt(dealt.view(n_tiles, n_chunks, turns), first)


def _padded(n_bins: int) -> int:
    return max(32, 1 << (n_bins - 1).bit_length())


def _known(index: Tensor, n_bins: int) -> Tensor:
    """Bins with one more, _padded(n_bins), for coefficients in none."""
    return torch.where((index >= 0) & (index < n_bins), index, _padded(n_bins))
