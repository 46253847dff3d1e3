"""Upsample, FIR filter and downsample in pure torch, with its two other slots: what every kernel must equal.

The zero-inserted and padded image z is a gather from x along each axis; the filter is a sum over its taps of shifted,
strided views of z, so the order of the additions is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from specops.ops.contract import compute_dtype, like_layout, ordered_sum


def source_index(length: int, up: int, before: int, after: int, boundary: str, device: torch.device) -> Tensor:
    """Returns which sample of the input stands at each position of the zero-inserted, padded axis; -1 is a zero.

    Position n in [-before, length·up + after) holds sample n / up of the input as extended by `boundary` where up
    divides n. Reflection repeats with period 2·(length - 1), the edge sample standing once.
    """
    n = torch.arange(-before, length * up + after, device=device)
    source = torch.div(n, up, rounding_mode="floor")
    inside = n % up == 0
    if boundary == "zeros":
        inside &= (source >= 0) & (source < length)
    elif boundary == "replicate":
        source = source.clamp(0, length - 1)
    elif boundary == "circular":
        source = source % length
    else:
        period = max(2 * (length - 1), 1)
        source = torch.minimum(source % period, period - source % period) if length > 1 else source * 0
    return torch.where(inside, source, -1)


def _axes(
    size: Sequence[int], up: Sequence[int], padding: Sequence[int], boundary: str, device: torch.device
) -> tuple[Tensor, Tensor]:
    rows = source_index(size[0], up[1], padding[2], padding[3], boundary, device)
    columns = source_index(size[1], up[0], padding[0], padding[1], boundary, device)
    return rows, columns


def _inserted(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """x [..., H, W] -> z [..., Hz, Wz]."""
    z = x.index_select(-2, rows.clamp(min=0)).index_select(-1, columns.clamp(min=0))
    return torch.where((rows >= 0).unsqueeze(-1) & (columns >= 0), z, 0)


def _taps(z: Tensor, taps: Sequence[int], down: Sequence[int]) -> Iterator[tuple[int, int, Tensor]]:
    """Yields (i, j, the view of z [..., Hz, Wz] that tap [i, j] of a convolution filter multiplies, [..., Ho, Wo])."""
    rows = (z.shape[-2] - taps[0]) // down[1] * down[1] + 1
    columns = (z.shape[-1] - taps[1]) // down[0] * down[0] + 1
    for i in range(taps[0]):
        for j in range(taps[1]):
            top, left = taps[0] - 1 - i, taps[1] - 1 - j
            yield i, j, z[..., top : top + rows : down[1], left : left + columns : down[0]]


def upfirdn2d(
    x: Tensor, f: Tensor, up: Sequence[int], down: Sequence[int], padding: Sequence[int], boundary: str
) -> Tensor:
    """x [..., H, W], f [fh, fw] -> [..., Ho, Wo]."""
    rows, columns = _axes(x.shape[-2:], up, padding, boundary, x.device)
    z = _inserted(x.to(compute_dtype(x.dtype)), rows, columns)
    y = sum(f[i, j] * view for i, j, view in _taps(z, f.shape, down))
    assert isinstance(y, Tensor)
    return like_layout(y.to(x.dtype), x)


def upfirdn2d_transpose(
    y: Tensor,
    f: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    size: Sequence[int],
) -> Tensor:
    """y [..., Ho, Wo], f [fh, fw] -> [..., H, W] with (H, W) = size."""
    rows, columns = _axes(size, up, padding, boundary, y.device)
    g = y.to(compute_dtype(y.dtype))
    z = g.new_zeros(*y.shape[:-2], len(rows), len(columns))
    for i, j, view in _taps(z, f.shape, down):
        view += f[i, j] * g
    kept_rows, kept_columns = rows >= 0, columns >= 0
    z = z[..., kept_rows, :][..., kept_columns]
    folded = z.new_zeros(*z.shape[:-2], size[0], z.shape[-1]).index_add(-2, rows[kept_rows], z)
    x = folded.new_zeros(*z.shape[:-2], *size).index_add(-1, columns[kept_columns], folded)
    return like_layout(x.to(y.dtype), y)


def upfirdn2d_filter_correlation(
    x: Tensor,
    y: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    taps: Sequence[int],
) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> [fh, fw] with (fh, fw) = taps."""
    rows, columns = _axes(x.shape[-2:], up, padding, boundary, x.device)
    dtype = compute_dtype(x.dtype)
    z, g = _inserted(x.to(dtype), rows, columns), y.to(dtype)
    sums = [ordered_sum((view * g).flatten()) for _, _, view in _taps(z, taps, down)]
    return torch.stack(sums).reshape(*taps)
