"""Resampling by the CUDA kernels of csrc/resample/cuda; arguments as in `contract`.

The functions do not ask where their tensors lie. What fits no block of a GPU goes to the reference.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from specops.ops import cuda_launch
from specops.ops._layout import compute_dtype, like_layout
from specops.ops.resample import reference
from specops.ops.resample.plans import launches
from specops.ops.resample.plans.axes import Images, axes_of, transposed
from specops.ops.resample.plans.launches import Plan
from specops.ops.resample.plans.tilings import VECTOR_BYTES


def _aligned(x: Tensor) -> Tensor:
    """x in its own memory format without gaps, from an address that vectors can be read from."""
    x = like_layout(x, x)
    return x.clone() if x.data_ptr() % VECTOR_BYTES else x


def _resampled(x: Tensor, taps: Tensor, plan: Plan) -> Tensor:
    return cuda_launch.launch(plan.op, _aligned(x), taps.contiguous(), *plan.arguments)


def upfirdn2d(x: Tensor, taps: Tensor, *sampling: Any) -> Tensor:
    """x [..., H, W], taps [fh, fw] -> [..., Ho, Wo]."""
    axes = axes_of(x.shape[-2:], taps.shape, *sampling)
    if x.numel() == 0:
        return x.new_empty((*x.shape[:-2], *(axis.n_out for axis in axes)))
    plan = launches.plan(*axes, Images.of(x))
    if plan is None:
        return reference.upfirdn2d(x, taps, *sampling)
    return _resampled(x, taps, plan)


def upfirdn2d_transpose(y: Tensor, taps: Tensor, *sampling_and_size: Any) -> Tensor:
    """y [..., Ho, Wo], taps [fh, fw] -> [..., H, W] with (H, W) = size."""
    *sampling, size = sampling_and_size
    axes = axes_of(size, taps.shape, *sampling)
    if y.numel() == 0:
        return y.new_empty((*y.shape[:-2], *size))
    plan = launches.plan(transposed(axes[0]), transposed(axes[1]), Images.of(y), folded=axes)
    if plan is None:
        return reference.upfirdn2d_transpose(y, taps, *sampling_and_size)
    return _resampled(y, taps, plan)


def upfirdn2d_filter_correlation(x: Tensor, y: Tensor, *sampling_and_taps_size: Any) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> taps [fh, fw] of taps_size; planes are added in the order of the batch."""
    *sampling, taps_size = sampling_and_taps_size
    if x.numel() == 0:
        return x.new_zeros(tuple(taps_size), dtype=compute_dtype(x.dtype))
    x, y = x.contiguous(), y.contiguous()
    axes = axes_of(x.shape[-2:], taps_size, *sampling)
    plan = launches.plan(*axes, Images.of(x), sums=True)
    if plan is None:
        return reference.upfirdn2d_filter_correlation(x, y, *sampling_and_taps_size)
    structs = plan.arguments[-2:]
    return cuda_launch.launch("upfirdn2d_filter_correlation", _aligned(x), _aligned(y), *structs)
