r"""Contract of the scaled spectra: a function of the power of each coefficient, summed per bin, and its derivative.

With q_p = factor · |X_p|², s(q) = √q (`amplitude`) or ln(q + eps) (`log`), s' its derivative and the maps of the
spectral pair:

    binned_scaled_power(x)[b, k]    = \sum_{p: index_p = k} weight_p s(q_p)
    binned_scaled_filter(x, profile)[b]   = unscaled inverse DFT of  weight_p / m_p  profile[index_p]  s'(q_p)  X_p

The gradient of the first is 2 · factor times the second, so neither needs a half plane in memory. The derivatives of
the second are made of the spectral pair with one bin per coefficient, to any order, by way of half planes.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from specops._half_plane import bin_sums, own_bins, profile_gain
from specops.ops._checks import check_image
from specops.ops._layout import compute_dtype
from specops.ops._reductions import sum_to_shared
from specops.ops.spectral import reference
from specops.ops.spectral.contract import (
    binned_cross_spectrum,
    binned_filter,
    check_maps,
    check_profile,
    filter_fake,
    register_spectral,
)

SCALES = ("amplitude", "log")


def binned_scaled_power(
    x: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: str, factor: float, eps: float
) -> Tensor:
    r"""Returns the weighted sums over each bin of a function of the power: [..., K].

    `out[..., k] = \sum_{p: index_p = k} weight_p s(factor · |X_p|²)`, X the unnormalised DFT.

    Args:
        x: real images [..., H, W].
        index, weight, n_bins: as in `binned_cross_spectrum`.
        scale: s(q): `"amplitude"` √q, `"log"` ln(q + eps).
        factor: > 0, finite.
        eps: >= 0, finite; the amplitude makes no use of it.

    Returns:
        [..., K], float64 for float64 images, else float32. Gradient to x, of any order; the amplitude of a coefficient
        that is 0 has the derivative 0.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or the scale do not fit.

    Example:
        >>> import torch
        >>> from specops.ops import binned_scaled_power
        >>> x = torch.ones(2, 4, 4)
        >>> index = torch.zeros(4, 3, dtype=torch.int32)
        >>> binned_scaled_power(x, index, torch.ones(4, 3), 1, "amplitude", 1.0, 0.0)
        tensor([[16.],
                [16.]])
    """
    check_image("x", x)
    check_maps(x, index, weight)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}.")
    _check_scale(scale, factor, eps)
    return _binned_scaled_power(x, index, weight, n_bins, scale, factor, eps)


def binned_scaled_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: str, factor: float, eps: float
) -> Tensor:
    """Returns the image whose coefficients are those of x times a gain per bin and the scale's slope: [..., H, W].

    `out = inverse DFT, unscaled, of weight_p / m_p · profile[index_p] · s'(factor · |X_p|²) · X_p`: the derivative of
    `binned_scaled_power`, contracted with profile / (2 · factor).

    Args:
        x, profile, index, weight: as in `binned_filter`.
        scale, factor, eps: as in `binned_scaled_power`.

    Returns:
        [..., H, W] in the dtype of x. Gradients to x and profile, of any order.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or the scale do not fit.

    Example:
        >>> import torch
        >>> from specops.ops import binned_scaled_filter
        >>> index = torch.zeros(2, 2, dtype=torch.int32)
        >>> binned_scaled_filter(torch.ones(2, 2), torch.ones(1), index, torch.ones(2, 2), "amplitude", 1.0, 0.0)
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    check_image("x", x)
    check_maps(x, index, weight)
    check_profile(x, profile, weight)
    _check_scale(scale, factor, eps)
    return _binned_scaled_filter(x, profile, index, weight, scale, factor, eps)


def _check_scale(scale: str, factor: float, eps: float) -> None:
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}; got {scale!r}.")
    if not (0 < factor < math.inf and 0 <= eps < math.inf):
        raise ValueError(f"factor must be above 0, eps at least 0, both finite; got {factor} and {eps}.")


def _own_maps(x: Tensor) -> tuple[Tensor, Tensor]:
    return own_bins(x.shape[-2], x.shape[-1], compute_dtype(x.dtype), x.device)


def _half_plane(x: Tensor, y: Tensor) -> Tensor:
    """Re(conj(X) Y) of each coefficient: [..., H, W//2+1]."""
    index, ones = _own_maps(x)
    values = binned_cross_spectrum(x, y, index, ones, index.numel())
    return values.reshape(*values.shape[:-1], *index.shape)


def _with_gain(x: Tensor, gain: Tensor) -> Tensor:
    """Unscaled inverse DFT of gain / m · X, gain [..., H, W//2+1]."""
    return binned_filter(x, gain.reshape(*gain.shape[:-2], gain.shape[-2] * gain.shape[-1]), *_own_maps(x))


def _directional(x: Tensor, direction: Tensor, profile: Tensor, *rest: Any) -> Tensor:
    """The derivative of binned_scaled_filter at x along `direction`; as an operator on directions it is symmetric."""
    index, weight, scale, factor, eps = rest
    q = factor * _half_plane(x, x)
    gain = profile_gain(profile, index, weight)
    bent = 2 * factor * gain * reference.scale_curvature(q, scale, eps) * _half_plane(x, direction)
    return _with_gain(direction, gain * reference.scale_slope(q, scale, eps)) + _with_gain(x, bent)


def _power_fake(x: Tensor, index: Tensor, weight: Tensor, n_bins: int, *_: Any) -> Tensor:
    return x.new_empty((*x.shape[:-2], n_bins), dtype=compute_dtype(x.dtype))


def _power_backward(
    needs: tuple[bool, ...], grad: Tensor, x: Tensor, index: Tensor, weight: Tensor, _: int, *scale: Any
) -> tuple[Tensor | None]:
    return (_binned_scaled_filter(x, 2 * scale[1] * grad, index, weight, *scale) if needs[0] else None,)


def _power_jvp(
    tangents: tuple[Tensor | None, ...], x: Tensor, index: Tensor, weight: Tensor, n_bins: int, *settings: Any
) -> Tensor:
    scale, factor, eps = settings
    tangent = tangents[0]
    assert tangent is not None
    slope = reference.scale_slope(factor * _half_plane(x, x), scale, eps)
    return bin_sums(2 * factor * slope * _half_plane(x, tangent), index, weight, n_bins)


def _filter_backward(
    needs: tuple[bool, ...], grad: Tensor, x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, *settings: Any
) -> tuple[Tensor | None, Tensor | None]:
    scale, factor, eps = settings
    grad_x = _directional(x, grad, profile, index, weight, *settings) if needs[0] else None
    if not needs[1]:
        return grad_x, None
    slope = reference.scale_slope(factor * _half_plane(x, x), scale, eps)
    grad_profile = bin_sums(slope * _half_plane(x, grad), index, weight, profile.shape[-1])
    return grad_x, sum_to_shared(grad_profile) if profile.dim() == 1 else grad_profile


def _filter_jvp(tangents: tuple[Tensor | None, ...], x: Tensor, profile: Tensor, *rest: Any) -> Tensor:
    terms = [] if tangents[0] is None else [_directional(x, tangents[0], profile, *rest)]
    terms += [] if tangents[1] is None else [_binned_scaled_filter(x, tangents[1], *rest)]
    return sum(terms[1:], terms[0])


_binned_scaled_power = register_spectral(
    "binned_scaled_power(Tensor x, Tensor index, Tensor weight, SymInt n_bins, str scale, float factor, float eps)"
    " -> Tensor",
    binned_scaled_power,
    fake=_power_fake,
    backward=_power_backward,
    jvp=_power_jvp,
)
_binned_scaled_filter = register_spectral(
    "binned_scaled_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, str scale, float factor, float eps)"
    " -> Tensor",
    binned_scaled_filter,
    fake=filter_fake,
    backward=_filter_backward,
    jvp=_filter_jvp,
)
