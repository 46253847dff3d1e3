"""The spectral pair in pure torch: what every kernel must equal."""

from __future__ import annotations

import torch
from torch import Tensor

from specops._half_plane import bin_sums, multiplicity, profile_gain
from specops.ops._layout import compute_dtype


def _transform(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Half-plane DFT of x; torch.fft rounds differently for other strides, so they are made one."""
    return torch.fft.rfft2(x.to(dtype).contiguous())


def _check_range(index: Tensor, n_bins: int) -> None:
    """On the CPU only: elsewhere a look at the values would wait for the device."""
    if index.device.type == "cpu" and not -1 <= int(index.min()) <= int(index.max()) < n_bins:
        raise ValueError(f"index must be -1 to n_bins - 1 = {n_bins - 1}; got {index.min()} to {index.max()}")


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., K]."""
    dtype = compute_dtype(x.dtype)
    if x.numel() == 0:  # torch.fft refuses empty batches
        return x.new_empty(*x.shape[:-2], n_bins, dtype=dtype)
    _check_range(index, n_bins)
    X = _transform(x, dtype)
    Y = X if y is x else _transform(y, dtype)
    return bin_sums(X.real * Y.real + X.imag * Y.imag, index, weight, n_bins)


def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], profile [K] or [..., K], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., H, W]."""
    if x.numel() == 0:
        return x.new_empty(x.shape)
    _check_range(index, profile.shape[-1])
    X = _transform(x, compute_dtype(x.dtype))
    return _inverse(X * profile_gain(profile, index, weight), x)


def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x, slope [..., H, W], profile, index and weight as in binned_filter -> [..., H, W]."""
    return binned_filter(x * slope, profile, index, weight)


def binned_scaled_power(
    x: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: str, factor: float, eps: float
) -> Tensor:
    """x [..., H, W], index and weight as in binned_filter -> [..., K]."""
    dtype = compute_dtype(x.dtype)
    if x.numel() == 0:
        return x.new_empty(*x.shape[:-2], n_bins, dtype=dtype)
    _check_range(index, n_bins)
    return bin_sums(scaled(_power(_transform(x, dtype)) * factor, scale, eps), index, weight, n_bins)


def binned_scaled_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: str, factor: float, eps: float
) -> Tensor:
    """x, profile, index and weight as in binned_filter -> [..., H, W]."""
    if x.numel() == 0:
        return x.new_empty(x.shape)
    _check_range(index, profile.shape[-1])
    X = _transform(x, compute_dtype(x.dtype))
    return _inverse(X * (profile_gain(profile, index, weight) * scale_slope(_power(X) * factor, scale, eps)), x)


def scaled(q: Tensor, scale: str, eps: float) -> Tensor:
    """Returns √q or ln(q + eps)."""
    return (q + eps).log() if scale == "log" else q.sqrt()


def scale_slope(q: Tensor, scale: str, eps: float) -> Tensor:
    """Returns the derivative of `scaled`; that of the amplitude is taken as 0 where q is 0."""
    return 1 / (q + eps) if scale == "log" else _power_law(q, 0.5, -0.5)


def scale_curvature(q: Tensor, scale: str, eps: float) -> Tensor:
    """Returns the derivative of `scale_slope`."""
    return -1 / (q + eps).square() if scale == "log" else _power_law(q, -0.25, -1.5)


def _power_law(q: Tensor, times: float, exponent: float) -> Tensor:
    """times · q^exponent, with all its derivatives 0 where q is 0."""
    zero = q == 0
    return torch.where(zero, 0, times * torch.where(zero, 1, q).pow(exponent))


def _power(X: Tensor) -> Tensor:
    return X.real.square() + X.imag.square()


def _inverse(X: Tensor, x: Tensor) -> Tensor:
    """Unscaled inverse DFT of half planes X, each divided by its multiplicity, to images like x."""
    size = (x.shape[-2], x.shape[-1])
    X = _hermitian(X / multiplicity(size, compute_dtype(x.dtype), x.device), size[1])
    return inverse_transform(X, size).to(x.dtype).contiguous()


def _hermitian(X: Tensor, width: int) -> Tensor:
    """Half planes X [..., H, W//2+1], the columns kx = 0 and W/2 replaced, in place, by ½ (X(ky) + conj X(-ky))."""
    columns = X[..., :: width // 2] if width % 2 == 0 else X[..., :1]
    rows = -torch.arange(X.shape[-2], device=X.device) % X.shape[-2]
    mirrored = columns.index_select(-2, rows).conj_physical_()  # a lazy conjugate is lost below a dispatch mode
    columns.add_(mirrored).mul_(0.5)
    return X


def inverse_transform(X: Tensor, size: tuple[int, int]) -> Tensor:
    """Unscaled inverse DFT of half planes to real images.

    Their columns kx = 0 and W/2 must be Hermitian in ky: of others the libraries under torch.fft make different images,
    some by the size of the batch.
    """
    if size[1] == 1:  # cuFFT takes the one column for a half plane itself
        return torch.fft.ifft(X, dim=-2, norm="forward").real.clone(memory_format=torch.contiguous_format)
    return torch.fft.irfft2(X, s=size, norm="forward")


def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], profile, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    dtype = compute_dtype(a.dtype)
    wide_a, wide_b = a.to(dtype), b.to(dtype)
    u = wide_b + binned_filter(wide_a - wide_b, profile, index, weight)
    folded = torch.maximum(u, 2 * low - u)
    slope = torch.where(folded <= high, (u - low).sign(), 0).to(torch.int8)
    kept = torch.maximum(wide_b, 2 * low - wide_b).clamp(max=high) if keep else a.new_empty(0)
    return tuple(t.contiguous() for t in (folded.clamp(max=high).to(a.dtype), slope, kept.to(a.dtype)))  # type: ignore[return-value]


def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """x [..., H, W], profile, index, weight as in binned_filter -> filtered, slope (int8)."""
    constant = torch.full((), low, dtype=x.dtype, device=x.device).expand(x.shape)
    return clipped_band_swap(x, constant, profile, index, weight, low, high, False)[:2]
