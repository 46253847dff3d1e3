"""Resampling of images [..., H, W]."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from specops import ops
from specops.functional import _taps
from specops.functional._filters import frequency_filter
from specops.functional._options import check_choice
from specops.functional._plans import planned, types_in
from specops.functional._sampling import has_kernels, integers, sampling_plan
from specops.ops._checks import check_dense_image, check_image
from specops.ops._layout import compute_dtype, like_layout

UPSAMPLE_MODES = ("zeros", "nearest", "bilinear", "binomial", "sinc", "fourier", "shuffle")
DOWNSAMPLE_MODES = ("stride", "avg", "blur", "schwarz_blur", "binomial", "sinc", "fourier")
MOST_TAPS = 7


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    *,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    boundary: str = "zeros",
) -> Tensor:
    """Inserts zeros into x, pads, filters and decimates it, in that order: [..., Ho, Wo].

    1. Insert up - 1 zeros after each sample along each axis.
    2. Pad (or crop, where negative) the result; samples outside the input come from `boundary`.
    3. Convolve with gain · f, keeping the positions where f lies inside the padded image.
    4. Keep every down-th sample, the first included.

    Args:
        x: real images [..., H, W].
        f: the taps: [fh, fw]; or 1-D, applied along both axes; or None for the single tap 1. They must be finite:
            backends differ in which samples another tap spoils (0 · inf in inserted zeros and in padding).
        up, down: integer factor, or (x, y).
        padding: int, (x, y) or (x0, x1, y0, y1), in samples of the zero-inserted image. A pair is (x, y), as in
            StyleGAN: x on both sides along the width, y along the height. In diffusers and in rosinality's networks a
            pair is (before, after): (p0, p1) there is (p0, p1, p0, p1) here.
        flip_filter: False convolves, True correlates.
        gain: factor on the result.
        boundary: how the input is extended before step 1: `zeros`, `reflect` (edge sample once), `replicate` or
            `circular`.

    Returns:
        [..., Ho, Wo] in the dtype of x, channels_last where x is; Ho = (H·up + y0 + y1 - fh) // down + 1. Gradients to
        x and f of any order.

    Raises:
        TypeError, ValueError: wrong x or f, a factor below 1, an unknown boundary, a filter larger than the padded
            image.

    Source:
        The operation and its argument order are those known from StyleGAN; scipy.signal.upfirdn is its 1-D form.

    Example:
        >>> import torch, specops
        >>> specops.upfirdn2d(torch.ones(1, 3), torch.tensor([[1.0, 1.0]]), up=(2, 1), padding=(1, 0, 0, 0))
        tensor([[1., 1., 1., 1., 1., 1.]])

        Twice the size with four taps, in other codes pad=(2, 1); the pair (2, 1) is (2, 2, 1, 1):

        >>> x, blur = torch.ones(1, 3, 64, 64), torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        >>> specops.upfirdn2d(x, blur, up=2, padding=(2, 1, 2, 1), gain=4).shape
        torch.Size([1, 3, 128, 128])
        >>> specops.upfirdn2d(x, blur, up=2, padding=(2, 1), gain=4).shape
        torch.Size([1, 3, 127, 129])
    """
    if f is None:
        check_image("x", x)
        f = _taps.tap_tensor(_taps.single, 1, 1, compute_dtype(x.dtype), x.device)
    options = up, down, padding, boundary, flip_filter, gain, types_in(up, down, padding)
    run, (converted, sampling) = sampling_plan(x, f, *options)
    return run.upfirdn2d(x, f if converted is None else converted(f), *sampling)


def upsample(x: Tensor, factor: int = 2, *, mode: str) -> Tensor:
    """Enlarges x by an integer factor along both axes: [..., H·factor, W·factor].

    Args:
        x: real images [..., H, W].
        factor: integer >= 1.
        mode: `zeros` ("bed of nails": the value at the top left of each factor × factor cell, zeros elsewhere, gain 1);
            `nearest`; `bilinear` (as F.interpolate with align_corners=False); `binomial` (bed of nails, then
            factor·[1, 4, 6, 4, 1] / 16 along both axes for factor 2, with reflected edges; for others the mean of
            factor pixels four times over, which these taps are); `sinc` (bed of nails, then a Kaiser-windowed sinc of 6
            zero crossings a side, 60 dB, with reflected edges; keeps the pixels it interpolates between); `fourier`
            (zero-padded spectrum: exact for images that are band-limited and periodic; the coefficient at the Nyquist
            frequency of an even side is split between both its signs); `shuffle` (as F.pixel_shuffle: channels
            [..., C·factor², H, W] become pixels [..., C, H·factor, W·factor]). `zeros`, `binomial`, `sinc` and
            `fourier` put the first pixel at the first one, `nearest` and `bilinear` in the middle of its cell.

    Returns:
        The enlarged images in the dtype of x, channels_last where x is. Gradients of any order.

    Raises:
        TypeError: x is not a real floating-point tensor, or factor not an integer.
        ValueError: factor below 1, unknown mode, channels that `shuffle` cannot divide.

    Source:
        The upsampling operations compared by Schwarz et al. 2021, section 4.

    Example:
        >>> import torch, specops
        >>> specops.upsample(torch.ones(1, 2), mode="zeros")
        tensor([[1., 0., 1., 0.],
                [0., 0., 0., 0.]])
    """
    run, plan = _upsample_plan(x, x, factor, mode)
    return plan(x) if callable(plan) else run.upfirdn2d(x, *plan)


Arguments = tuple[Any, ...]  # what `upfirdn2d` of specops.ops takes after the images
Plan = Arguments | Callable[[Tensor], Tensor]  # or a function of them where something else is to be called


@planned
def _upsample_plan(shape: torch.Size, dtype: torch.dtype, device: torch.device, factor: int, mode: str) -> Plan:
    check_dense_image("x", shape, dtype)
    check_choice("mode", mode, UPSAMPLE_MODES)
    factor = _factor(factor)
    if mode == "shuffle":
        return functools.partial(_shuffled, factor=factor)
    if mode == "fourier":
        return functools.partial(_fourier_upsampled, factor=factor)
    if mode in ("nearest", "bilinear") and not has_kernels(device.type):
        return functools.partial(_interpolated, factor=factor, mode=mode)
    filtered = functools.partial(_filtering, dtype, device, up=factor)
    if mode == "zeros":
        return filtered((_taps.single, 1), (0, 0), "zeros")
    if mode == "nearest":
        return filtered((_taps.nearest, factor), (factor - 1, 0), "zeros")
    if mode == "bilinear":
        padding = (3 * factor // 2 - 1, factor // 2) if factor % 2 == 0 else (3 * (factor // 2), factor // 2)
        return filtered((_taps.bilinear, factor), padding, "replicate")
    kind, reach = _low_pass(mode, factor)
    return filtered((kind, factor), (reach, reach), "reflect", gain=factor)


def downsample(x: Tensor, factor: int = 2, *, mode: str, taps: int = 3) -> Tensor:
    """Reduces x by an integer factor along both axes: [..., Ho, Wo].

    Args:
        x: real images [..., H, W].
        factor: integer >= 1.
        mode: `stride` (every factor-th pixel); `avg` (mean of factor × factor pixels, as F.avg_pool2d); `blur`
            (binomial filter of `taps` with reflected edges, then stride: anti-aliased pooling); `schwarz_blur`
            ([1, 3, 1] / 5 along both axes with reflected edges, then `avg`); `binomial` ([1, 4, 6, 4, 1] / 16 along
            both axes for factor 2, for others the mean of factor pixels four times over; reflected edges, then stride);
            `sinc` (a Kaiser-windowed sinc of 6 zero crossings a side, 60 dB, with reflected edges, then stride);
            `fourier` (drops what lies above 1 / (2·factor) cycles per pixel along each axis, then stride: exact for
            images that are band-limited, that frequency included, and periodic).
        taps: of `blur`, 1 to 7.

    Returns:
        [..., Ho, Wo] in the dtype of x, channels_last where x is; Ho = floor(H / factor) for `avg` and
        `schwarz_blur`, as torch's pooling, ceil(H / factor) for the others. Gradients of any order.

    Raises:
        TypeError: x is not a real floating-point tensor, or factor or taps no integer.
        ValueError: factor below 1, taps outside 1 to 7, unknown mode, an image smaller than one cell of the mean.

    Source:
        Zhang 2019, "Making Convolutional Networks Shift-Invariant Again" (`blur`); Schwarz et al. 2021, section 5 (the
        others).

    Example:
        >>> import torch, specops
        >>> specops.downsample(torch.arange(4.0).expand(2, 4), mode="avg")
        tensor([[0.5000, 2.5000]])
    """
    run, plan = _downsample_plan(x, x, factor, mode, taps)
    return plan(x) if callable(plan) else run.upfirdn2d(x, *plan)


@planned
def _downsample_plan(
    shape: torch.Size, dtype: torch.dtype, device: torch.device, factor: int, mode: str, taps: int
) -> Plan:
    check_dense_image("x", shape, dtype)
    check_choice("mode", mode, DOWNSAMPLE_MODES)
    factor = _factor(factor)
    if mode == "fourier":
        return functools.partial(_fourier_downsampled, factor=factor)
    if mode in ("avg", "schwarz_blur") and min(shape[-2:]) < factor:
        raise ValueError(f"{mode} needs images of at least {factor} pixels a side; got shape {list(shape)}.")
    filtered = functools.partial(_filtering, dtype, device, down=factor)
    if mode == "avg":
        if not has_kernels(device.type):
            return functools.partial(_mean, factor=factor)
        return filtered((_taps.mean, factor), (0, 0), "zeros")
    if mode == "schwarz_blur":
        return filtered((_taps.schwarz, factor), (1, 1), "reflect")
    if mode == "stride":
        return filtered((_taps.single, 1), (0, 0), "zeros")
    if mode == "blur":
        return _blur_plan.__wrapped__(shape, dtype, device, taps, factor, "reflect")  # type: ignore[attr-defined]
    kind, reach = _low_pass(mode, factor)
    return filtered((kind, factor), (reach, reach), "reflect")


def blurred(x: Tensor, taps: int, stride: int, boundary: str) -> Tensor:
    """Returns x [..., H, W] after a binomial filter of 1 to 7 taps and a stride."""
    run, plan = _blur_plan(x, x, taps, stride, boundary)
    return run.upfirdn2d(x, *plan)


@planned
def _blur_plan(
    shape: torch.Size, dtype: torch.dtype, device: torch.device, taps: int, stride: int, boundary: str
) -> Arguments:
    taps = check_taps(taps)
    return _filtering(dtype, device, (_taps.binomial, taps), ((taps - 1) // 2, taps // 2), boundary, down=stride)


def _low_pass(mode: str, factor: int) -> tuple[Callable[[int], _taps.Taps], int]:
    """Returns the taps of `binomial` or `sinc`, and how many lie on each side of the middle one."""
    if mode == "binomial":
        return _taps.spline, 2 * (factor - 1)
    return _taps.sinc, _taps.SINC_LOBES * factor - 1 if factor > 1 else 0


def check_taps(taps: int) -> int:
    """Returns `taps`, or raises TypeError or ValueError unless it is an integer from 1 to 7."""
    (taps,) = integers("taps", taps, "an integer") if not isinstance(taps, (tuple, list)) else (0,)
    if not 1 <= taps <= MOST_TAPS:
        raise ValueError(f"taps must be 1 to {MOST_TAPS}; got {taps}.")
    return taps


def _filtering(
    dtype: torch.dtype,
    device: torch.device,
    kernel: tuple[Callable[[int], _taps.Taps], int],
    padding: tuple[int, int],
    boundary: str,
    *,
    up: int = 1,
    down: int = 1,
    gain: int = 1,
) -> Arguments:
    """The plan of `upfirdn2d` with gain · kind(n), `kernel` = (kind, n), and padding (before, after), on both axes."""
    taps = _taps.tap_tensor(*kernel, gain, compute_dtype(dtype), device)
    return taps, (up, up), (down, down), (*padding, *padding), boundary, 1.0


def _nails(x: Tensor, **factor: int) -> Tensor:
    """x with zeros inserted, or every so many of its pixels."""
    plan: Any = _filtering(x.dtype, x.device, (_taps.single, 1), (0, 0), "zeros", **factor)
    return ops.upfirdn2d(x, *plan)


def _shuffled(x: Tensor, factor: int) -> Tensor:
    if x.dim() < 3 or x.shape[-3] % factor**2 != 0:
        raise ValueError(f"shuffle needs x [..., C, H, W] with C divisible by {factor**2}; got shape {list(x.shape)}.")
    return like_layout(F.pixel_shuffle(x, factor), x)


def _interpolated(x: Tensor, factor: int, mode: str) -> Tensor:
    if x.numel() == 0:  # F.interpolate refuses images without channels
        return x.new_empty(*x.shape[:-2], x.shape[-2] * factor, x.shape[-1] * factor)
    planes = x if x.dim() == 4 else x.reshape(-1, 1, *x.shape[-2:])
    align_corners = None if mode == "nearest" else False
    enlarged = F.interpolate(planes, scale_factor=factor, mode=mode, align_corners=align_corners)
    return like_layout(enlarged.reshape(*x.shape[:-2], *enlarged.shape[-2:]), x)


def _mean(x: Tensor, factor: int) -> Tensor:
    if x.numel() == 0:
        return x.new_empty(*x.shape[:-2], x.shape[-2] // factor, x.shape[-1] // factor)
    planes = x if x.dim() == 4 else x.reshape(-1, 1, *x.shape[-2:])
    means = F.avg_pool2d(planes, factor)
    return like_layout(means.reshape(*x.shape[:-2], *means.shape[-2:]), x)


def _fourier_upsampled(x: Tensor, factor: int) -> Tensor:
    nails = _nails(x, up=factor)
    if factor == 1:
        return nails
    gain = _taps.zero_padding_gain(x.shape[-2], x.shape[-1], factor, compute_dtype(x.dtype), x.device)
    return like_layout(frequency_filter(nails, gain), x)


def _fourier_downsampled(x: Tensor, factor: int) -> Tensor:
    gain = _taps.cropping_gain(x.shape[-2], x.shape[-1], factor, compute_dtype(x.dtype), x.device)
    low = frequency_filter(x, gain) if factor > 1 else x
    return like_layout(_nails(low, down=factor), x)


def _factor(factor: int) -> int:
    values = integers("factor", factor, "an integer")
    if len(values) != 1 or isinstance(factor, (tuple, list)):
        raise TypeError(f"factor must be an integer; got {factor!r}.")
    if values[0] < 1:
        raise ValueError(f"factor must be at least 1; got {values[0]}.")
    return values[0]
