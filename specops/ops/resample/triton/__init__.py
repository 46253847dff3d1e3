"""Resampling in Triton: `tables` of what a tile reads and makes, `plans` of a launch, `kernels`, their `launches`."""

from specops.ops.resample.triton.launches import upfirdn2d, upfirdn2d_filter_correlation, upfirdn2d_transpose

__all__ = ["upfirdn2d", "upfirdn2d_filter_correlation", "upfirdn2d_transpose"]
