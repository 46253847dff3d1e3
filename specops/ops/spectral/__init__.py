"""The spectral pair, binned cross spectrum and binned filter, and what is fused with it: scales, clipped band swap."""

from specops.ops.spectral.band_swap import binned_sloped_filter, clipped_band_swap
from specops.ops.spectral.contract import binned_cross_spectrum, binned_filter
from specops.ops.spectral.scaled import binned_scaled_filter, binned_scaled_power

__all__ = [
    "binned_cross_spectrum",
    "binned_filter",
    "binned_scaled_filter",
    "binned_scaled_power",
    "binned_sloped_filter",
    "clipped_band_swap",
]
