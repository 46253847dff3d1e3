"""How far generated images are from the real ones: PSNR and the reduced spectrum, band by band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import specops
from specops import geometry
from studies.core.data.images import to_8bit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Measures of one set of generated images; `errors[band]` is the mean clamped relative error of a band."""

    psnr: float
    spectrum: FloatArray
    errors: dict[str, float]


def evaluate(fake: Tensor, real: Tensor) -> Evaluation:
    """Compare `fake` with `real`, both `[n, 3, N, N]` in [-1, 1] and paired by index."""
    spectrum = reduced_spectrum(fake)
    errors = band_errors(relative_error(spectrum, reduced_spectrum(real)), resolution=real.shape[-1])
    return Evaluation(psnr=mean_psnr(fake, real), spectrum=spectrum, errors=errors)


def reduced_spectrum(images: Tensor) -> FloatArray:
    """Spectral density `[K]` of `images [n, C, N, N]`: mean |DFT|² per radius, channels and images averaged."""
    profiles = specops.radial_spectrum(images.detach(), convention="schwarz2021", scale="power")
    mean: FloatArray = profiles.double().mean(dim=(0, 1)).cpu().numpy()
    return mean


def relative_error(fake: FloatArray, real: FloatArray) -> FloatArray:
    """e = S_gen / S_real − 1 `[..., K]`, 0 where both densities vanish and +inf where only the real one does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error: FloatArray = np.where(fake == real, 0.0, fake / real - 1.0)
    return error


def band_errors(error: FloatArray, *, resolution: int) -> dict[str, float]:
    """Mean over each band of the relative error `[K]` clamped to ±1; NaN for a band without bins.

    Bands are those of `specops.geometry.radial_bands`. None has the last bin: see `checkerboard_error`.
    """
    clamped = np.clip(error, -1.0, 1.0)
    bands = geometry.radial_bands(resolution)
    return {band: float(clamped[bins].mean()) if clamped[bins].size else np.nan for band, bins in bands.items()}


def checkerboard_error(fake: FloatArray, real: FloatArray) -> float:
    """Relative error of the last bin, not clamped: +1 means twice the density of the real image."""
    return float(relative_error(fake[..., -1], real[..., -1]))


def mean_psnr(fake: Tensor, real: Tensor) -> float:
    """Mean over images of the PSNR in dB of 8-bit images, peak 255; infinite where all pixels agree."""
    difference = to_8bit(fake).double() - to_8bit(real).double()
    mse = difference.square().mean(dim=(1, 2, 3))
    return float((10 * torch.log10(255.0**2 / mse)).mean())
