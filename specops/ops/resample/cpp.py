"""Resampling by the compiled library, whose raw ops are told how to sample by one tensor; arguments as in `contract`.

torch takes half a microsecond to hand over a list or a text.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import torch
from torch import Tensor

from specops import _torch
from specops._library import raw_op
from specops.ops.resample.contract import BOUNDARIES, hashable


def upfirdn2d(x: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, gain: float = 1.0) -> Tensor:
    """x [..., H, W], taps [fh, fw] or 1-D -> [..., Ho, Wo]."""
    return raw_op("upfirdn2d")(x, taps, _numbers((up, down, padding, boundary, gain)))


def upfirdn2d_transpose(
    y: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, size: Any, gain: float = 1.0
) -> Tensor:
    """y [..., Ho, Wo], taps [fh, fw] or 1-D -> [..., H, W] with (H, W) = size."""
    return raw_op("upfirdn2d_transpose")(y, taps, _numbers((up, down, padding, boundary, gain, size)))


def upfirdn2d_filter_correlation(
    x: Tensor, y: Tensor, up: Any, down: Any, padding: Any, boundary: str, taps_size: Any
) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> taps [fh, fw] of taps_size."""
    return raw_op("upfirdn2d_filter_correlation")(x, y, _numbers((up, down, padding, boundary, 1.0, taps_size)))


def _numbers(sampling: tuple[Any, ...]) -> Tensor:
    """up, down, padding, the boundary's number, the bits of the gain and a size: int64 [10] or [12]."""
    try:
        return _kept(sampling)
    except TypeError:  # lists have no hash
        return _kept(hashable(sampling))


@functools.lru_cache(256)
def _kept(sampling: tuple[Any, ...]) -> Tensor:
    up, down, padding, boundary, gain, *size = sampling
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be {', '.join(BOUNDARIES[:-1])} or {BOUNDARIES[-1]}; got {boundary}")
    (bits,) = struct.unpack("q", struct.pack("d", gain + 0.0))  # -0.0 is 0.0 to a cache
    numbers = [*up, *down, *padding, BOUNDARIES.index(boundary), bits, *(size[0] if size else ())]
    with torch.inference_mode(False), _torch.outside_jit_trace():
        return torch.tensor(numbers, device="cpu")
