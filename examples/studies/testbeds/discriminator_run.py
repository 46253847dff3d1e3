"""The discriminator testbed: pixels of images learn from nothing but a discriminator.

Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models, NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

import specops.nn
from studies.core.data.images import ImageSet
from studies.core.models import load_model, model_name, try_discriminator
from studies.core.record.checkpoints import State
from studies.core.training import Settings
from studies.testbeds.networks.arithmetic import ARITHMETICS, DOWNSAMPLINGS, check_published
from studies.testbeds.networks.discriminators import MLPDiscriminator, ProgressiveDiscriminator
from studies.testbeds.networks.gradients import of_inputs_alone

from .run import Run

MLP = "mlp"
_AVERAGE_DECAY = 0.999
_PENALTY_WEIGHT = 10.0


@dataclass(frozen=True)
class DiscriminatorSettings(Settings):
    """What a run of the testbed does; `downsample` and `padding` are those of its own network, not of a `model`."""

    downsample: str = "avg"
    padding: str = "zeros"
    spectrum_discriminator: bool = False
    model: str | None = None
    arithmetic: str = "fast"

    @property
    def mode(self) -> str:
        return self.downsample if self.model is None else model_name(self.model)


class Discriminators(nn.Module):
    """Logits `[n, 1]` of images for given classes, `[n, 2]` with a spectrum discriminator beside the main one."""

    def __init__(self, main: nn.Module, spectrum: nn.Module | None) -> None:
        super().__init__()
        self.main = main
        self.spectrum = spectrum

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """Each discriminator has a logit per class, of which an image has one: `x [n, 3, N, N]`, `classes [n]`."""
        parts = [self.main] if self.spectrum is None else [self.main, self.spectrum]
        return torch.cat([part(x).gather(1, classes[:, None]) for part in parts], dim=1)


class DiscriminatorRun(Run):
    """A run of the discriminator testbed.

    One generator seeded with `settings.seed` gives, in this order: a number per image (unused; the published code draws
    it), the learnable images, the weights, and the order in which images are drawn.
    """

    testbed: ClassVar[str] = "discriminator"
    settings: DiscriminatorSettings

    def __init__(self, settings: DiscriminatorSettings, images: ImageSet, device: torch.device) -> None:
        super().__init__(settings, images, device)
        if settings.arithmetic == "published":
            check_published(settings.model, settings.downsample, DOWNSAMPLINGS)
        torch.randn(len(self._real), 1, generator=self._random)
        start = nn.init.kaiming_normal_(torch.empty(self._real.shape), generator=self._random)
        self.pixels = nn.Parameter(start.to(device))
        self._average = self.pixels.detach().clone()
        self.network = Discriminators(self._make_network(), self._make_spectrum_network()).to(device)
        if settings.model not in (None, MLP):
            try_discriminator(str(settings.model), self.network.main, self._real[: settings.batch], len(self._real))
        self._network_optimizer, self._pixel_optimizer = (
            ARITHMETICS[settings.arithmetic].adam(parameters, rate)
            for parameters, rate in ((self.network.parameters(), 1e-3), ([self.pixels], 1e-2))
        )
        self._networks = {"model": self.network}
        self._optimizers = {"optimizer": self._network_optimizer, "pixel_optimizer": self._pixel_optimizer}

    def generate(self) -> Tensor:
        """The learnable images `[n, 3, N, N]`."""
        return self.pixels.detach()

    def average(self) -> Tensor:
        """Exponential moving average of the images over all steps, with decay 0.999."""
        return self._average

    def advance(self) -> Tensor:
        """Train the discriminator, then the images, for one step each; returns the loss of the images."""
        classes = self._draw()
        self._train_network(classes)
        loss = self._train_pixels(classes)
        self._average.lerp_(self.pixels.detach(), 1 - _AVERAGE_DECAY)
        self.step += 1
        return loss

    def state(self) -> State:
        return {**super().state(), "images": {"pixels": self.pixels, "average": self._average}}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        with torch.no_grad():
            self.pixels.copy_(state["images"]["pixels"])
            self._average.copy_(state["images"]["average"])

    def _train_network(self, classes: Tensor) -> None:
        """One step on BCE(real, 1) + R1 + BCE(fake, 0); the losses go to `parts`."""
        self._network_optimizer.zero_grad()
        real = self._real[classes].requires_grad_()
        logits = self.network(real, classes)
        # Three backward passes, not one of the sum: this order of adding gradients rounds as the published code does.
        on_real = cross_entropy(logits, target=1.0)
        on_real.backward(retain_graph=True)
        penalty = _PENALTY_WEIGHT * squared_slope(logits, real)
        penalty.backward()
        on_fake = cross_entropy(self.network(self.pixels.detach()[classes], classes), target=0.0)
        on_fake.backward()
        self._network_optimizer.step()
        self.parts = {"loss_d": (on_real + on_fake).detach(), "r1": penalty.detach()}

    def _train_pixels(self, classes: Tensor) -> Tensor:
        """One step on BCE(fake, 1)."""
        loss = cross_entropy(self.network(self.pixels[classes], classes), target=1.0)
        with of_inputs_alone():
            (gradient,) = torch.autograd.grad(loss, self.pixels)
        self.pixels.grad = gradient.contiguous()  # Adam, where fused, reads it in the memory order of the pixels
        self._pixel_optimizer.step()
        return loss.detach()

    def _make_network(self) -> nn.Module:
        settings, n_logits = self.settings, len(self._real)
        if settings.model == MLP:
            return MLPDiscriminator(settings.resolution, n_logits, generator=self._random)
        if settings.model is not None:
            return load_model(settings.model, settings.resolution, n_logits, seed=settings.seed)
        return ProgressiveDiscriminator(
            settings.resolution,
            n_logits,
            downsampling=settings.downsample,
            padding=settings.padding,
            arithmetic=ARITHMETICS[settings.arithmetic],
            generator=self._random,
        )

    def _make_spectrum_network(self) -> nn.Module | None:
        if not self.settings.spectrum_discriminator:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return specops.nn.SpectrumDiscriminator(self.settings.resolution, len(self._real))


def cross_entropy(logits: Tensor, *, target: float) -> Tensor:
    """Mean binary cross-entropy of logits whose target is all 0 or all 1."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def squared_slope(logits: Tensor, x: Tensor) -> Tensor:
    """R1 without its weight: mean over images of ‖∇_x Σ logits‖², `logits [n, m]`, `x [n, C, H, W]`."""
    with of_inputs_alone():
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()
