"""Generators and discriminator of the planar cosines, plain and frequency shifted.

Khayatkhoei, Elgammal: Spatial Frequency Bias in Convolutional Generative Adversarial Networks, AAAI 2022. At 128 pixels
with `width` 64 the layers are theirs: 8×8×512 → 256 → 128 → 64 → C. Another resolution has a layer more or less per
octave, and always `width` channels in its last hidden layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

import specops
import specops.nn

LATENT_CHANNELS = 128
PUBLISHED_RESOLUTION, PUBLISHED_WIDTH = 128, 64
FSG16_SHIFTS = ((1 / 16, 0.0), (0.0, 1 / 16), (1 / 16, 1 / 16), (-1 / 16, 1 / 16))
"""Carriers (fx, fy) of FSG16 in cycles per pixel."""
NYQUIST_SHIFT = (0.5, 0.5)
_FIRST_SIDE = 8
LEAST_RESOLUTION = 4 * _FIRST_SIDE
"""So that half of it, for FSG16's small generators, and its quarter, for the branches, are maps that there are."""


def n_octaves(resolution: int) -> int:
    """Doublings from the first map, 8×8, to the image."""
    return int(math.log2(resolution // _FIRST_SIDE))


class Generator(nn.Module):
    """Maps latents `[n, 128]` to images `[n, channels, N, N]` in [-1, 1]: [nearest ×2, conv 5×5, BN, ReLU] … tanh."""

    def __init__(self, resolution: int, width: int, *, channels: int = 1) -> None:
        super().__init__()
        octaves = n_octaves(resolution)
        widths = [width * 2**octave for octave in reversed(range(octaves))]
        self.dense = nn.Linear(LATENT_CHANNELS, widths[0] * _FIRST_SIDE**2)
        self.convs = nn.ModuleList(_conv(a, b) for a, b in zip(widths, [*widths[1:], channels], strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in widths)

    def features(self, z: Tensor) -> list[Tensor]:
        """The maps before each upsampling, normalised and rectified: `[n, C, 8, 8]`, … `[n, width, N/2, N/2]`."""
        x = self.dense(z).unflatten(1, (-1, _FIRST_SIDE, _FIRST_SIDE))
        maps = [functional.relu(self.norms[0](x))]
        for conv, norm in zip(self.convs[:-1], self.norms[1:], strict=True):
            maps.append(functional.relu(norm(conv(specops.upsample(maps[-1], mode="nearest")))))
        return maps

    def image(self, features: Tensor) -> Tensor:
        """Images of the last of the `features`."""
        return torch.tanh(self.convs[-1](specops.upsample(features, mode="nearest")))

    def forward(self, z: Tensor) -> Tensor:
        return self.image(self.features(z)[-1])


class ShiftedGenerator(nn.Module):
    """G(z)·cos θ, θ = π (n + m): a generator whose frequencies near (½, ½) are those near 0 of the one inside."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        self.generator = Generator(resolution, width)
        self.shift = specops.nn.FrequencyShift(NYQUIST_SHIFT)

    def forward(self, z: Tensor) -> Tensor:
        return self.shift(self.generator(z))


class FrequencyShiftedGenerator(nn.Module):
    """G0(z) + Σ_j Re[(a_j(z) + i·b_j(z))·exp(iθ_j)], a_j and b_j from a small generator each at half the resolution.

    They are brought up by bed of nails and 2·[1, 4, 6, 4, 1]/16 per axis. The sum passes through no tanh. Without
    `shifted` it is Σ_j a_j(z): the same networks, no carrier.
    """

    def __init__(self, resolution: int, width: int, *, shifted: bool = True) -> None:
        super().__init__()
        self.base = Generator(resolution, width)
        small = max(1, width // 2)
        self.envelopes = nn.ModuleList(Generator(resolution // 2, small, channels=2) for _ in FSG16_SHIFTS)
        self.shifted = shifted

    def forward(self, z: Tensor) -> Tensor:
        image = self.base(z)
        for envelope, shift in zip(self.envelopes, FSG16_SHIFTS, strict=True):
            image = image + _carried(specops.upsample(envelope(z), mode="binomial"), shift, shifted=self.shifted)
        return image


class BranchedGenerator(nn.Module):
    """The same sum, cheaper: a_j and b_j come from the trunk's own map of a quarter of the resolution.

    Per carrier: nearest ×2, conv 5×5 to `width` channels, BN, ReLU, conv 1×1 to a_j and b_j, tanh, nearest ×2.
    """

    def __init__(self, resolution: int, width: int, *, shifted: bool = True) -> None:
        super().__init__()
        self.trunk = Generator(resolution, width)
        self.branches = nn.ModuleList(
            nn.Sequential(
                specops.nn.Upsample(mode="nearest"),
                _conv(2 * width, width),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, 2, 1),
                nn.Tanh(),
                specops.nn.Upsample(mode="nearest"),
            )
            for _ in FSG16_SHIFTS
        )
        self.shifted = shifted

    def forward(self, z: Tensor) -> Tensor:
        features = self.trunk.features(z)
        image = self.trunk.image(features[-1])
        for branch, shift in zip(self.branches, FSG16_SHIFTS, strict=True):
            image = image + _carried(branch(features[-2]), shift, shifted=self.shifted)
        return image


class Discriminator(nn.Module):
    """Maps images `[n, 1, N, N]` to logits `[n]`: 5×5 convs of stride 2 with LeakyReLU 0.2 down to 8×8, dense."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**octave for octave in range(n_octaves(resolution))]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 5, stride=2, padding=2) for a, b in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.dense = nn.Linear(widths[-1] * _FIRST_SIDE**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), 0.2)
        return self.dense(x.flatten(1)).squeeze(1)


GENERATORS: dict[str, Callable[[int, int], nn.Module]] = {
    "plain": Generator,
    "shifted": ShiftedGenerator,
    "fsg16": FrequencyShiftedGenerator,
    "fsg16-noshift": partial(FrequencyShiftedGenerator, shifted=False),
    "branched": BranchedGenerator,
    "branched-noshift": partial(BranchedGenerator, shifted=False),
}
"""By the name that --generator takes, called with resolution and width; weights from torch's random state."""


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 5, padding=2)


def _carried(envelope: Tensor, shift: tuple[float, float], *, shifted: bool) -> Tensor:
    """`envelope [n, 2, N, N]`, real and imaginary part, on its carrier: `[n, 1, N, N]`; not shifted, the real part."""
    real, imag = envelope.split(1, dim=1)
    return specops.frequency_shift(real, shift, imag=imag) if shifted else real
