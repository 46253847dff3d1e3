"""The functions of `specops` as modules, some with learnable parameters, and the spectrum discriminator."""

from specops.nn._filters import FrequencyFilter, FrequencyShift, HighPass, LowPass, RadialFilter
from specops.nn._high_frequency import HFC, HFF
from specops.nn._resampling import BlurPool, Downsample, Upsample
from specops.nn._spectra import RadialSpectrum, SpectrumDiscriminator

__all__ = [
    "HFC",
    "HFF",
    "BlurPool",
    "Downsample",
    "FrequencyFilter",
    "FrequencyShift",
    "HighPass",
    "LowPass",
    "RadialFilter",
    "RadialSpectrum",
    "SpectrumDiscriminator",
    "Upsample",
]
