"""The ops of specops as contracts: schema, checks, fake, gradients; kernels only replace their reference."""

from specops.ops.resample import upfirdn2d, upfirdn2d_filter_correlation, upfirdn2d_transpose
from specops.ops.spectral import (
    binned_cross_spectrum,
    binned_filter,
    binned_scaled_filter,
    binned_scaled_power,
    binned_sloped_filter,
    clipped_band_swap,
)

__all__ = [
    "binned_cross_spectrum",
    "binned_filter",
    "binned_scaled_filter",
    "binned_scaled_power",
    "binned_sloped_filter",
    "clipped_band_swap",
    "upfirdn2d",
    "upfirdn2d_filter_correlation",
    "upfirdn2d_transpose",
]
