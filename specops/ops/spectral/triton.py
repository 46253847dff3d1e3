"""The spectral ops by Triton kernels.

Square images of 32, 64 or 128 pixels a side, but in float64, are one launch that reads each input once, with up to
twice as many bins as the side, and gains of one map. Everything else is torch.fft with kernels around it. All sums are
in a fixed order, without atomics.
"""

from __future__ import annotations

import functools
import math
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype
from specops.ops.spectral import around_fft, gpu_plans
from specops.ops.spectral import triton_kernels as kernels
from specops.ops.spectral.around_fft import Scale, is_constant, same_images
from specops.ops.spectral.gpu_plans import cached
from specops.ops.triton_launch import launch, on_its_device

POINTS, SUMS = 16, 8  # that a thread adds up at most: of a bin, of its sums
PHASE_BYTES = 128  # of shared memory, of the lanes that it serves at once
AT_ONCE = 256  # groups of lanes whose reads are planned together: 128 MiB
BLOCK = 256
SUM_WARPS = 8  # of programs that sum bins with few points


@dataclass(frozen=True)
class Configuration:
    """How a size is transformed: digits RA, RB of the rows, CA, CB of the pairs of columns, and warps per image."""

    side: int
    digits: tuple[int, int, int, int]
    filter_warps: int
    cross_warps: int


CONFIGURATIONS = {
    32: Configuration(32, (8, 4, 4, 4), 1, 1),
    64: Configuration(64, (8, 8, 8, 4), 4, 4),
    128: Configuration(128, (8, 16, 8, 8), 16, 8),  # with 16, the cross of two images spills
}


@dataclass(frozen=True)
class BinTables:
    """Tables of the cross kernel, in kernel order, and its constants from TILES to PADDED."""

    tables: tuple[Tensor, ...]
    constants: tuple[int, ...]


def configuration(x: Tensor) -> Configuration | None:
    """Returns how one launch transforms images like x, or None where torch.fft has to."""
    square = x.shape[-1] == x.shape[-2] and x.dtype != torch.float64
    return CONFIGURATIONS.get(x.shape[-1]) if square else None


@on_its_device
def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """As specops.ops.binned_cross_spectrum."""
    how = configuration(x)
    if how is not None and index.dim() == 2 and 0 < n_bins <= 2 * how.side and x.numel():
        out = x.new_empty(*x.shape[:-2], n_bins, dtype=compute_dtype(x.dtype))
        same = same_images(x, y)
        x = x.contiguous()
        y = x if same else y.contiguous()
        plan = _bin_tables(index, weight, n_bins)
        launch(
            kernels.binned_cross_kernel,
            math.prod(x.shape[:-2]),
            x,
            y,
            *plan.tables,
            out,
            *_circles(how, x.device),
            same,
            how.side,
            *how.digits,
            how.cross_warps,
            *plan.constants,
            num_warps=how.cross_warps,
        )
        return out
    return around_fft.binned_cross_spectrum(AROUND_FFT, x, y, index, weight, n_bins)


@on_its_device
def binned_filter(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """As specops.ops.binned_filter."""
    how = configuration(x)
    if how is None or index.dim() > 2 or x.numel() == 0:
        return around_fft.binned_filter(AROUND_FFT, x, c, index, weight)
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    c = c.contiguous()
    kernels.binned_filter_kernel[(math.prod(x.shape[:-2]),)](
        x.contiguous(), out, c, *_gain_tables(index, weight, c.shape[-1]), *_circles(how, x.device), _stride(c),
        how.side, *how.digits, how.filter_warps, num_warps=how.filter_warps,
    )  # fmt: skip
    return out


def binned_sloped_filter(x: Tensor, c: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """As specops.ops.binned_sloped_filter."""
    return binned_filter(x * slope, c, index, weight)


@on_its_device
def clipped_band_swap(
    a: Tensor, b: Tensor, c: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As specops.ops.clipped_band_swap."""
    how = configuration(a)
    if how is None or index.dim() > 2 or a.numel() == 0:
        return around_fft.clipped_band_swap(AROUND_FFT, a, b, c, index, weight, low, high, keep)
    swapped = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    slope = torch.empty(a.shape, dtype=torch.int8, device=a.device)
    kept = torch.empty(a.shape if keep else (0,), dtype=a.dtype, device=a.device)
    c = c.contiguous()
    limits = (float(low), 2 * float(low), float(high))
    one_value = is_constant(b)
    kernels.clipped_band_swap_kernel[(math.prod(a.shape[:-2]),)](
        a.contiguous(), b if one_value else b.contiguous(), swapped, slope, kept, c,
        *_gain_tables(index, weight, c.shape[-1]), *_circles(how, a.device), _stride(c), *limits, one_value, keep,
        how.side, *how.digits, how.filter_warps, num_warps=how.filter_warps,
    )  # fmt: skip
    return swapped, slope, kept


def _stride(c: Tensor) -> int:
    return 0 if c.dim() == 1 else c.shape[-1]


@on_its_device
def binned_scaled_power(
    x: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: str, factor: float, eps: float
) -> Tensor:
    """As specops.ops.binned_scaled_power."""
    how = around_fft.scale_of(scale, factor, eps)
    return around_fft.binned_cross_spectrum(AROUND_FFT, x, x, index, weight, n_bins, how)


@on_its_device
def binned_scaled_filter(
    x: Tensor, c: Tensor, index: Tensor, weight: Tensor, scale: str, factor: float, eps: float
) -> Tensor:
    """As specops.ops.binned_scaled_filter."""
    return around_fft.binned_filter(AROUND_FFT, x, c, index, weight, around_fft.scale_of(scale, factor, eps))


class AroundFft:
    """The kernels around torch.fft: see `around_fft.Kernels`."""

    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, sums: Tensor, scale: Scale) -> None:
        n_points, n_bins = X.shape[-3] * X.shape[-2], sums.shape[-1]
        how = (Y is X, *astuple(scale))
        tiles = gpu_plans.tiles_of(n_points, n_bins, X.dtype) if index.dim() == 2 else None
        if tiles is None:
            points = gpu_plans.sorted_points(index, weight, n_bins)
            lanes = gpu_plans.lanes_of(points)
            programs = sums.numel() // n_bins * -(-n_bins * lanes // (32 * SUM_WARPS))
            launch(
                kernels.bin_sums_kernel, programs, X, Y, points.place, points.weight, points.first, sums, n_points,
                *how, n_bins, lanes, SUM_WARPS, num_warps=SUM_WARPS,
            )  # fmt: skip
            return
        n_tiles, tile_points = tiles
        plan = _tile_tables(index, weight, n_bins, *tiles, X.itemsize)
        warps = gpu_plans.warps_of_tiles(tile_points)
        n_images = sums.numel() // n_bins
        of_tiles = sums if n_tiles == 1 else sums.new_empty(n_images, n_tiles, n_bins)
        launch(
            kernels.tile_sums_kernel, n_images * n_tiles, X, Y, weight.contiguous(), *plan.tables, of_tiles, n_points,
            tile_points, *how, *plan.constants, num_warps=warps,
        )  # fmt: skip
        if n_tiles > 1:
            kernels.totals_kernel[(-(-sums.numel() // BLOCK),)](of_tiles, sums, sums.numel(), n_tiles, n_bins, BLOCK)

    def gain(self, X: Tensor, c: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        n_points = X.shape[-3] * X.shape[-2]
        grid = (X.numel() // (2 * n_points) * -(-n_points // BLOCK),)
        maps = index.numel() // n_points
        kernels.gain_kernel[grid](X, c, index, weight, n_points, maps, _stride(c), *astuple(scale), BLOCK)

    def hermitian(self, X: Tensor, n_edges: int) -> None:
        n_rows, n_columns = X.shape[-3], X.shape[-2]
        pairs = X.numel() // (2 * n_rows * n_columns) * n_edges * (n_rows // 2 + 1)
        kernels.hermitian_kernel[(-(-pairs // BLOCK),)](X, pairs, n_rows, n_columns, n_edges, BLOCK)

    def clip(
        self, filtered: Tensor, b: Tensor, swapped: Tensor, slope: Tensor, kept: Tensor, low: float, high: float
    ) -> None:
        n, keep = filtered.numel(), kept.numel() > 0
        kernels.clip_kernel[(-(-n // BLOCK),)](
            filtered, b, swapped, slope, kept, n, float(low), float(high), is_constant(b), keep, BLOCK
        )


AROUND_FFT = AroundFft()


@functools.cache
def _circles(how: Configuration, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines and sines of the rows' and the pairs' twiddles, and of l / N: float32 [2, ...], computed in float64."""
    RA, RB, CA, CB = how.digits
    axes = (torch.outer(_range(RA), _range(RB)), torch.outer(_range(CA), _range(CB)) * 2, _range(how.side // 2))
    angles = [axis * (2 * math.pi / how.side) for axis in axes]
    rows, columns, phase = (torch.stack((t.cos(), t.sin())).float().contiguous().to(device) for t in angles)
    return rows, columns, phase


def _range(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float64)


def _kernel_order(map_: Tensor) -> Tensor:
    """Columns l < M of a map [N, M] in the order lb, k, la."""
    how = CONFIGURATIONS[map_.shape[0]]
    _, _, CA, CB = how.digits
    return map_.reshape(how.side, CB, CA).permute(1, 0, 2).reshape(-1)


def _places(how: Configuration, device: torch.device) -> Tensor:
    """Where in kernel order the coefficients [N, M] are, row by row."""
    k, m = torch.arange(how.side, device=device).unsqueeze(1), torch.arange(how.side // 2, device=device)
    columns = how.digits[2]
    return ((m // columns * how.side + k) * columns + m % columns).flatten()


@cached
def _bin_tables(index: Tensor, weight: Tensor, n_bins: int) -> BinTables:
    """Tables of the cross kernel. Their sizes depend on the number of bins alone, so that no value is looked at."""
    how = CONFIGURATIONS[index.shape[0]]
    half = how.side // 2
    threads = 32 * how.cross_warps
    bins = _known(index[:, :half], n_bins).flatten().long()
    place, lanes = _places(how, index.device), PHASE_BYTES // torch.float32.itemsize
    sums = _sum_tables(bins.unsqueeze(0), place.unsqueeze(0), n_bins, threads, lanes)
    quarter = weight.float() / 4
    tables = (
        _kernel_order(quarter[:, :half]).contiguous(),
        quarter[:, half].contiguous(),
        *sums.tables,
        _known(index[:, half], n_bins).to(torch.int32).contiguous(),
    )
    return BinTables(tables, sums.constants)


@cached
def _tile_tables(
    index: Tensor, weight: Tensor, n_bins: int, n_tiles: int, tile_points: int, itemsize: int
) -> BinTables:
    """Tables of the kernel that sums tiles, and its constants from SECTOR to PADDED."""
    bins = _known(index, n_bins).flatten().long()
    bins = torch.nn.functional.pad(bins, (0, n_tiles * tile_points - len(bins)), value=_padded(n_bins))
    place = torch.arange(tile_points, device=index.device).expand(n_tiles, -1)
    warps, sector = gpu_plans.warps_of_tiles(tile_points), gpu_plans.sector_points(itemsize)
    sums = _sum_tables(bins.view(n_tiles, -1), place, n_bins, 32 * warps, PHASE_BYTES // itemsize)
    words = max(4 * 32 * warps, 1 << (tile_points + sector - 2).bit_length())
    return BinTables(sums.tables, (sector, words, warps, *sums.constants))


def _sum_tables(bins: Tensor, place: Tensor, n_bins: int, threads: int, lanes: int) -> BinTables:
    """Of the points [tiles, n], tables of chunks, of their sums and of where the bins lie in those; TILES to PADDED.

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
    constants = (tiles[0], POINTS, tiles[1], SUMS, n_bins, padded)
    return BinTables((points.place.to(torch.int16), sums.place.to(torch.int16), first), constants)


class Dealt(NamedTuple):
    """What the threads add up, each for one bin, tile by tile.

    Attributes:
        place: [tiles, chunks, turns], as `gpu_plans.in_turns_without_conflicts` leaves it.
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
    dealt = torch.cat([gpu_plans.in_turns_without_conflicts(some) for some in slots.split(AT_ONCE)])
    return Dealt(dealt.view(n_tiles, n_chunks, turns), first)


def _padded(n_bins: int) -> int:
    return max(32, 1 << (n_bins - 1).bit_length())


def _known(index: Tensor, n_bins: int) -> Tensor:
    """Bins with one more, _padded(n_bins), for coefficients in none."""
    return torch.where((index >= 0) & (index < n_bins), index, _padded(n_bins))


@cached
def _gain_tables(index: Tensor, weight: Tensor, n_bins: int) -> tuple[Tensor, ...]:
    """index, weight of the gains at l and at l + M, [2, N M] in kernel order, and of columns 0 and N/2 at -ky [2, N].

    A coefficient at l + M is the conjugate of the one at (-ky, M - l), columns 0 and M are the means of ky and -ky.
    """
    half = index.shape[0] // 2
    places, weight = gpu_plans.half_plane_gains(index, weight, n_bins, 2 * half)
    factors = torch.where(places >= 0, weight, 0)
    tables = []
    for values, edge in ((places, 1), (factors, 0.5)):
        mirror = torch.roll(values.flip(0), 1, 0)
        low, high = values[:, :half].clone(), mirror.flip(1)[:, :half].clone()
        low[:, 0], high[:, 0] = values[:, 0] * edge, values[:, half] * edge
        edges = torch.stack((mirror[:, 0], mirror[:, half])) * edge
        tables.append((torch.cat((_kernel_order(low), _kernel_order(high))).contiguous(), edges.contiguous()))
    (inner_index, edge_index), (inner_weight, edge_weight) = tables
    return inner_index, inner_weight, edge_index, edge_weight
