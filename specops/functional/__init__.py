"""Stateless spectral operations on images [..., H, W]."""

from specops.functional.filters import frequency_filter, frequency_shift, frequency_shift_complex, radial_filter
from specops.functional.high_frequency import hfc, hff, swap_bands
from specops.functional.resampling import downsample, upfirdn2d, upsample
from specops.functional.spectra import (
    fourier_ring_correlation,
    leakage_ratio,
    normalize_profile,
    power_spectrum,
    radial_cross_spectrum,
    radial_spectrum,
)

__all__ = [
    "downsample",
    "fourier_ring_correlation",
    "frequency_filter",
    "frequency_shift",
    "frequency_shift_complex",
    "hfc",
    "hff",
    "leakage_ratio",
    "normalize_profile",
    "power_spectrum",
    "radial_cross_spectrum",
    "radial_filter",
    "radial_spectrum",
    "swap_bands",
    "upfirdn2d",
    "upsample",
]
