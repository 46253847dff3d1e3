"""Filters of images [..., H, W] in the frequency domain, and shifts of their frequencies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from specops import geometry, ops
from specops._tracing import cached_tensors
from specops.functional._options import check_choice, number_pair
from specops.functional._plans import planned
from specops.ops._checks import check_dense_image, check_image, check_pair, check_real, check_real_dtype
from specops.ops._layout import compute_dtype

INTERPOLATIONS = ("nearest", "linear")


def frequency_filter(x: Tensor, mask: Tensor) -> Tensor:
    """Multiplies each Fourier coefficient of the images by a real gain: [..., H, W].

    The result is the real part of the inverse DFT of mask · X.

    Args:
        x: real images [..., H, W].
        mask: gain per coefficient, any float dtype, on the half plane [H, W//2+1] as of `specops.masks`, or on the full
            plane [H, W] in the order of torch.fft. A mask that is not even in the frequency acts through its even part,
            as for torch.fft.irfft2; on the half plane this concerns the columns kx = 0 and W/2.

    Returns:
        [..., H, W] in the dtype of x. Gradients to x and mask of any order.

    Raises:
        TypeError: x or mask is not a dense real floating-point tensor.
        ValueError: a mask of another shape or device.

    Source:
        The convolution theorem; Li et al. 2021 for its use on the input of discriminators.

    Example:
        >>> import torch, specops
        >>> x = torch.tensor([[1.0, 3.0], [1.0, 3.0]])
        >>> specops.frequency_filter(x, specops.masks.lowpass((2, 2), cutoff=0.25))
        tensor([[2., 2.],
                [2., 2.]])
    """
    run, (prepare, *maps) = _filter_plan(x, mask)
    return run.binned_filter(x, (prepare(mask) if prepare else mask).flatten(), *maps)


def radial_filter(x: Tensor, profile: Tensor, *, convention: str = "plain", interpolation: str = "nearest") -> Tensor:
    """Multiplies each Fourier coefficient of the images by the gain of its radius: [..., H, W].

    Args:
        x: real images [..., H, W].
        profile: gain per radial bin, [K] for all images or [..., K] per image, with K of
            `specops.geometry.radial_bins((H, W), convention=convention)`. Any float dtype.
        convention: which bins: see `specops.geometry.radial_bins`.
        interpolation: `"nearest"` takes the gain of the bin, and 0 for a coefficient that the convention drops.
            `"linear"` interpolates in k between the bins' centers; beyond them it takes the first or the last gain.

    Returns:
        [..., H, W] in the dtype of x. Gradients to x and profile of any order.

    Raises:
        TypeError: x or profile is not a dense real floating-point tensor.
        ValueError: a profile of another shape or device, an unknown option.

    Source:
        The adjoint of `radial_spectrum`'s binning.

    Example:
        >>> import torch, specops
        >>> x = torch.randn(4, 4)
        >>> specops.radial_filter(x, torch.ones(3)).allclose(x, atol=1e-5)
        True
    """
    check_image("x", x)
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    H, W = x.shape[-2:]
    dtype = compute_dtype(x.dtype)
    index, weight, n_bins = geometry.radial_gain_maps(H, W, convention, dtype, x.device)
    check_real("profile", profile)
    per_image = profile.dim() > 1 and profile.shape[:-1] == x.shape[:-2]
    if profile.dim() == 0 or profile.shape[-1] != n_bins or not (profile.dim() == 1 or per_image):
        raise ValueError(
            f"profile must be [{n_bins}] or {[*x.shape[:-2], n_bins]} for x {list(x.shape)} and {convention!r}; got "
            f"{list(profile.shape)}. K is specops.geometry.radial_bins(({H}, {W}), convention={convention!r}).n_bins."
        )
    if profile.device != x.device:
        raise ValueError(f"profile must be on {x.device} like x; got {profile.device}.")
    profile = profile.to(dtype)
    if interpolation == "linear":
        return _gained(x, _interpolated(profile, H, W, convention))
    return ops.binned_filter(x, profile, index, weight)


def frequency_shift(x: Tensor, shift: tuple[float, float], *, imag: Tensor | None = None) -> Tensor:
    """Moves the spectrum of the images by a carrier frequency: [..., H, W].

    The result is the real part of (x + i·imag) · exp(2πi (fx·n + fy·m)), n the column and m the row index. With
    imag = None it is x times a cosine; the shift (½, ½) then gives x · (-1)^(m+n).

    Args:
        x: real images [..., H, W].
        shift: (fx, fy) in cycles per pixel.
        imag: imaginary parts [..., H, W], or None for 0. Computed in the promoted dtype of both.

    Returns:
        [..., H, W] in the dtype of x. Gradients to x and imag of any order.

    Raises:
        TypeError, ValueError: x and imag differ in shape or device; shift is not a pair of finite numbers.

    Source:
        Khayatkhoei, Elgammal 2022, "Spatial Frequency Bias in Convolutional Generative Adversarial Networks", frequency
        shifted generators.

    Example:
        >>> import torch, specops
        >>> specops.frequency_shift(torch.ones(2, 2), (0.5, 0.5))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    check_image("x", x)
    if imag is None:
        cosine, _ = _carrier(x, shift)
        return (x.to(cosine.dtype) * cosine).to(x.dtype).contiguous()
    a, b = check_pair(("x", "imag"), x, imag)
    cosine, sine = _carrier(a, shift)
    return (a.to(cosine.dtype) * cosine - b.to(cosine.dtype) * sine).to(x.dtype).contiguous()


def frequency_shift_complex(real: Tensor, imag: Tensor, shift: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Returns real and imaginary part of (real + i·imag) · exp(2πi (fx·n + fy·m)): two [..., H, W].

    Args:
        real, imag: images [..., H, W] of one shape and device; computed in their promoted dtype.
        shift: (fx, fy) in cycles per pixel.

    Returns:
        (real, imag), each in its own dtype. Gradients of any order.

    Raises:
        TypeError, ValueError: as `frequency_shift`.

    Source:
        Khayatkhoei, Elgammal 2022, frequency shifted generators.

    Example:
        >>> import torch, specops
        >>> real, imag = specops.frequency_shift_complex(torch.ones(1, 2), torch.zeros(1, 2), (0.5, 0.0))
        >>> real
        tensor([[ 1., -1.]])
    """
    a, b = check_pair(("real", "imag"), real, imag)
    cosine, sine = _carrier(a, shift)
    a, b = a.to(cosine.dtype), b.to(cosine.dtype)
    shifted = a * cosine - b * sine, a * sine + b * cosine
    return shifted[0].to(real.dtype).contiguous(), shifted[1].to(imag.dtype).contiguous()


@functools.partial(planned, beside="mask")
def _filter_plan(
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    mask_dtype: torch.dtype,
    mask_device: torch.device,
    mask_shape: torch.Size,
) -> tuple[Callable[[Tensor], Tensor] | None, Tensor, Tensor]:
    """What makes the gain of a mask, unless it is one; index and weight."""
    H, W = check_dense_image("x", shape, dtype)
    check_real_dtype("mask", mask_dtype)
    on_half_plane = mask_shape == (H, W // 2 + 1)
    if not on_half_plane and mask_shape != (H, W):  # traced sizes compare, but are "in" nothing
        raise ValueError(
            f"mask must be [{H}, {W // 2 + 1}] or [{H}, {W}] for x {list(shape)}; got {list(mask_shape)}. "
            f"Build it with specops.masks.lowpass(({H}, {W}), ...)."
        )
    if mask_device != device:
        raise ValueError(f"mask must be on {device} like x; got {mask_device}. Move it with mask.to(x.device).")
    wide = compute_dtype(dtype)
    index, _, weight = geometry.coefficient_maps(H, W, wide, device)
    if not on_half_plane:
        return functools.partial(_even_half, dtype=wide), index, weight
    return (functools.partial(Tensor.to, dtype=wide) if mask_dtype != wide else None), index, weight


def _even_half(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The half plane of the even part of a mask [H, W]: [H, W//2+1]."""
    mask = mask.to(dtype)
    return ((mask + mask.roll((-1, -1), (0, 1)).flip(0, 1)) / 2)[:, : mask.shape[1] // 2 + 1]


def _gained(x: Tensor, gain: Tensor) -> Tensor:
    """x [..., H, W] filtered by gain [H·(W//2+1)], or [..., H·(W//2+1)] per image."""
    index, _, weight = geometry.coefficient_maps(x.shape[-2], x.shape[-1], gain.dtype, x.device)
    return ops.binned_filter(x, gain, index, weight)


def _interpolated(profile: Tensor, H: int, W: int, convention: str) -> Tensor:
    """profile [..., K] -> gain [..., H·(W//2+1)], linear in k between the centers of the bins."""
    bins = geometry.radial_bins((H, W), convention=convention, device=profile.device)
    position = (geometry.radii(H, W, profile.device).flatten() - bins.centers[0]).clamp(0, profile.shape[-1] - 1)
    below = position.floor().long().clamp(max=max(profile.shape[-1] - 2, 0))
    above = (below + 1).clamp(max=profile.shape[-1] - 1)
    share = (position - below).to(profile.dtype)
    return profile[..., below] * (1 - share) + profile[..., above] * share


def _carrier(x: Tensor, shift: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2π (fx·n + fy·m): [H, W], rounded once from the widest dtype of the device."""
    fx, fy = number_pair("shift", shift, "(fx, fy) in cycles per pixel")
    wide = geometry.wide_dtype(x.device)
    column_cos, column_sin = _cosine_and_sine(x.shape[-1], fx, wide, x.device)
    row_cos, row_sin = (wave.unsqueeze(1) for wave in _cosine_and_sine(x.shape[-2], fy, wide, x.device))
    dtype = compute_dtype(x.dtype)
    cosine = row_cos * column_cos - row_sin * column_sin
    sine = row_sin * column_cos + row_cos * column_sin
    return cosine.to(dtype), sine.to(dtype)


@cached_tensors
def _cosine_and_sine(length: int, frequency: float, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of 2π·frequency·n: two [length]."""
    n = torch.arange(length, dtype=geometry.wide_dtype(device), device=device)
    angle = 2 * torch.pi * (frequency * n % 1)
    return angle.cos().to(dtype), angle.sin().to(dtype)
