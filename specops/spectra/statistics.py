"""The spectra of a set of images, and how far their mean is from another set's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

import specops
from specops import geometry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ImageSpectra:
    """Spectral densities `[n, K]` of the images of one set, channels averaged, pixels in [-1, 1]."""

    name: str
    profiles: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean over images `[K]`."""
        return self.profiles.mean(axis=0)

    @property
    def factor(self) -> FloatArray:
        """One standard deviation over images as a factor `[K]`: exp of that of the logarithm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.log(self.profiles).std(axis=0)
        return np.exp(np.where(np.isfinite(deviation), deviation, 0.0))


def density(pixels: Tensor) -> FloatArray:
    """Returns the spectral density `[K]` of an image `[C, N, N]`, channels averaged."""
    profile: FloatArray = specops.radial_spectrum(pixels).mean(dim=0).numpy()
    return profile


def relative_error(spectrum: FloatArray, reference: FloatArray) -> FloatArray:
    """Returns S / S_reference − 1 `[..., K]`: 0 where both densities vanish, +inf where only that of the reference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error: FloatArray = np.where(spectrum == reference, 0.0, spectrum / reference - 1.0)
    return error


def band_errors(error: FloatArray, side: int) -> dict[str, float]:
    """Returns the mean over each band of the relative error `[K]` clamped to ±1; NaN for a band without bins.

    Bands are those of `specops.geometry.radial_bands`, none of which has the last bin.
    """
    clamped = np.clip(error, -1.0, 1.0)
    bands = geometry.radial_bands(side)
    return {band: float(clamped[bins].mean()) if clamped[bins].size else np.nan for band, bins in bands.items()}
