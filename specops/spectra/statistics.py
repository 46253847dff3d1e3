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


def band_errors(spectra: ImageSpectra, reference: ImageSpectra, side: int) -> dict[str, float]:
    """Returns the mean over each band of S / S_reference − 1, clamped to ±1; NaN for a band without bins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(spectra.mean == reference.mean, 0.0, spectra.mean / reference.mean - 1)
    parts = {band: np.clip(error, -1, 1)[bins] for band, bins in geometry.radial_bands(side).items()}
    return {band: float(part.mean()) if part.size else np.nan for band, part in parts.items()}
