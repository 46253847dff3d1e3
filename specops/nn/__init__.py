"""The functions of `specops` as modules, some with learnable parameters, and the spectrum discriminator."""

from specops.nn.filters import FrequencyFilter, FrequencyShift, HighPass, LowPass, RadialFilter
from specops.nn.high_frequency import HFC, HFF
from specops.nn.resampling import BlurPool, Downsample, Upsample
from specops.nn.spectra import RadialSpectrum, SpectrumDiscriminator

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
