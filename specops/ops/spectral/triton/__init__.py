"""The spectral ops in Triton.

`kernels`: one launch, with the `transform` of an image in Gluon. `around_fft_kernels`: what surrounds torch.fft.
`tables`: what they read beside pixels. `launches`: the ops.
"""

from specops.ops.spectral.triton.launches import (
    binned_cross_spectrum,
    binned_filter,
    binned_scaled_filter,
    binned_scaled_power,
    binned_sloped_filter,
    clipped_band_swap,
    clipped_filter,
)

__all__ = [
    "binned_cross_spectrum",
    "binned_filter",
    "binned_scaled_filter",
    "binned_scaled_power",
    "binned_sloped_filter",
    "clipped_band_swap",
    "clipped_filter",
]
