"""The spectral pair, binned cross spectrum and binned filter, and what is fused with it: scales, clipped band swap."""

from specops.ops.spectral import band_swap, contract, scaled

__all__ = ["band_swap", "contract", "scaled"]
