"""Resampling: upfirdn2d, its transpose and its derivative in the filter."""

from specops.ops.resample import contract

__all__ = ["contract"]
