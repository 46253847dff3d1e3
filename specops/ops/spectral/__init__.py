"""The spectral pair, binned cross spectrum and binned filter, and what is fused with it: scales, clipped band swap."""

from specops.ops.spectral import band_swap, contract, scaled

OLDEST_TRITON = (3, 7)  # Gluon gathers and scatters in shared memory from there on

__all__ = ["OLDEST_TRITON", "band_swap", "contract", "scaled"]
