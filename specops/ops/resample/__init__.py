"""Resampling: upfirdn2d, its transpose and its derivative in the filter."""

from specops.ops.resample import contract

OLDEST_TRITON = (3, 6)  # the kernels run on

__all__ = ["OLDEST_TRITON", "contract"]
