"""Resampling by the CUDA kernels of csrc/resample/cuda; arguments as in `contract`.

The functions do not ask where their tensors lie. What fits no block of a GPU goes to the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops._layout import compute_dtype, like_layout, memory_format
from specops.ops.resample import gpu_plans, reference
from specops.ops.resample.gpu_plans import Axis, Plan


def _aligned(x: Tensor) -> Tensor:
    """x in its own memory format without gaps, from an address that vectors can be read from."""
    x = like_layout(x, x)
    return x.clone() if x.data_ptr() % gpu_plans.VECTOR_BYTES else x


def _channels(x: Tensor) -> int:
    """Channels that lie side by side, 1 where rows do."""
    return x.shape[1] if memory_format(x) == torch.channels_last else 1


def _plan(x: Tensor, y_axis: Axis, x_axis: Axis, folded: tuple[Axis, Axis] | None, sums: bool = False) -> Plan | None:
    channels = _channels(x)
    planes = x.shape[:-2].numel() // channels
    return gpu_plans.plan(y_axis, x_axis, folded, planes, channels, x.dtype, x.device, sums)


def _resampled(x: Tensor, f: Tensor, plan: Plan, size: Sequence[int]) -> Tensor:
    out = torch.empty((*x.shape[:-2], *size), dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    factors = torch.empty(1 + f.shape[0] + f.shape[1], dtype=f.dtype, device=f.device)
    folds = (plan.row_folds, plan.column_folds) if plan.op == "upfirdn2d" else ()
    cuda_launch.launch(plan.op, _aligned(x), f.contiguous(), factors, *folds, out, plan.numbers)
    return out


def upfirdn2d(
    x: Tensor, f: Tensor, up: Sequence[int], down: Sequence[int], padding: Sequence[int], boundary: str
) -> Tensor:
    """x [..., H, W], f [fh, fw] -> [..., Ho, Wo]."""
    axes = gpu_plans.axes_of(x.shape[-2:], f.shape, up, down, padding, boundary)
    if x.numel() == 0:
        return x.new_empty((*x.shape[:-2], *(axis.n_out for axis in axes)))
    plan = _plan(x, *axes, None)
    if plan is None:
        return reference.upfirdn2d(x, f, up, down, padding, boundary)
    return _resampled(x, f, plan, [axis.n_out for axis in axes])


def upfirdn2d_transpose(
    y: Tensor,
    f: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    size: Sequence[int],
) -> Tensor:
    """y [..., Ho, Wo], f [fh, fw] -> [..., H, W] with (H, W) = size."""
    axes = gpu_plans.axes_of(size, f.shape, up, down, padding, boundary)
    if y.numel() == 0:
        return y.new_empty((*y.shape[:-2], *size))
    plan = _plan(y, gpu_plans.transposed(axes[0]), gpu_plans.transposed(axes[1]), axes)
    if plan is None:
        return reference.upfirdn2d_transpose(y, f, up, down, padding, boundary, size)
    return _resampled(y, f, plan, size)


def upfirdn2d_filter_correlation(
    x: Tensor,
    y: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    taps: Sequence[int],
) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> [fh, fw] with (fh, fw) = taps; the order of the planes is that of the batch."""
    out = x.new_zeros(tuple(taps), dtype=compute_dtype(x.dtype))
    if x.numel() == 0:
        return out
    x, y = x.contiguous(), y.contiguous()
    axes = gpu_plans.axes_of(x.shape[-2:], taps, up, down, padding, boundary)
    plan = _plan(x, *axes, None, sums=True)
    if plan is None:
        return reference.upfirdn2d_filter_correlation(x, y, up, down, padding, boundary, taps)
    sums = torch.empty(plan.blocks, out.numel(), dtype=torch.float64, device=x.device)
    cuda_launch.launch("upfirdn2d_filter_correlation", _aligned(x), _aligned(y), sums, out, plan.numbers)
    return out
