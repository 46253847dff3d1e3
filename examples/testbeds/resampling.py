"""Resampling by 2: by specops, or in the published arithmetic by torch's own functions where it has them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

import specops

from .arithmetic import is_published


def _bed_of_nails(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    y = x.new_zeros(n, channels, 2 * height, 2 * width)
    y[:, :, ::2, ::2] = x
    return y


def _blur(x: Tensor) -> Tensor:
    """Reflected edges, [1, 3, 1] along both axes in one grouped convolution, mean of 2 × 2."""
    taps = x.new_tensor([1.0, 3.0, 1.0])
    weight = (torch.outer(taps, taps) / 25).expand(x.shape[1], 1, 3, 3)
    padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    return functional.avg_pool2d(functional.conv2d(padded, weight, groups=x.shape[1]), 2)


UPSAMPLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "bilinear": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    "nearest": lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
    "zeros": _bed_of_nails,
    "shuffle": lambda x: functional.pixel_shuffle(x, 2),
}
DOWNSAMPLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "avg": lambda x: functional.avg_pool2d(x, 2),
    "stride": lambda x: x[:, :, ::2, ::2],
    "schwarz_blur": _blur,
}
"""The modes of the published code, in torch."""


def upsample(x: Tensor, mode: str) -> Tensor:
    """`x [n, C, H, W]` → `[n, C', 2H, 2W]` by a mode of `specops.upsample`; C' = C / 4 with pixel shuffle, else C."""
    return UPSAMPLINGS[mode](x) if is_published() and mode in UPSAMPLINGS else specops.upsample(x, 2, mode=mode)


def downsample(x: Tensor, mode: str) -> Tensor:
    """`x [n, C, H, W]` → `[n, C, H/2, W/2]` by a mode of `specops.downsample`."""
    return DOWNSAMPLINGS[mode](x) if is_published() and mode in DOWNSAMPLINGS else specops.downsample(x, 2, mode=mode)
