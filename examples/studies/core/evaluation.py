"""How far generated images are from the real ones: PSNR and the reduced spectrum, band by band."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import specops
from specops.spectra.bands import FloatArray, band_errors, relative_error
from studies.core.data.images import to_8bit


@dataclass(frozen=True)
class Evaluation:
    """Measures of one set of generated images; `errors[band]` is the mean clamped relative error of a band."""

    psnr: float
    spectrum: FloatArray
    errors: dict[str, float]

    @property
    def row(self) -> dict[str, float]:
        """PSNR and errors by column of metrics.csv."""
        return {"psnr": self.psnr, **{f"e_{band}": error for band, error in self.errors.items()}}


def evaluate(fake: Tensor, real: Tensor) -> Evaluation:
    """Compare `fake` with `real`, both `[n, 3, N, N]` in [-1, 1] and paired by index."""
    spectrum = reduced_spectrum(fake)
    errors = band_errors(relative_error(spectrum, reduced_spectrum(real)), real.shape[-1])
    return Evaluation(psnr=mean_psnr(fake, real), spectrum=spectrum, errors=errors)


def reduced_spectrum(images: Tensor) -> FloatArray:
    """Spectral density `[K]` of `images [n, C, N, N]`: mean |DFT|² per radius, channels and images averaged."""
    profiles = specops.radial_spectrum(images.detach(), convention="schwarz2021", scale="power")
    mean: FloatArray = profiles.double().mean(dim=(0, 1)).cpu().numpy()
    return mean


def checkerboard_error(fake: FloatArray, real: FloatArray) -> float:
    """Relative error of the last bin, not clamped: +1 means twice the density of the real image."""
    return float(relative_error(fake[..., -1], real[..., -1]))


def mean_psnr(fake: Tensor, real: Tensor) -> float:
    """Mean over images of the PSNR in dB of 8-bit images, peak 255; infinite where all pixels agree."""
    difference = to_8bit(fake).double() - to_8bit(real).double()
    mse = difference.square().mean(dim=(1, 2, 3))
    return float((10 * torch.log10(255.0**2 / mse)).mean())
