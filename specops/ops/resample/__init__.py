"""Resampling: upfirdn2d, its transpose and its derivative in the filter."""

from specops.ops.resample.contract import upfirdn2d, upfirdn2d_filter_correlation, upfirdn2d_transpose

__all__ = ["upfirdn2d", "upfirdn2d_filter_correlation", "upfirdn2d_transpose"]
