r"""Contract of the clipped band swap: the filter of a difference, with what Li et al. 2021 do to its result.

    u = b + binned_filter(a - b, profile)
    swapped = min(|u - low| + low, high)

The filter is linear, so u has the band of a that the profile lets through and the rest of b, by one transform and one
inverse. HFC swaps a generated with a real image. HFF is the swap with the constant image `low`: `clipped_filter`.
Derivatives are those of the pair, times the slope of the fold and the clip: -1, 0 or 1. A gradient is multiplied by it
on its way into the filter, which `binned_sloped_filter` is for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from specops.ops._checks import check_image, check_pair
from specops.ops._layout import compute_dtype
from specops.ops._reductions import sum_to_shared
from specops.ops.spectral.contract import (
    binned_cross_spectrum,
    binned_filter,
    check_maps,
    check_profile,
    filter_backward,
    filter_fake,
    register_spectral,
)


def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the images with the profile's band of a and the rest of b, folded at `low` and clipped at `high`.

    Args:
        a, b: real images [..., H, W] of one shape, dtype and device; b may be expanded, of which CUDA makes a copy.
        profile, index, weight: as in `binned_filter`.
        low, high: the range of values, low < high.
        keep: whether b, folded and clipped alike, is wanted too.

    Returns:
        (swapped [..., H, W], slope int8 [..., H, W], kept [..., H, W] or [0]): the images in the dtype of a; the slope
        of `swapped` over u, 0 where it is clipped; b folded and clipped, [0] unless `keep`. Gradients to a, b
        and profile.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or the range do not fit.

    Source:
        Li et al. 2021, "Are High-Frequency Components Beneficial for Training of Generative Adversarial Networks".

    Example:
        >>> import torch
        >>> from specops import geometry
        >>> from specops.ops import clipped_band_swap
        >>> index, _, weight = geometry.coefficient_maps(1, 2, torch.float32, torch.device("cpu"))
        >>> a, b = torch.tensor([[0.25, 0.25]]), torch.tensor([[0.5, -0.5]])
        >>> mean_only = torch.tensor([1.0, 0.0])
        >>> swapped, slope, _ = clipped_band_swap(a, b, mean_only, index, weight, -1.0, 1.0, False)
        >>> swapped, slope
        (tensor([[ 0.7500, -0.2500]]), tensor([[1, 1]], dtype=torch.int8))
    """
    check_pair(("a", "b"), a, b, one_dtype=True)
    check_maps(a, index, weight)
    check_profile(a, profile, weight)
    _check_range(low, high)
    return _clipped_band_swap(a, b, profile, index, weight, low, high, keep)


def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Returns `clipped_band_swap` with the constant image `low` as b.

    Args:
        x: real images [..., H, W].
        profile, index, weight: as in `binned_filter`.
        low, high: the range of values, low < high.

    Returns:
        (filtered [..., H, W], slope int8 [..., H, W]): the images in the dtype of x, and the slope of the fold and the
        clip. Gradients to x and profile.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or the range do not fit.

    Source:
        Li et al. 2021, "Are High-Frequency Components Beneficial for Training of Generative Adversarial Networks", HFF.

    Example:
        >>> import torch
        >>> from specops import geometry
        >>> from specops.ops import clipped_filter
        >>> index, _, weight = geometry.coefficient_maps(1, 2, torch.float32, torch.device("cpu"))
        >>> mean_only = torch.tensor([1.0, 0.0])
        >>> clipped_filter(torch.tensor([[2.0, 0.5]]), mean_only, index, weight, -1.0, 1.0)
        (tensor([[1., 1.]]), tensor([[0, 0]], dtype=torch.int8))
    """
    check_image("x", x)
    check_maps(x, index, weight)
    check_profile(x, profile, weight)
    _check_range(low, high)
    return _clipped_filter(x, profile, index, weight, low, high)


def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Returns `binned_filter(x * slope, profile, index, weight)`, on the CPU with no product in memory: [..., H, W].

    Args:
        x: real images [..., H, W].
        profile, index, weight: as in `binned_filter`.
        slope: int8 [..., H, W] of -1, 0 and 1, constant: it has no gradient.

    Returns:
        [..., H, W] in the dtype of x. Gradients to x and profile.

    Raises:
        TypeError, ValueError: shapes, dtypes or devices do not fit.

    Example:
        >>> import torch
        >>> from specops import geometry
        >>> from specops.ops import binned_sloped_filter
        >>> index, _, weight = geometry.coefficient_maps(1, 2, torch.float32, torch.device("cpu"))
        >>> mean_only, slope = torch.tensor([1.0, 0.0]), torch.tensor([[1, -1]], dtype=torch.int8)
        >>> binned_sloped_filter(torch.tensor([[3.0, 1.0]]), mean_only, slope, index, weight)
        tensor([[1., 1.]])
    """
    check_image("x", x)
    check_maps(x, index, weight)
    check_profile(x, profile, weight)
    if not isinstance(slope, Tensor) or slope.layout != torch.strided or slope.dtype != torch.int8:
        raise TypeError(f"slope must be a dense int8 tensor; got {getattr(slope, 'dtype', type(slope).__name__)}.")
    if slope.shape != x.shape or slope.device != x.device:
        got = f"{list(slope.shape)} on {slope.device}"
        raise ValueError(f"slope must be {list(x.shape)} on {x.device} like x; got {got}.")
    return _binned_sloped_filter(x, profile, slope, index, weight)


def _check_range(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low must be below high; got {low} and {high}.")


def _sloped_backward(
    needs: tuple[bool, ...], grad: Tensor, x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    grad_x, grad_profile = filter_backward(needs, grad, x * slope if needs[1] else x, profile, index, weight)
    return None if grad_x is None else grad_x * slope, grad_profile


def _fake(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    kept = a.new_empty(a.shape if keep else (0,))
    return a.new_empty(a.shape), a.new_empty(a.shape, dtype=torch.int8), kept


def _slope_of_kept(b: Tensor, low: float, high: float) -> Tensor:
    """The slope of min(|b - low| + low, high)."""
    folded = torch.maximum(b, 2 * low - b)
    return torch.where(folded <= high, (b - low).sign(), 0)


def _backward(
    needs: tuple[bool, ...], grad: Tensor | None, _: None, grad_kept: Tensor | None, *args: Any
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    a, b, profile, index, weight, low, high, keep, slope = args
    grad_b = None
    if needs[1] and keep and grad_kept is not None:
        grad_b = grad_kept * _slope_of_kept(b, low, high)
    if grad is None:
        return None, grad_b, None
    if not needs[1] and not needs[2]:
        return _binned_sloped_filter(grad, profile, slope, index, weight), None, None
    grad = grad * slope
    grad_a = binned_filter(grad, profile, index, weight) if needs[0] or needs[1] else None
    if needs[1] and grad_a is not None:
        grad_b = grad - grad_a if grad_b is None else grad_b + grad - grad_a
    if not needs[2]:
        return grad_a, grad_b, None
    grad_profile = binned_cross_spectrum(_difference(a, b), grad.to(profile.dtype), index, weight, profile.shape[-1])
    return grad_a, grad_b, sum_to_shared(grad_profile) if profile.dim() == 1 else grad_profile


def _jvp(tangents: tuple[Tensor | None, ...], *args: Any) -> tuple[Tensor, None, Tensor]:
    a, b, profile, index, weight, low, high, keep, slope = args
    tangent_a, tangent_b, tangent_profile = (
        torch.zeros_like(primal) if tangent is None else tangent
        for tangent, primal in zip(tangents[:3], (a, b, profile), strict=True)
    )
    tangent = tangent_b + binned_filter(tangent_a - tangent_b, profile, index, weight)
    if tangents[2] is not None:
        tangent = tangent + binned_filter(_difference(a, b), tangent_profile, index, weight).to(a.dtype)
    kept = tangent_b * _slope_of_kept(b, low, high) if keep else a.new_zeros(0)
    return tangent * slope, None, kept


def _difference(a: Tensor, b: Tensor) -> Tensor:
    dtype = compute_dtype(a.dtype)
    return a.to(dtype) - b.to(dtype)


def _clipped_filter_fake(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape, dtype=torch.int8)


def _clipped_filter_backward(
    needs: tuple[bool, ...], grad: Tensor | None, _: None, *args: Any
) -> tuple[Tensor | None, Tensor | None]:
    x, profile, index, weight, low, _, slope = args
    if grad is None:
        return None, None
    grad_x = _binned_sloped_filter(grad, profile, slope, index, weight) if needs[0] else None
    if not needs[1]:
        return grad_x, None
    grad = (grad * slope).to(profile.dtype)
    return grad_x, filter_backward((False, True), grad, _difference(x, _constant(x, low)), profile, index, weight)[1]


def _constant(x: Tensor, low: float) -> Tensor:
    """The number `low` as images like x have it."""
    return torch.full((), low, dtype=x.dtype, device=x.device)


def _clipped_filter_jvp(tangents: tuple[Tensor | None, ...], *args: Any) -> tuple[Tensor, None]:
    x, profile, index, weight, low, _, slope = args
    tangent = torch.zeros_like(x)
    if tangents[0] is not None:
        tangent = binned_filter(tangents[0], profile, index, weight)
    if tangents[1] is not None:
        tangent = tangent + binned_filter(_difference(x, _constant(x, low)), tangents[1], index, weight).to(x.dtype)
    return tangent * slope, None


_clipped_filter = register_spectral(
    "clipped_filter(Tensor x, Tensor profile, Tensor index, Tensor weight, float low, float high) -> (Tensor, Tensor)",
    clipped_filter,
    fake=_clipped_filter_fake,
    backward=_clipped_filter_backward,
    jvp=_clipped_filter_jvp,
    residual=1,
)
_clipped_band_swap = register_spectral(
    "clipped_band_swap(Tensor a, Tensor b, Tensor profile, Tensor index, Tensor weight, float low, float high,"
    " bool keep) -> (Tensor, Tensor, Tensor)",
    clipped_band_swap,
    fake=_fake,
    backward=_backward,
    jvp=_jvp,
    residual=1,
)
_binned_sloped_filter = register_spectral(
    "binned_sloped_filter(Tensor x, Tensor profile, Tensor slope, Tensor index, Tensor weight) -> Tensor",
    binned_sloped_filter,
    fake=filter_fake,
    backward=_sloped_backward,
)
