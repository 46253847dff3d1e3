"""Losses between the spectra of two sets of images, as functions and as modules.

Generated images come first, as the input does in torch's own losses. Every loss is a 0-dimensional tensor, float64
where one of the sets is float64, else float32, with gradients to both sets of any order. It is NaN for an empty batch.
"""

from specops.losses._focal_frequency import FocalFrequencyLoss, focal_frequency_loss
from specops.losses._radial import (
    LogSpectrumMSE,
    SpectralProfileLoss,
    SpectralRegularization,
    log_spectrum_mse,
    spectral_profile_loss,
    spectral_regularization,
    spectral_regularization_detached,
)

__all__ = [
    "FocalFrequencyLoss",
    "LogSpectrumMSE",
    "SpectralProfileLoss",
    "SpectralRegularization",
    "focal_frequency_loss",
    "log_spectrum_mse",
    "spectral_profile_loss",
    "spectral_regularization",
    "spectral_regularization_detached",
]
