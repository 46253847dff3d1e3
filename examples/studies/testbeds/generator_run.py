"""The generator testbed: a network regresses fixed images from fixed latents.

Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models, NeurIPS 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from specops.losses import log_spectrum_mse
from studies.core.data.images import ImageSet
from studies.core.models import latent_channels, load_model, model_name, try_generator
from studies.core.training import Settings
from studies.testbeds.networks.arithmetic import ARITHMETICS, UPSAMPLINGS, check_published
from studies.testbeds.networks.generator import LATENT_CHANNELS, ProgressiveGenerator

from .run import Run

LOSSES = ("mse", "mse+log-spectrum")


@dataclass(frozen=True)
class GeneratorSettings(Settings):
    """What a run of the testbed does; `upsample` and `padding` are those of its own network, not of a `model`."""

    upsample: str = "bilinear"
    padding: str = "reflect"
    loss: str = "mse"
    mse_weight: float = 1.0
    log_spectrum_weight: float = 0.01
    model: str | None = None
    arithmetic: str = "fast"

    @property
    def mode(self) -> str:
        return self.upsample if self.model is None else model_name(self.model)


class GeneratorRun(Run):
    """A run of the generator testbed.

    One generator seeded with `settings.seed` gives, in this order: a latent per image, the weights, and the order in
    which images are drawn.
    """

    testbed: ClassVar[str] = "generator"
    settings: GeneratorSettings

    def __init__(self, settings: GeneratorSettings, images: ImageSet, device: torch.device) -> None:
        super().__init__(settings, images, device)
        if settings.arithmetic == "published":
            check_published(settings.model, settings.upsample, UPSAMPLINGS)
        channels = LATENT_CHANNELS if settings.model is None else latent_channels(settings.model)
        self._latents = torch.randn(len(self._real), channels, generator=self._random).to(device)
        self.network = self._make_network().to(device)
        if settings.model is not None:
            try_generator(settings.model, self.network, self._latents[: settings.batch], settings.resolution)
        self._optimizer = ARITHMETICS[settings.arithmetic].adam(self.network.parameters(), 1e-3)
        self._networks = {"model": self.network}
        self._optimizers = {"optimizer": self._optimizer}

    def generate(self) -> Tensor:
        """Images `[n, 3, N, N]` of all latents, made in batches, without gradient."""
        self.network.eval()
        with torch.no_grad():
            images = torch.cat([self.network(z) for z in self._latents.split(self.settings.batch)])
        self.network.train()
        return images

    def advance(self) -> Tensor:
        """Do one training step and return its loss (a scalar tensor, from before the update)."""
        batch = self._draw()
        self._optimizer.zero_grad()
        loss = self._loss(self.network(self._latents[batch]), self._real[batch])
        loss.backward()
        self._optimizer.step()
        self.step += 1
        return loss.detach()

    def _make_network(self) -> torch.nn.Module:
        settings = self.settings
        if settings.model is not None:
            return load_model(settings.model, settings.resolution, seed=settings.seed)
        return ProgressiveGenerator(
            settings.resolution,
            upsampling=settings.upsample,
            padding=settings.padding,
            arithmetic=ARITHMETICS[settings.arithmetic],
            generator=self._random,
        )

    def _loss(self, fake: Tensor, real: Tensor) -> Tensor:
        mse = functional.mse_loss(fake, real)
        if self.settings.loss == "mse":
            return mse
        log_spectrum = log_spectrum_mse(fake, real)
        self.parts = {"mse": mse.detach(), "log_spectrum": log_spectrum.detach()}
        return self.settings.mse_weight * mse + self.settings.log_spectrum_weight * log_spectrum
