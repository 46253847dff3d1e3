"""Resampling by Triton kernels; arguments as in `contract`. What has too many taps for a tile goes to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype, like_layout, memory_format
from specops.ops.resample import reference
from specops.ops.resample.contract import filter_of
from specops.ops.resample.plans.axes import Axis, Images, axes_of
from specops.ops.resample.plans.tilings import power_of_two
from specops.ops.resample.triton import kernels, plans
from specops.ops.triton_launch import FUSED, launch, on_its_device

SUM_BLOCK = 1024  # sums that a program reads at once: two vectors for each of 128 threads


def _plan(x: Tensor, axes: tuple[Axis, Axis], exchanged: bool, by_tap: bool = False) -> tuple[plans.Plan | None, int]:
    """The plan for images x, and how many planes they are."""
    images = Images.of(x)
    planes = images.planes
    few = 1 << max(0, planes.bit_length() - 1)  # few sizes of a batch have a plan of their own
    how = plans.plan(*axes, images._replace(planes=min(few, plans.ENOUGH_PROGRAMS)), exchanged, by_tap)
    return (how if how and planes * how.programs <= plans.MOST_PROGRAMS else None), planes


def _resampled(x: Tensor, taps: Tensor, axes: tuple[Axis, Axis], size: Sequence[int], exchanged: bool) -> Tensor | None:
    """x filtered, or None where it is not for these kernels."""
    out = torch.empty((*x.shape[:-2], *size), dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    if x.numel() == 0:
        return out
    how, planes = _plan(x, axes, exchanged)
    if how is None:
        return None
    fh, fw = taps.shape
    launch(
        kernels.upfirdn2d_kernel, planes * how.programs, like_layout(x, x), out, taps.contiguous(),
        ROUNDOFF=torch.finfo(taps.dtype).eps / 2, FH=fh, FW=fw, PADDED=power_of_two(fh * fw), **how.tables,
        num_warps=how.num_warps, more_warps=True,
    )  # fmt: skip
    return out


@on_its_device
def upfirdn2d(x: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, gain: float = 1.0) -> Tensor:
    """x [..., H, W], taps [fh, fw] or 1-D -> [..., Ho, Wo]."""
    sampling, taps = (up, down, padding, boundary), filter_of(taps, gain)
    axes = axes_of(x.shape[-2:], taps.shape, *sampling)
    out = _resampled(x, taps, axes, [axis.n_out for axis in axes], exchanged=False)
    return reference.upfirdn2d(x, taps, *sampling) if out is None else out


@on_its_device
def upfirdn2d_transpose(
    y: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, size: Any, gain: float = 1.0
) -> Tensor:
    """y [..., Ho, Wo], taps [fh, fw] or 1-D -> [..., H, W] with (H, W) = size."""
    sampling, taps = (up, down, padding, boundary), filter_of(taps, gain)
    axes = axes_of(size, taps.shape, *sampling)
    out = _resampled(y, taps, axes, size, exchanged=True)
    return reference.upfirdn2d_transpose(y, taps, *sampling, size) if out is None else out


@on_its_device
def upfirdn2d_filter_correlation(x: Tensor, y: Tensor, *sampling_and_taps_size: Any) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> taps [fh, fw] of taps_size; planes are added in the order of the batch."""
    *sampling, taps_size = sampling_and_taps_size
    out = x.new_zeros(tuple(taps_size), dtype=compute_dtype(x.dtype))
    if x.numel() == 0:
        return out
    axes = axes_of(x.shape[-2:], taps_size, *sampling)
    x, y = x.contiguous(), y.contiguous()
    # A tap takes a sample at most once: go through the fewer.
    exchanged = sampling[-1] == "zeros" and y.numel() > x.numel()
    how, planes = _plan(x, axes, exchanged, by_tap=True)
    if how is None:
        return reference.upfirdn2d_filter_correlation(x, y, *sampling_and_taps_size)
    programs = planes * how.programs
    sums = torch.empty(out.numel(), programs, dtype=out.dtype, device=x.device)
    pair = (y, x) if exchanged else (x, y)
    kernel = kernels.upfirdn2d_filter_correlation_kernel
    launch(kernel, programs, *pair, sums, **how.tables, num_warps=how.num_warps)
    kernels.sum_programs_kernel[(out.numel(),)](sums, out, programs, SUM_BLOCK, **FUSED)
    return out
