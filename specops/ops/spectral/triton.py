"""The spectral ops by Triton kernels.

Square images of 32, 64 or 128 pixels a side are one launch that reads each input once, float64 excepted, and bins up to
twice the side. Everything else is torch.fft with kernels around it, and the reference where there are several maps. All
sums are in a fixed order, without atomics.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops.ops.contract import compute_dtype
from specops.ops.spectral import reference
from specops.ops.spectral import triton_kernels as kernels
from specops.ops.spectral.gpu_plans import cached

CHUNK = 16
BLOCK = 256


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
    """Tables of the cross kernel, in kernel order; `constants` are TILES, CHUNK, K and PADDED."""

    tables: tuple[Tensor, ...]
    constants: tuple[int, ...]


def _on_its_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Triton launches on the current device, which becomes that of the first argument."""

    @functools.wraps(function)
    def guarded(x: Tensor, *args: Any) -> Any:
        with torch.cuda.device_of(x):
            return function(x, *args)

    return guarded


def configuration(x: Tensor) -> Configuration | None:
    """Returns how one launch transforms images like x, or None where torch.fft has to."""
    square = x.shape[-1] == x.shape[-2] and x.dtype != torch.float64
    return CONFIGURATIONS.get(x.shape[-1]) if square else None


@_on_its_device
def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """As specops.ops.binned_cross_spectrum."""
    if index.dim() > 2:
        return reference.binned_cross_spectrum(x, y, index, weight, n_bins)
    out = x.new_empty(*x.shape[:-2], n_bins, dtype=compute_dtype(x.dtype))
    if out.numel() == 0:
        return out
    same = y is x
    images = math.prod(x.shape[:-2])
    how = configuration(x)
    if how is not None and n_bins <= 2 * how.side:
        x = x.contiguous()
        y = x if same else y.contiguous()
        plan = _bin_tables(index, weight, n_bins)
        kernels.binned_cross_kernel[(images,)](
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
    X = _transform(x)
    Y = X if same else _transform(y)
    point, sorted_weight, start = _sorted_points(index, weight, n_bins)
    size = index.numel()
    kernels.bin_sums_kernel[(images * n_bins,)](X, Y, point, sorted_weight, start, out, size, n_bins, same, BLOCK)
    return out


@_on_its_device
def binned_filter(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """As specops.ops.binned_filter."""
    if index.dim() > 2:
        return reference.binned_filter(x, c, index, weight)
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    if x.numel() == 0:
        return out
    how = configuration(x)
    if how is None:
        return _filtered(x, c, index, weight).to(x.dtype)
    c = c.contiguous()
    kernels.binned_filter_kernel[(math.prod(x.shape[:-2]),)](
        x.contiguous(), out, c, *_gain_tables(index, weight, c.shape[-1]), *_circles(how, x.device), _stride(c),
        how.side, *how.digits, how.filter_warps, num_warps=how.filter_warps,
    )  # fmt: skip
    return out


@_on_its_device
def clipped_band_swap(
    a: Tensor, b: Tensor, c: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As specops.ops.clipped_band_swap."""
    if index.dim() > 2:
        return reference.clipped_band_swap(a, b, c, index, weight, low, high, keep)
    swapped = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    slope = torch.empty(a.shape, dtype=torch.int8, device=a.device)
    kept = torch.empty(a.shape if keep else (0,), dtype=a.dtype, device=a.device)
    if a.numel() == 0:
        return swapped, slope, kept
    how, c = configuration(a), c.contiguous()
    limits = (float(low), 2 * float(low), float(high))
    if how is None:
        dtype, b = compute_dtype(a.dtype), b.contiguous()
        filtered = _filtered(a.to(dtype) - b.to(dtype), c, index, weight)
        n = a.numel()
        grid = (-(-n // BLOCK),)
        kernels.clip_kernel[grid](filtered, b, swapped, slope, kept, *limits, n, keep, BLOCK)
        return swapped, slope, kept
    one_value = not any(b.stride())
    kernels.clipped_band_swap_kernel[(math.prod(a.shape[:-2]),)](
        a.contiguous(), b if one_value else b.contiguous(), swapped, slope, kept, c,
        *_gain_tables(index, weight, c.shape[-1]), *_circles(how, a.device), _stride(c), *limits, one_value, keep,
        how.side, *how.digits, how.filter_warps, num_warps=how.filter_warps,
    )  # fmt: skip
    return swapped, slope, kept


def _stride(c: Tensor) -> int:
    return 0 if c.dim() == 1 else c.shape[-1]


def _transform(x: Tensor) -> Tensor:
    """Half-plane DFT [..., H, W//2+1, 2] of x."""
    return torch.view_as_real(torch.fft.rfft2(x.to(compute_dtype(x.dtype)).contiguous())).contiguous()


def _filtered(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """binned_filter by torch.fft, in the compute dtype."""
    X, c = _transform(x), c.contiguous()
    size = (x.shape[-2], x.shape[-1])
    points = index.numel()
    known = torch.where(index < c.shape[-1], index, -1)
    grid = (math.prod(x.shape[:-2]) * -(-points // BLOCK),)
    kernels.scale_spectrum_kernel[grid](X, c, known, _halved(index, weight, x.shape[-1]), points, _stride(c), BLOCK)
    return torch.fft.irfft2(torch.view_as_complex(X), s=size, norm="forward").contiguous()


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
    padded = max(32, 1 << (n_bins - 1).bit_length())
    bins = _known(index[:, :half], n_bins).flatten().long()
    source = torch.argsort(bins, stable=True)
    counts = (bins.unsqueeze(0) == torch.arange(padded, device=index.device).unsqueeze(1)).sum(1)
    chunks = (counts + CHUNK - 1) // CHUNK
    first = torch.nn.functional.pad(chunks.cumsum(0), (1, 0))
    most = bins.numel() // CHUNK + n_bins
    tiles = 1 << (-(-most // threads) - 1).bit_length()
    slots = tiles * threads * CHUNK
    inside = bins[source]
    before = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    rank = torch.arange(bins.numel(), device=index.device) - before[inside]
    # Neighbours on a ring, whose banks seldom meet, go to neighbouring threads: a bin's points are dealt to its chunks.
    dealt_to = torch.nn.functional.pad(chunks, (0, 1), value=1)[inside]
    slot = (first[inside] + rank % dealt_to) * CHUNK + rank // dealt_to
    slot = torch.where(inside < n_bins, slot, slots)  # of no bin: one slot behind the last, cut off
    place = torch.full((slots + 1,), -1, dtype=torch.int16, device=index.device)
    place = place.scatter(0, slot, _places(how, index.device)[source].to(torch.int16))[:-1].contiguous()
    per_bin = max(1, min(threads // padded, 32))
    rounds = (chunks.amax() + per_bin - 1) // per_bin
    quarter = weight.float() / 4
    tables = (
        _kernel_order(quarter[:, :half]).contiguous(),
        quarter[:, half].contiguous(),
        place,
        torch.cat((first, rounds.reshape(1))).to(torch.int32),
        _known(index[:, half], n_bins).to(torch.int32).contiguous(),
    )
    return BinTables(tables, (tiles, CHUNK, n_bins, padded))


def _known(index: Tensor, n_bins: int) -> Tensor:
    """Bins with one more, n_bins rounded up to a power of two, for coefficients in none."""
    return torch.where((index >= 0) & (index < n_bins), index, max(32, 1 << (n_bins - 1).bit_length()))


@cached
def _gain_tables(index: Tensor, weight: Tensor, n_bins: int) -> tuple[Tensor, ...]:
    """index, weight of the gains at l and at l + M, [2, N M] in kernel order, and of columns 0 and N/2 at -ky [2, N].

    A coefficient at l + M is the conjugate of the one at (-ky, M - l), columns 0 and M are the means of ky and -ky.
    """
    half = index.shape[0] // 2
    in_bin = (index >= 0) & (index < n_bins)
    places = torch.where(in_bin, index, -1)
    factors = torch.where(in_bin, _halved(index, weight, 2 * half), 0)
    tables = []
    for values, edge in ((places, 1), (factors, 0.5)):
        mirror = torch.roll(values.flip(0), 1, 0)
        low, high = values[:, :half].clone(), mirror.flip(1)[:, :half].clone()
        low[:, 0], high[:, 0] = values[:, 0] * edge, values[:, half] * edge
        edges = torch.stack((mirror[:, 0], mirror[:, half])) * edge
        tables.append((torch.cat((_kernel_order(low), _kernel_order(high))).contiguous(), edges.contiguous()))
    (inner_index, edge_index), (inner_weight, edge_weight) = tables
    return inner_index, inner_weight, edge_index, edge_weight


@cached
def _halved(index: Tensor, weight: Tensor, width: int) -> Tensor:
    """weight / m, m the multiplicity of a half-plane coefficient of images [H, width]."""
    size = (index.shape[0], width)
    return (weight / reference.multiplicity(size, weight.dtype, weight.device)).contiguous()


@cached
def _sorted_points(index: Tensor, weight: Tensor, n_bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of coefficients and their weights, bin by bin and BLOCK more, and where each bin starts: [K + 1]."""
    bins = torch.where((index >= 0) & (index < n_bins), index, n_bins).flatten().long()
    order = torch.argsort(bins, stable=True)
    counts = torch.zeros(n_bins + 1, dtype=torch.int64, device=index.device).scatter_add(0, bins, torch.ones_like(bins))
    start = torch.nn.functional.pad(counts.cumsum(0), (1, 0))[: n_bins + 1].contiguous()
    order = torch.nn.functional.pad(order, (0, BLOCK))
    return order, weight.flatten()[order].contiguous(), start
