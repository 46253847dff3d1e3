"""Planar cosines: images of one wave, or of a few, whose amplitude and phase have known densities.

x(m, n) = A·cos(2π (u·n + v·m) / N + φ), n the column, m the row; A ~ clip(N(0.5, 0.1), 0, 1) and
φ ~ clip(N(0, 0.2π), -π, π). Where (u, v) is its own conjugate, φ is 0 or π with equal chance. Several frequencies: the
mean of their waves.

Khayatkhoei, Elgammal: Spatial Frequency Bias in Convolutional Generative Adversarial Networks, AAAI 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import specops
from studies.core.errors import InputError

AMPLITUDE_MEAN, AMPLITUDE_DEVIATION = 0.5, 0.1
PHASE_DEVIATION = 0.2 * math.pi

Frequency = tuple[int, int]
"""(u, v): cycles per image along columns and along rows."""


@dataclass(frozen=True)
class Law:
    """The law of clip(N(mean, deviation), low, high)."""

    mean: float
    deviation: float
    low: float
    high: float

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` draws, float32."""
        return (self.mean + self.deviation * torch.randn(n, generator=generator)).clamp(self.low, self.high)

    def cumulative(self, x: Tensor) -> Tensor:
        """P(value ≤ x), float64: that of the normal between `low` and `high`, its tails being atoms there."""
        inside = torch.special.ndtr((x.double() - self.mean) / self.deviation)
        return torch.where(x < self.low, 0.0, torch.where(x >= self.high, 1.0, inside))


AMPLITUDE = Law(AMPLITUDE_MEAN, AMPLITUDE_DEVIATION, 0.0, 1.0)
PHASE = Law(0.0, PHASE_DEVIATION, -math.pi, math.pi)


@dataclass(frozen=True)
class PlanarCosines:
    """The data set of images `[1, N, N]`, N = `resolution`, that are the mean of a wave per frequency."""

    frequencies: tuple[Frequency, ...]
    resolution: int

    def __post_init__(self) -> None:
        half = self.resolution // 2
        outside = [f for f in self.frequencies if not all(-half < part <= half for part in f)]
        if outside:
            raise InputError(
                f"frequency {frequency_name(outside)} must lie within ({-half}, {half}] cycles per image on both axes "
                f"for {self.resolution} pixels"
            )
        seen: dict[Frequency, Frequency] = {}
        for frequency in self.frequencies:
            if twin := seen.get(frequency, seen.get(self.conjugate(frequency))):
                raise InputError(f"{frequency_name((twin, frequency))} is the same wave twice; give each once")
            seen[frequency] = frequency

    def conjugate(self, frequency: Frequency) -> Frequency:
        """The frequency of the other coefficient of a real wave: -(u, v), brought into (-N/2, N/2]."""
        half = self.resolution // 2
        u, v = (half if part == half else -part for part in frequency)
        return u, v

    def is_self_conjugate(self, frequency: Frequency) -> bool:
        """Whether the wave has one coefficient, not two."""
        return self.conjugate(frequency) == frequency

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` images `[n, 1, N, N]`, float32."""
        waves = [self._waves(f, *self._draw(f, n, generator)) for f in self.frequencies]
        return torch.stack(waves).mean(0).unsqueeze(1)

    def coefficients(self, images: Tensor) -> Tensor:
        """Amplitude and phase of each wave in `images [n, 1, N, N]`: complex `[F, n]`, A·exp(iφ).

        K·X(u, v)/N², twice that where another coefficient holds the other half; K the number of waves.
        """
        spectrum = torch.fft.fft2(images[:, 0].double(), norm="forward")
        found = torch.stack([spectrum[:, v, u] for u, v in self.frequencies])
        halves = found.new_tensor([1.0 if self.is_self_conjugate(f) else 2.0 for f in self.frequencies])
        return len(self.frequencies) * halves.unsqueeze(1) * found

    def _draw(self, frequency: Frequency, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        amplitude = AMPLITUDE.sample(n, generator)
        if self.is_self_conjugate(frequency):
            return amplitude, math.pi * torch.randint(2, (n,), generator=generator)
        return amplitude, PHASE.sample(n, generator)

    def _waves(self, frequency: Frequency, amplitude: Tensor, phase: Tensor) -> Tensor:
        """A·cos(θ + φ) `[n, N, N]` as the shift of the constant image A·exp(iφ) to the carrier."""
        u, v = frequency
        square = (1, self.resolution, self.resolution)
        real, imag = (
            (amplitude * part(phase))[:, None, None].expand(-1, *square[1:]) for part in (torch.cos, torch.sin)
        )
        return specops.frequency_shift(real, (u / self.resolution, v / self.resolution), imag=imag)


def frequency_name(frequencies: Sequence[Frequency]) -> str:
    """Frequencies as the command line takes them: "3,3", or "3,3+29,29" for the mean of two waves."""
    return "+".join(f"{u},{v}" for u, v in frequencies)
