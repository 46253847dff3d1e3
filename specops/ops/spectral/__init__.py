"""The spectral pair, binned cross spectrum and binned filter, and the clipped band swap made of it."""

from specops.ops.spectral.band_swap import clipped_band_swap
from specops.ops.spectral.contract import binned_cross_spectrum, binned_filter

__all__ = ["binned_cross_spectrum", "binned_filter", "clipped_band_swap"]
