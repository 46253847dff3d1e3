"""Resampling of images [..., H, W]."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from specops import ops
from specops.functional.options import check_choice
from specops.ops.contract import check_image, compute_dtype, like_layout

UPSAMPLE_MODES = ("zeros", "nearest", "bilinear", "shuffle")


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
    """Returns x after zero insertion, padding, FIR filtering and decimation, in that order: [..., Ho, Wo].

    1. Insert up - 1 zeros after each sample along each axis.
    2. Pad (or crop, where negative) the result; samples outside the input come from `boundary`.
    3. Convolve with gain · f, keeping the positions where f lies inside the padded image.
    4. Keep every down-th sample, the first included.

    Args:
        x: real images [..., H, W].
        f: [fh, fw]; or 1-D, applied along both axes; or None for the single tap 1. Gradient.
        up, down: integer factor, or (x, y).
        padding: int, (x, y) or (x0, x1, y0, y1), in samples of the zero-inserted image.
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
    """
    check_image("x", x)
    dtype = compute_dtype(x.dtype)
    up, down, padding = _pair("up", up), _pair("down", down), _four("padding", padding)
    if f is None:
        f = x.new_ones(1, 1, dtype=dtype)
    if not isinstance(f, Tensor) or not f.is_floating_point():
        raise TypeError(f"f must be None or a real floating-point tensor; got {getattr(f, 'dtype', type(f).__name__)}.")
    if f.dim() not in (1, 2):
        raise ValueError(f"f must be [fh, fw] or 1-D; got {list(f.shape)}.")
    if isinstance(gain, bool) or not isinstance(gain, numbers.Real):
        raise TypeError(f"gain must be a number; got {gain!r}.")
    f = f.to(dtype)
    if flip_filter:
        f = f.flip(tuple(range(f.dim())))
    if f.dim() == 2:
        return ops.upfirdn2d(x, f * gain if gain != 1 else f, up, down, padding, boundary)
    across = ops.upfirdn2d(x.to(dtype), f.unsqueeze(0), (up[0], 1), (down[0], 1), (*padding[:2], 0, 0), boundary)
    along = (f * gain).unsqueeze(1)
    return ops.upfirdn2d(across, along, (1, up[1]), (1, down[1]), (0, 0, *padding[2:]), boundary).to(x.dtype)


def upsample(x: Tensor, factor: int = 2, *, mode: str) -> Tensor:
    """Returns x enlarged by an integer factor along both axes: [..., H·factor, W·factor].

    Args:
        x: real images [..., H, W].
        factor: integer >= 1.
        mode: `zeros` ("bed of nails": the value at the top left of each factor × factor cell, zeros elsewhere, gain 1);
            `nearest`; `bilinear` (as F.interpolate with align_corners=False); `shuffle` (as F.pixel_shuffle: channels
            [..., C·factor², H, W] become pixels [..., C, H·factor, W·factor]).

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
    check_image("x", x)
    check_choice("mode", mode, UPSAMPLE_MODES)
    (factor,) = _integers("factor", factor, "an integer") if not isinstance(factor, (tuple, list)) else (0,)
    if factor < 1:
        raise ValueError(f"factor must be at least 1; got {factor}.")
    if mode == "zeros":
        return upfirdn2d(x, None, up=factor)
    if mode == "shuffle":
        if x.dim() < 3 or x.shape[-3] % factor**2 != 0:
            raise ValueError(
                f"shuffle needs x [..., C, H, W] with C divisible by {factor**2}; got shape {list(x.shape)}."
            )
        return like_layout(F.pixel_shuffle(x, factor), x)
    if x.numel() == 0:  # F.interpolate refuses images without channels
        return x.new_empty(*x.shape[:-2], x.shape[-2] * factor, x.shape[-1] * factor)
    planes = x if x.dim() == 4 else x.reshape(-1, 1, *x.shape[-2:])
    align_corners = None if mode == "nearest" else False
    enlarged = F.interpolate(planes, scale_factor=factor, mode=mode, align_corners=align_corners)
    return like_layout(enlarged.reshape(*x.shape[:-2], *enlarged.shape[-2:]), x)


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    parts = _integers(name, value, "an integer or (x, y)")
    if len(parts) not in (1, 2):
        raise ValueError(f"{name} must be an integer or (x, y); got {value!r}.")
    return parts[0], parts[-1]


def _four(name: str, value: int | Sequence[int]) -> tuple[int, int, int, int]:
    parts = _integers(name, value, "an integer, (x, y) or (x0, x1, y0, y1)")
    if len(parts) == 4:
        return parts[0], parts[1], parts[2], parts[3]
    if len(parts) not in (1, 2):
        raise ValueError(f"{name} must be an integer, (x, y) or (x0, x1, y0, y1); got {value!r}.")
    return parts[0], parts[0], parts[-1], parts[-1]


def _integers(name: str, value: int | Sequence[int], expected: str) -> list[int]:
    """Returns the integers of a number or sequence, or raises TypeError; NumPy's count, bools do not."""
    parts: list[Any] = list(value) if isinstance(value, (tuple, list)) else [value]
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (numbers.Integral, torch.SymInt)):
            raise TypeError(f"{name} must be {expected}; got {value!r}.")
    return [part if isinstance(part, torch.SymInt) else int(part) for part in parts]  # type: ignore[misc]
