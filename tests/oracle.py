"""The ops once more in NumPy's long double, from their definitions and with none of the package's code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
import torch
from torch import Tensor

Array = np.ndarray
PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def exact(t: Tensor) -> Array:
    return t.detach().double().cpu().numpy().astype(np.longdouble)


def half_plane(x: Tensor) -> Array:
    """[..., H, W//2+1, 2], real and imaginary parts."""
    X = scipy.fft.rfft2(exact(x))
    return np.stack((X.real, X.imag), -1)


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Array:
    X, Y = (scipy.fft.rfft2(exact(image)) for image in (x, y))
    return sums_of(X.real * Y.real + X.imag * Y.imag, index, weight, n_bins)


def sums_of(values: Array, index: Tensor, weight: Tensor, n_bins: int) -> Array:
    """values [..., H, W//2+1] -> [..., K], over one map or several."""
    terms = values[..., None, :, :] * _maps(exact(weight))
    sums = np.zeros((n_bins + 1, int(np.prod(values.shape[:-2]))), np.longdouble)  # the last row: in no bin
    np.add.at(sums, index.cpu().numpy().ravel(), terms.reshape(-1, index.numel()).T)
    return sums[:-1].T.reshape(*values.shape[:-2], n_bins)


def _maps(m: Array | Tensor) -> Array:
    return np.asarray(m).reshape(-1, *m.shape[-2:])


def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Array:
    """Through the full plane: a conjugate pair shares the gains of its half-plane entries."""
    return _filtered(exact(x), _gain(profile, index, weight))


def _gain(profile: Tensor, index: Tensor, weight: Tensor) -> Array:
    """Of each coefficient, of all maps: [..., H, W//2+1]."""
    maps = _maps(index.cpu().numpy())
    return (np.where(maps >= 0, exact(profile)[..., maps], 0) * _maps(exact(weight))).sum(-3)


def _filtered(x: Array, gain: Array) -> Array:
    H, W = x.shape[-2:]
    full = np.zeros((*gain.shape[:-1], W), np.longdouble)
    mirrored_rows = -np.arange(H) % H
    for kx in range(W // 2 + 1):
        share = gain[..., kx] / 2  # half to (ky, kx), half to its conjugate (-ky, -kx)
        full[..., kx] += share
        full[..., -kx % W] += share[..., mirrored_rows]
    return scipy.fft.ifft2(scipy.fft.fft2(x) * full, norm="forward").real


def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Array:
    return _filtered(exact(x) * exact(slope), _gain(profile, index, weight))


def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Array, Array, Array]:
    """The slope is NaN where rounding decides."""
    u = exact(b) + _filtered(exact(a) - exact(b), _gain(profile, index, weight))
    folded = np.abs(u - low) + low
    slope = np.where(folded <= high, np.sign(u - low), 0)
    turning = np.minimum(np.abs(u - low), np.abs(folded - high)) < 1e-4
    kept = np.minimum(np.abs(exact(b) - low) + low, high) if keep else np.zeros(0)
    return np.minimum(folded, high), np.where(turning, np.nan, slope), kept


def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Array, Array]:
    constant = torch.tensor(low, dtype=x.dtype)
    return clipped_band_swap(x, constant, profile, index, weight, low, high, False)[:2]


def _scale(q: Array, scale: str, eps: float) -> Array:
    return np.sqrt(q) if scale == "amplitude" else np.log(q + eps)


def _scale_slope(q: Array, scale: str, eps: float) -> Array:
    return 1 / (2 * np.sqrt(q)) if scale == "amplitude" else 1 / (q + eps)


def binned_scaled_power(
    x: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: str, factor: float, eps: float
) -> Array:
    q = factor * np.abs(scipy.fft.rfft2(exact(x))) ** 2
    return sums_of(_scale(q, scale, eps), index, weight, n_bins)


def binned_scaled_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: str, factor: float, eps: float
) -> Array:
    q = factor * np.abs(scipy.fft.rfft2(exact(x))) ** 2
    return _filtered(exact(x), _gain(profile, index, weight) * _scale_slope(q, scale, eps))


Pair = Sequence[int]


def _resampled(x: Array, taps: Array, up: Pair, down: Pair, padding: Sequence[int], boundary: str) -> Array:
    """x [N, H, W], taps [fh, fw] -> [N, Ho, Wo]."""
    x0, x1, y0, y1 = padding
    far = max(abs(p) for p in padding) + 1  # samples of extension on each side: enough whatever the factor
    if boundary == "zeros":
        extended = np.pad(x, ((0, 0), (far, far), (far, far)))
    else:
        extended = np.pad(x, ((0, 0), (far, far), (far, far)), mode=PAD_MODES[boundary])
    inserted = np.zeros((len(x), extended.shape[1] * up[1], extended.shape[2] * up[0]), x.dtype)
    inserted[:, :: up[1], :: up[0]] = extended
    H, W = x.shape[1:]
    rows = slice(far * up[1] - y0, (far + H) * up[1] + y1)
    columns = slice(far * up[0] - x0, (far + W) * up[0] + x1)
    windows = np.lib.stride_tricks.sliding_window_view(inserted[:, rows, columns], taps.shape, axis=(1, 2))
    return np.einsum("nhwij,ij->nhw", windows[:, :: down[1], :: down[0]], taps[::-1, ::-1])


def _filter(taps: Tensor, gain: float) -> Array:
    exact_taps = exact(taps)
    return gain * (np.outer(exact_taps, exact_taps) if taps.dim() == 1 else exact_taps)


def upfirdn2d(
    x: Tensor, taps: Tensor, up: Pair, down: Pair, padding: Sequence[int], boundary: str, gain: float = 1
) -> Array:
    planes = exact(x).reshape(-1, *x.shape[-2:])
    out = _resampled(planes, _filter(taps, gain), up, down, padding, boundary)
    return out.reshape(*x.shape[:-2], *out.shape[1:])


def upfirdn2d_transpose(
    y: Tensor, taps: Tensor, up: Pair, down: Pair, padding: Sequence[int], boundary: str, size: Pair, gain: float = 1
) -> Array:
    """Inner products of y with the images of all unit impulses."""
    H, W = size
    impulses = np.eye(H * W, dtype=np.longdouble).reshape(-1, H, W)
    responses = _resampled(impulses, _filter(taps, gain), up, down, padding, boundary)
    return np.tensordot(exact(y), responses, ([-2, -1], [1, 2])).reshape(*y.shape[:-2], H, W)


def upfirdn2d_filter_correlation(x: Tensor, y: Tensor, *sampling_and_taps_size: object) -> Array:
    """Inner products of y with x filtered by all unit impulses."""
    *sampling, taps_size = sampling_and_taps_size
    planes, out = exact(x).reshape(-1, *x.shape[-2:]), exact(y).reshape(-1, *y.shape[-2:])
    impulses = np.eye(taps_size[0] * taps_size[1], dtype=np.longdouble).reshape(-1, *taps_size)
    products = [(_resampled(planes, taps, *sampling) * out).sum() for taps in impulses]
    return np.reshape(products, taps_size)
