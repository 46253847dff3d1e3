"""Stateless spectral operations on images [..., H, W].

`hff` and `hfc` fold and clip values outside their `value_range`, as the published code does. To find a mistake in the
scaling of images, `check_value_range(True)`, called or in a `with`, makes such values an error.
"""

from specops.functional._filters import frequency_filter, frequency_shift, frequency_shift_complex, radial_filter
from specops.functional._high_frequency import hfc, hff, swap_bands
from specops.functional._resampling import downsample, upfirdn2d, upsample
from specops.functional._spectra import (
    fourier_ring_correlation,
    leakage_ratio,
    normalize_profile,
    power_spectrum,
    radial_cross_spectrum,
    radial_spectrum,
)
from specops.functional._value_range import check_value_range

__all__ = [
    "check_value_range",
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
