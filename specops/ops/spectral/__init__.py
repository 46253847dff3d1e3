"""The spectral pair: binned cross spectrum and binned filter."""

from specops.ops.spectral.contract import binned_cross_spectrum, binned_filter

__all__ = ["binned_cross_spectrum", "binned_filter"]
