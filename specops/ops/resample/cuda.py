"""Resampling by the CUDA kernels of csrc/resample/cuda; arguments as in `contract`.

The functions do not ask where their tensors lie. What fits no block of a GPU goes to the reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops._layout import memory_format
from specops.ops.registration import guarded, makes_new_memory
from specops.ops.resample import reference
from specops.ops.resample.contract import filter_of, hashable
from specops.ops.resample.plans import launches
from specops.ops.resample.plans.launches import Plan


@makes_new_memory
def upfirdn2d(x: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, gain: float = 1.0) -> Tensor:
    """x [..., H, W], taps [fh, fw] or 1-D -> [..., Ho, Wo]."""
    sampling = up, down, padding, boundary
    taps, gain = _as_launched(taps, gain)
    plan = _plan("upfirdn2d", x, taps.shape, _channels_last(x), sampling)
    if plan is None:
        return guarded(reference.upfirdn2d)(x, taps, *sampling, gain)
    op, arguments = plan
    return cuda_launch.launch(op, x, taps.contiguous(), *arguments, gain)


@makes_new_memory
def upfirdn2d_transpose(
    y: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, size: Any, gain: float = 1.0
) -> Tensor:
    """y [..., Ho, Wo], taps [fh, fw] or 1-D -> [..., H, W] with (H, W) = size."""
    sampling_and_size = up, down, padding, boundary, size
    taps, gain = _as_launched(taps, gain)
    plan = _plan("upfirdn2d_transpose", y, taps.shape, _channels_last(y), sampling_and_size)
    if plan is None:
        return guarded(reference.upfirdn2d_transpose)(y, taps, *sampling_and_size, gain)
    op, arguments = plan
    return cuda_launch.launch(op, y, taps.contiguous(), *arguments, gain)


@makes_new_memory
def upfirdn2d_filter_correlation(x: Tensor, y: Tensor, *sampling_and_taps_size: Any) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> taps [fh, fw] of taps_size; planes are added in the order of the batch."""
    *sampling, taps_size = sampling_and_taps_size
    plan = _plan("upfirdn2d_filter_correlation", x, torch.Size(taps_size), False, tuple(sampling))
    if plan is None:
        return guarded(reference.upfirdn2d_filter_correlation)(x.contiguous(), y.contiguous(), *sampling_and_taps_size)
    op, arguments = plan
    return cuda_launch.launch(op, x, y, *arguments)


def _as_launched(taps: Tensor, gain: float) -> tuple[Tensor, float]:
    """Several taps, 1-D, as they are; others as the filter [fh, fw], times the gain."""
    if taps.dim() == 1 and taps.shape[0] > 1:
        return taps, gain
    return (taps, gain) if gain == 1 and taps.dim() == 2 else (guarded(filter_of)(taps, gain), 1.0)


def _plan(op: str, x: Tensor, taps: torch.Size, channels_last: bool, sampling: tuple[Any, ...]) -> Plan | None:
    try:
        return launches.plan(op, x.shape, taps, x.dtype, x.device, channels_last, sampling)
    except TypeError:  # lists have no hash
        return launches.plan(op, x.shape, taps, x.dtype, x.device, channels_last, hashable(sampling))


def _channels_last(x: Tensor) -> bool:
    """Whether the raw ops read and make images whose channels lie side by side."""
    return not x.is_contiguous() and memory_format(x) == torch.channels_last
