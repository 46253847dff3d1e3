"""How far generated planar cosines are from the true ones: leakage of power, densities of amplitude and phase."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

import specops

from .waves import AMPLITUDE, PHASE, Frequency, Law, PlanarCosines

HIGHPASS_WIDTHS = (8, 4, 8 / 3, 2, 8 / 5, 4 / 3, 8 / 7, 1)
"""Standard deviations in pixels of the Gaussians taken away; their cutoffs are 1/(2π·width) cycles per pixel."""
_AMPLITUDE_BINS, _PHASE_BINS = 20, 24


@dataclass(frozen=True)
class Density:
    """A histogram beside its law: shares `found [B]` and probabilities `true [B]` of the bins between `edges [B+1]`."""

    edges: Tensor
    found: Tensor
    true: Tensor

    @property
    def total_variation(self) -> float:
        """½·Σ|found - true|: the share of values that would have to move; of n true values about √(B/2πn)."""
        return float((self.found - self.true).abs().sum()) / 2


WaveDensities = dict[Frequency, tuple[Density, Density]]
"""Amplitude's and phase's density of each wave."""


def amplitude_density(amplitude: Tensor) -> Density:
    """The density of amplitudes `[n]`: bins of 0.05 up to 1, and one for what no true wave reaches."""
    inner = torch.linspace(0, 1, _AMPLITUDE_BINS + 1, dtype=torch.float64)
    return _density(amplitude, AMPLITUDE, torch.cat([inner, torch.tensor([math.inf], dtype=torch.float64)]))


def phase_density(phase: Tensor, *, self_conjugate: bool) -> Density:
    """The density of phases `[n]` in bins of 15°; of a self-conjugate frequency 0 and π, in two bins."""
    if self_conjugate:
        near_zero = (phase.abs() < math.pi / 2).double().mean()
        edges = torch.tensor([-0.5, 0.5, 1.5], dtype=torch.float64) * math.pi
        return Density(edges, torch.stack([near_zero, 1 - near_zero]), torch.full((2,), 0.5, dtype=torch.float64))
    return _density(phase, PHASE, torch.linspace(-math.pi, math.pi, _PHASE_BINS + 1, dtype=torch.float64))


def wave_densities(data: PlanarCosines, images: Tensor) -> WaveDensities:
    """Amplitude's and phase's density of each of the waves in `images [n, 1, N, N]`."""
    return {
        frequency: (
            amplitude_density(found.abs()),
            phase_density(found.angle(), self_conjugate=data.is_self_conjugate(frequency)),
        )
        for frequency, found in zip(data.frequencies, data.coefficients(images), strict=True)
    }


def highpass_level(images: Tensor, width: float) -> Tensor:
    """`images [..., H, W]` less their convolution with a Gaussian of that width in pixels, the edges being joined."""
    H, W = images.shape[-2:]
    mask = specops.masks.highpass((H, W), cutoff=1 / (2 * math.pi * width), kind="gaussian")
    return specops.frequency_filter(images, mask.to(images))


class LeakageMeter:
    """Leakage ratios of filtered generated images against fixed real ones `[n, 1, N, N]`."""

    def __init__(self, real: Tensor) -> None:
        self._real = _mean_powers(real)

    def measure(self, fake: Tensor) -> dict[str, float]:
        """By column: `leakage_hann` under a Hann window, `leakage_highpass_WIDTH` per level."""
        fakes = _mean_powers(fake)
        return {name: float(specops.leakage_ratio(self._real[name], power)) for name, power in fakes.items()}


def _mean_powers(images: Tensor) -> dict[str, Tensor]:
    """Mean |DFT|² `[N, N]` of the images (grey: the mean of channels) in each view, by column."""
    grey = images.double().mean(dim=1)
    rows, columns = (torch.hann_window(side, periodic=False, dtype=grey.dtype).to(grey) for side in grey.shape[-2:])
    views = {"leakage_hann": grey * rows.unsqueeze(1) * columns}
    views |= {f"leakage_highpass_{width:.2f}": highpass_level(grey, width) for width in HIGHPASS_WIDTHS}
    return {name: specops.power_spectrum(view).mean(dim=0) for name, view in views.items()}


def _density(values: Tensor, law: Law, edges: Tensor) -> Density:
    """Bins hold their upper edge, as `Law.cumulative` does, and the first one its lower edge too."""
    inner = edges[1:-1]
    counts = torch.bincount(torch.bucketize(values.double().cpu(), inner), minlength=len(edges) - 1)
    cumulative = torch.cat(
        [torch.zeros(1, dtype=torch.float64), law.cumulative(inner), torch.ones(1, dtype=torch.float64)]
    )
    return Density(edges, counts.double() / len(values), cumulative.diff())
