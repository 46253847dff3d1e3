"""Fixes of the frequency bias, each a module with hooks into one training step.

In their order: `change_generator`, once, before training; `shown`, what D sees of real and generated images; `judged`,
which logits get the adversarial loss; `penalty`, added to the generator's loss. A hook does nothing unless a fix says
so. Samples are never filtered: these are measures of training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import specops.nn
from specops import losses
from studies.core.errors import InputError

from .architectures import Generator, widened

NONE = "none"
RELEASED_REGULARIZATION_WEIGHT = 1e-5
"""Of the spectral regularization of Durall et al. in their released code."""


class Fix(nn.Module):
    """What does nothing."""

    def change_generator(self, generator: nn.Module) -> nn.Module:
        """The generator that is trained instead."""
        return generator

    def shown(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What D sees of images `[n, 3, N, N]`, in its own step and in the generator's."""
        return fake, real

    def judged(self, logits: list[Tensor], images: Tensor) -> list[Tensor]:
        """The logits `[m]` that each get the adversarial loss, from those so far and unfiltered `images [m, 3, N, N]`.

        D's loss is the sum of theirs, the generator's their mean.
        """
        return logits

    def penalty(self, fake: Tensor, real: Tensor) -> Tensor | None:
        """A further loss of the generator."""
        return None


class HighFrequencyFilter(Fix):
    """HFF: D sees real and generated images without the frequencies from `radius` on.

    Li et al.: Are High-Frequency Components Beneficial for Training of Generative Adversarial Networks, 2021.
    """

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.filter = specops.nn.HFF(radius)

    def shown(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        return self.filter(fake), self.filter(real)


class HighFrequencyConfusion(Fix):
    """HFC: D sees generated images with the high frequencies of the real ones, of the same place in the batch.

    Li et al. 2021, as above.
    """

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.confuse = specops.nn.HFC(radius)

    def shown(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = self.confuse(real, fake)
        return fake, real


class LogProfile(nn.Module):
    """Radial profiles `[n, K]` of ln(power) of grey images, each brought to [0, 1] by its minimum and maximum."""

    def __init__(self, resolution: int, *, convention: str) -> None:
        super().__init__()
        self.register_buffer("grey", torch.tensor([0.299, 0.587, 0.114]), persistent=False)
        self.convention = convention
        self.n_bins = specops.geometry.radial_bins((resolution, resolution), convention=convention).n_bins

    def forward(self, x: Tensor) -> Tensor:
        grey = torch.einsum("nchw,c->nhw", x, cast(Tensor, self.grey))
        profile = specops.radial_spectrum(grey, convention=self.convention, scale="log")
        return specops.normalize_profile(profile, mode="minmax")


class ProfileDiscriminator(Fix):
    """A second discriminator, of profiles alone, trained with the same loss; the generator's loss is the mean of both.

    Linear(K, K), LeakyReLU 0.2, Linear(K, 1). Jung, Keuper: Spectral Distribution Aware Image Generation, AAAI 2021.
    """

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.profile = LogProfile(resolution, convention="jung2021")
        K = self.profile.n_bins
        self.layers = nn.Sequential(nn.Linear(K, K), nn.LeakyReLU(0.2), nn.Linear(K, 1))

    def judged(self, logits: list[Tensor], images: Tensor) -> list[Tensor]:
        return [*logits, self.layers(self.profile(images)).squeeze(1)]


class SpectralScore(Fix):
    """SSD: D's logit becomes the mean of its own and of a spectrally normalised linear one of the profile.

    Chen et al.: SSD-GAN: Measuring the Realness in the Spatial and Spectral Domains, AAAI 2021.
    """

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.profile = LogProfile(resolution, convention="ssd2021")
        self.layer = spectral_norm(nn.Linear(self.profile.n_bins, 1))

    def judged(self, logits: list[Tensor], images: Tensor) -> list[Tensor]:
        of_images, *others = logits
        return [(of_images + self.layer(self.profile(images)).squeeze(1)) / 2, *others]


class SpectralRegularization(Fix):
    """The generator's log profiles are led to the mean one of the real images.

    Durall, Keuper, Keuper: Watch Your Up-Convolution, CVPR 2020; there the term is without gradient, and
    its weight `RELEASED_REGULARIZATION_WEIGHT`.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def penalty(self, fake: Tensor, real: Tensor) -> Tensor:
        return self.weight * losses.spectral_regularization(fake, real)


class FocalFrequency(Fix):
    """Focal frequency loss between the mean spectra of the two batches, since nothing pairs their images.

    Jiang, Dai, Wu, Loy: Focal Frequency Loss for Image Reconstruction and Synthesis, ICCV 2021.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def penalty(self, fake: Tensor, real: Tensor) -> Tensor:
        return self.weight * losses.focal_frequency_loss(fake, real, ave_spectrum=True)


class LastUpsampling(Fix):
    """The last upsampling alone becomes bed of nails, in the block and in its shortcut.

    Chandrasegaran, Tran, Cheung: A Closer Look at Fourier Spectrum Discrepancies for CNN-generated Images Detection,
    CVPR 2021.
    """

    def change_generator(self, generator: nn.Module) -> nn.Module:
        cast(Generator, generator).last_block.upsample = specops.nn.Upsample(2, mode="zeros")
        return generator


class FrequencyShift(Fix):
    """FSG: the generator's images are moved by a carrier frequency, so that its low ones lie elsewhere.

    Khayatkhoei, Elgammal: Spatial Frequency Bias in Convolutional Generative Adversarial Networks, AAAI 2022.
    """

    def __init__(self, shift: tuple[float, float]) -> None:
        super().__init__()
        self.shift = shift

    def change_generator(self, generator: nn.Module) -> nn.Module:
        return ShiftedGenerator(generator, self.shift)


class ShiftedGenerator(nn.Module):
    """Images of a generator times cos 2π(fx·n + fy·m), in float32."""

    def __init__(self, generator: nn.Module, shift: tuple[float, float]) -> None:
        super().__init__()
        self.generator = generator
        self.carrier = specops.nn.FrequencyShift(shift)

    def forward(self, z: Tensor) -> Tensor:
        shifted: Tensor = self.carrier(widened(self.generator(z)))
        return shifted


@dataclass(frozen=True, kw_only=True)
class FixOptions:
    """What fixes are made from; `radius` in cycles per image, `shift` in cycles per pixel."""

    resolution: int
    radius: float
    shift: tuple[float, float] = (0.5, 0.5)
    regularization_weight: float = 1.0
    focal_weight: float = 1.0


FIXES: dict[str, Callable[[FixOptions], Fix]] = {
    "hff": lambda options: HighFrequencyFilter(options.radius),
    "hfc": lambda options: HighFrequencyConfusion(options.radius),
    "spectrum-discriminator": lambda options: ProfileDiscriminator(options.resolution),
    "ssd": lambda options: SpectralScore(options.resolution),
    "spectral-regularization": lambda options: SpectralRegularization(options.regularization_weight),
    "focal-frequency": lambda options: FocalFrequency(options.focal_weight),
    "last-upsample-zeros": lambda options: LastUpsampling(),
    "fsg": lambda options: FrequencyShift(options.shift),
}
"""By the name that `--fix` takes."""

_CONTRADICTIONS = {
    frozenset(("hff", "hfc")): "both decide what D sees of high frequencies",
    frozenset(("ssd", "spectrum-discriminator")): "both judge the spectrum",
}


class Fixes(nn.Module):
    """Several fixes as one: hooks run in the order given."""

    def __init__(self, fixes: Sequence[Fix]) -> None:
        super().__init__()
        self.fixes = nn.ModuleList(fixes)
        self.filters = any(type(fix).shown is not Fix.shown for fix in fixes)
        """Whether D sees images other than they are."""

    def change_generator(self, generator: nn.Module) -> nn.Module:
        for fix in self._all():
            generator = fix.change_generator(generator)
        return generator

    def shown(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        for fix in self._all():
            fake, real = fix.shown(fake, real)
        return fake, real

    def judged(self, logits: Tensor, images: Tensor) -> list[Tensor]:
        judged = [logits]
        for fix in self._all():
            judged = fix.judged(judged, images)
        return judged

    def penalties(self, fake: Tensor, real: Tensor) -> list[Tensor]:
        penalties = [fix.penalty(fake, real) for fix in self._all()]
        return [penalty for penalty in penalties if penalty is not None]

    def _all(self) -> list[Fix]:
        return cast(list[Fix], list(self.fixes))


def parse_fixes(texts: Sequence[str]) -> tuple[str, ...]:
    """Names in `["hfc+spectrum-discriminator", "ssd"]`, checked; `none` is no name, and stands alone."""
    names = [name for text in texts for name in text.split("+")]
    for name in names:
        if name not in (NONE, *FIXES):
            raise InputError(f"--fix must be of {', '.join((NONE, *FIXES))}, or several joined by +; got {name!r}")
    if NONE in names:
        if len(names) > 1:
            raise InputError(f"--fix {NONE} stands alone; got {'+'.join(names)}")
        return ()
    if len(set(names)) < len(names):
        raise InputError(f"--fix names one twice: {'+'.join(names)}")
    for pair, reason in _CONTRADICTIONS.items():
        if pair <= set(names):
            raise InputError(f"--fix {' and '.join(sorted(pair))} cannot be combined: {reason}")
    return tuple(sorted(names, key=list(FIXES).index))


def make_fixes(names: Sequence[str], options: FixOptions) -> Fixes:
    """The fixes of those names, which `parse_fixes` has checked."""
    return Fixes([FIXES[name](options) for name in names])
