"""Upsample, FIR filter and downsample in pure torch, with its two other slots: what every kernel must equal.

The filter acts on the zero-inserted and padded image z: a sum over the taps of shifted, strided views of z, so that the
order of the additions is fixed. A single tap acts on x, which is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype, like_layout
from specops.ops._reductions import ordered_sum
from specops.ops.resample.contract import Factors, Pair, along_axes


def source_index(length: int, up: int, before: int, after: int, boundary: str, device: torch.device) -> Tensor:
    """Returns which sample of the input stands at each position of the zero-inserted, extended axis; -1 is a zero.

    Position n in [-before, length·up + after) holds sample n / up of the input as extended by `boundary` where up
    divides n. Reflection repeats with period 2·(length - 1), the edge sample standing once.
    """
    n = torch.arange(-before, length * up + after, device=device)
    source = torch.div(n, up, rounding_mode="floor")
    if boundary == "replicate":
        source = source.clamp(0, length - 1)
    elif boundary == "circular" or length == 1:
        source = source % length
    else:
        period = 2 * (length - 1)
        source = torch.minimum(source % period, period - source % period)
    return torch.where(n % up == 0, source, -1)


def _padded(z: Tensor, x0: int, x1: int, y0: int, y1: int) -> Tensor:
    """z [..., Hz, Wz] padded with zeros, then cropped where negative: a side may lose more than z has."""
    if max(x0, x1, y0, y1) > 0:
        z = torch.nn.functional.pad(z, (max(x0, 0), max(x1, 0), max(y0, 0), max(y1, 0)))
    rows = slice(max(-y0, 0), z.shape[-2] - max(-y1, 0))
    return z[..., rows, max(-x0, 0) : z.shape[-1] - max(-x1, 0)]


def _inserted(x: Tensor, up: Sequence[int], padding: Sequence[int], boundary: str) -> Tensor:
    """x [..., H, W] -> z [..., Hz, Wz], zero-inserted and padded."""
    H, W = x.shape[-2:]
    if boundary == "zeros":
        z = x.new_zeros(*x.shape[:-2], H * up[1], W * up[0])
        z[..., :: up[1], :: up[0]] = x
        return _padded(z, *padding)
    rows = source_index(H, up[1], padding[2], padding[3], boundary, x.device)
    columns = source_index(W, up[0], padding[0], padding[1], boundary, x.device)
    z = x.index_select(-2, rows.clamp(min=0)).index_select(-1, columns.clamp(min=0))
    return torch.where((rows >= 0).unsqueeze(-1) & (columns >= 0), z, 0)


def _inserted_transpose(
    z: Tensor, up: Sequence[int], padding: Sequence[int], boundary: str, size: Sequence[int]
) -> Tensor:
    """z [..., Hz, Wz] -> [..., H, W] with (H, W) = size: the adjoint of `_inserted`."""
    if boundary == "zeros":
        return _padded(z, *(-p for p in padding))[..., :: up[1], :: up[0]]
    rows = source_index(size[0], up[1], padding[2], padding[3], boundary, z.device)
    columns = source_index(size[1], up[0], padding[0], padding[1], boundary, z.device)
    z = z[..., rows >= 0, :][..., columns >= 0]
    folded = z.new_zeros(*z.shape[:-2], size[0], z.shape[-1]).index_add(-2, rows[rows >= 0], z)
    return folded.new_zeros(*z.shape[:-2], *size).index_add(-1, columns[columns >= 0], folded)


def _taps(z: Tensor, taps_size: Sequence[int], down: Sequence[int]) -> Iterator[tuple[int, int, Tensor]]:
    """Yields (i, j, the view of z [..., Hz, Wz] that tap [i, j] of a convolution filter multiplies, [..., Ho, Wo])."""
    rows = (z.shape[-2] - taps_size[0]) // down[1] * down[1] + 1
    columns = (z.shape[-1] - taps_size[1]) // down[0] * down[0] + 1
    for i in range(taps_size[0]):
        for j in range(taps_size[1]):
            top, left = taps_size[0] - 1 - i, taps_size[1] - 1 - j
            yield i, j, z[..., top : top + rows : down[1], left : left + columns : down[0]]


def upfirdn2d(
    x: Tensor,
    taps: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    gain: float = 1.0,
) -> Tensor:
    """x [..., H, W], taps [fh, fw] or 1-D -> [..., Ho, Wo]."""
    y = x.to(compute_dtype(x.dtype))
    for f, factors in _passes(taps, gain, (up, down, padding)):
        y = _resampled(y, f, factors, boundary)
    return like_layout(y.to(x.dtype), x)


def upfirdn2d_transpose(
    y: Tensor,
    taps: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    size: Sequence[int],
    gain: float = 1.0,
) -> Tensor:
    """y [..., Ho, Wo], taps [fh, fw] or 1-D -> [..., H, W] with (H, W) = size."""
    x = y.to(compute_dtype(y.dtype))
    passes = _passes(taps, gain, (up, down, padding))
    sizes = [size] if len(passes) == 1 else [size, (size[0], y.shape[-1])]
    for (f, factors), from_size in zip(reversed(passes), reversed(sizes), strict=True):
        x = _resampled_transpose(x, f, factors, boundary, from_size)
    return like_layout(x.to(y.dtype), y)


def _passes(taps: Tensor, gain: float, factors: Factors) -> list[tuple[Tensor, Factors]]:
    """One pass of a filter [fh, fw], two of 1-D taps."""
    along = taps if gain == 1 else taps * gain
    if taps.dim() == 2:
        return [(along, factors)]
    rows, columns = along_axes(*factors)
    return [(taps.unsqueeze(0), rows), (along.unsqueeze(1), columns)]


def _resampled(x: Tensor, taps: Tensor, factors: Factors, boundary: str) -> Tensor:
    up, down, padding = factors
    z = _inserted(x * taps if taps.numel() == 1 else x, up, padding, boundary)
    if taps.numel() == 1:
        return z[..., :: down[1], :: down[0]]
    (i, j, view), *others = _taps(z, taps.shape, down)
    y = taps[i, j] * view
    for i, j, view in others:
        y.addcmul_(taps[i, j], view)
    return y


def _resampled_transpose(y: Tensor, taps: Tensor, factors: Factors, boundary: str, size: Pair) -> Tensor:
    up, down, padding = factors
    if taps.numel() == 1 and max(down) == 1:
        return _inserted_transpose(y, up, padding, boundary, size) * taps
    z = y.new_zeros(*y.shape[:-2], size[0] * up[1] + sum(padding[2:]), size[1] * up[0] + sum(padding[:2]))
    for i, j, view in _taps(z, taps.shape, down):
        view.addcmul_(taps[i, j], y)
    return _inserted_transpose(z, up, padding, boundary, size)


def upfirdn2d_filter_correlation(
    x: Tensor,
    y: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    taps_size: Sequence[int],
) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> [fh, fw] with (fh, fw) = taps_size."""
    dtype = compute_dtype(x.dtype)
    z, g = _inserted(x.to(dtype), up, padding, boundary), y.to(dtype)
    sums = [ordered_sum((view * g).flatten()) for _, _, view in _taps(z, taps_size, down)]
    return torch.stack(sums).reshape(*taps_size)
