"""Relative errors of radial spectra, and their means over bands of frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from specops import geometry

FloatArray = NDArray[np.float64]


def relative_error(spectrum: FloatArray, reference: FloatArray) -> FloatArray:
    """Returns S / S_reference − 1 `[..., K]`: 0 where both densities vanish, +inf where only that of the reference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error: FloatArray = np.where(spectrum == reference, 0.0, spectrum / reference - 1.0)
    return error


def band_errors(error: FloatArray, size: geometry.Size, convention: str = "schwarz2021") -> dict[str, float]:
    """Returns the mean over each band of the relative error `[K]` clamped to ±1; NaN for a band without bins.

    Bands are those of `specops.geometry.radial_bands`, none of which has the last bin.
    """
    clamped = np.clip(error, -1.0, 1.0)
    bands = geometry.radial_bands(size, convention=convention)
    return {band: float(clamped[bins].mean()) if clamped[bins].size else np.nan for band, bins in bands.items()}
