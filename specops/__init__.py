"""Spectral operations for generative image models, as torch ops with gradients of any order."""

from specops import backends, functional, geometry, masks, ops
from specops.functional import (
    downsample,
    fourier_ring_correlation,
    frequency_filter,
    frequency_shift,
    frequency_shift_complex,
    hfc,
    hff,
    leakage_ratio,
    normalize_profile,
    power_spectrum,
    radial_cross_spectrum,
    radial_filter,
    radial_spectrum,
    swap_bands,
    upfirdn2d,
    upsample,
)

__version__ = "0.1.0"

__all__ = [
    "backends",
    "downsample",
    "fourier_ring_correlation",
    "frequency_filter",
    "frequency_shift",
    "frequency_shift_complex",
    "functional",
    "geometry",
    "hfc",
    "hff",
    "leakage_ratio",
    "masks",
    "normalize_profile",
    "ops",
    "power_spectrum",
    "radial_cross_spectrum",
    "radial_filter",
    "radial_spectrum",
    "swap_bands",
    "upfirdn2d",
    "upsample",
]
