"""The spectral pair in pure torch: what every kernel must equal."""

from __future__ import annotations

import torch
from torch import Tensor

from specops.ops.contract import compute_dtype


def multiplicity(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns how often each half-plane coefficient stands in the full plane, 1 or 2: [1, W//2+1]."""
    kx = torch.arange(size[1] // 2 + 1, device=device)
    alone = (kx == 0) | (2 * kx == size[1])
    return torch.where(alone, 1.0, 2.0).to(dtype).unsqueeze(0)


def _transform(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Half-plane DFT of x; torch.fft rounds differently for other strides, so they are made one."""
    return torch.fft.rfft2(x.to(dtype).contiguous())


def _check_range(index: Tensor, n_bins: int) -> None:
    """On the CPU only: elsewhere a look at the values would wait for the device."""
    if index.device.type == "cpu" and not -1 <= int(index.min()) <= int(index.max()) < n_bins:
        raise ValueError(f"index must be -1 to n_bins - 1 = {n_bins - 1}; got {index.min()} to {index.max()}")


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] -> [..., K]."""
    dtype = compute_dtype(x.dtype)
    if x.numel() == 0:  # torch.fft refuses empty batches
        return x.new_empty(*x.shape[:-2], n_bins, dtype=dtype)
    _check_range(index, n_bins)
    X = _transform(x, dtype)
    Y = X if y is x else _transform(y, dtype)
    terms = torch.where(index < 0, 0, (X.real * Y.real + X.imag * Y.imag) * weight)
    bins = index.clamp(min=0).flatten()
    return terms.new_zeros(*x.shape[:-2], n_bins).index_add(-1, bins, terms.flatten(-2))


def binned_filter(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], c [K] or [..., K], index and weight [H, W//2+1] -> [..., H, W]."""
    if x.numel() == 0:
        return x.new_empty(x.shape)
    dtype = compute_dtype(x.dtype)
    size = (x.shape[-2], x.shape[-1])
    _check_range(index, c.shape[-1])
    per_bin = torch.nn.functional.pad(c, (0, 1))
    gain = per_bin[..., index] * (weight / multiplicity(size, dtype, x.device))
    X = _transform(x, dtype)
    return torch.fft.irfft2(X * gain, s=size, norm="forward").to(x.dtype).contiguous()


def clipped_band_swap(
    a: Tensor, b: Tensor, c: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], c, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    dtype = compute_dtype(a.dtype)
    wide_a, wide_b = a.to(dtype), b.to(dtype)
    u = wide_b + binned_filter(wide_a - wide_b, c, index, weight)
    folded = torch.maximum(u, 2 * low - u)
    slope = torch.where(folded <= high, (u - low).sign(), 0).to(torch.int8)
    kept = torch.maximum(wide_b, 2 * low - wide_b).clamp(max=high) if keep else a.new_empty(0)
    return tuple(t.contiguous() for t in (folded.clamp(max=high).to(a.dtype), slope, kept.to(a.dtype)))  # type: ignore[return-value]
