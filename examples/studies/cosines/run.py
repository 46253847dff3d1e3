"""WGAN-GP on planar cosines: one generator, one set of frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from studies.core.data import draws
from studies.core.data.images import to_8bit
from studies.core.errors import InputError
from studies.core.evaluation import reduced_spectrum
from studies.core.evaluator import Evaluator
from studies.core.training import Settings, Training

from .measures import LeakageMeter, WaveDensities, wave_densities
from .networks import GENERATORS, LATENT_CHANNELS, LEAST_RESOLUTION, Discriminator
from .waves import Frequency, PlanarCosines, frequency_name

PENALTY_WEIGHT = 10.0
DISCRIMINATOR_STEPS = 5
_SHOWN_IMAGES = 4
EVALUATED_IMAGES = 512


@dataclass(frozen=True, kw_only=True)
class CosineSettings(Settings):
    """What a run does; with these alone, every number but the seconds is determined."""

    batch: int = 32
    frequencies: tuple[Frequency, ...]
    generator: str = "plain"
    width: int = 16

    def __post_init__(self) -> None:
        if self.resolution < LEAST_RESOLUTION:
            raise InputError(f"--resolution must be at least {LEAST_RESOLUTION} here; got {self.resolution}")

    @property
    def data(self) -> PlanarCosines:
        """The data set."""
        return PlanarCosines(self.frequencies, self.resolution)

    @property
    def mode(self) -> str:
        return f"{self.generator}-{frequency_name(self.frequencies)}"


def one_sided_penalty(discriminator: nn.Module, fake: Tensor, real: Tensor, share: Tensor) -> Tensor:
    """Mean of max(0, ‖∇D‖ - 1)² at share·real + (1 - share)·fake, `share [n, 1, 1, 1]`; scalar, with gradient to D."""
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).clamp(min=0).square().mean()


class CosineRun(Training):
    """A run: new waves, latents and mixing shares each step, drawn from the seed and the number of the step alone."""

    testbed: ClassVar[str] = "cosines"
    settings: CosineSettings

    def __init__(self, settings: CosineSettings, device: torch.device) -> None:
        super().__init__(settings)
        self._device = device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.generator = GENERATORS[settings.generator](settings.resolution, settings.width).to(device)
            self.discriminator = Discriminator(settings.resolution, settings.width).to(device)
        self._networks = {"generator": self.generator, "discriminator": self.discriminator}
        self._optimizers = {
            f"{name}_optimizer": torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.5), fused=True)
            for name, network in self._networks.items()
        }
        self._real = settings.data.sample(EVALUATED_IMAGES, draws.generator(settings.seed, "evaluated waves", 0))
        self._evaluator = Evaluator(self._real, patches_per_image=8)
        self._meter = LeakageMeter(self._real)
        self.real_spectrum, self.real_pictures = self._evaluator.real_spectrum, _pictures(self._real)

    def advance(self) -> Tensor:
        """Do five steps of the discriminator and one of the generator; returns the generator's loss."""
        draw = draws.generator(self.settings.seed, "cosine step", self.step)
        for _ in range(DISCRIMINATOR_STEPS):
            self._train_discriminator(draw)
        loss = self._train_generator(draw)
        self.step += 1
        return loss

    def measure(self, loss: Tensor) -> None:
        """Evaluate the present generator and add the row to the history."""
        fake = self.generate()
        row: dict[str, float] = {"step": self.step, "seconds": self.seconds, "loss": loss.item()}
        row |= {name: part.item() for name, part in self.parts.items()}
        row |= self._evaluator.measure(fake) | self._meter.measure(fake) | _wave_columns(self.settings.data, fake)
        self.history.add(row, reduced_spectrum(fake), _pictures(fake))

    def generate(self) -> Tensor:
        """The evaluated images `[512, 1, N, N]` on the CPU: always of the same latents, without gradient."""
        draw = draws.generator(self.settings.seed, "evaluated latents", 0)
        latents = self._latents(EVALUATED_IMAGES, draw)
        self.generator.eval()
        with torch.no_grad():
            images = torch.cat([self.generator(z) for z in latents.split(self.settings.batch)]).cpu()
        self.generator.train()
        return images

    @cached_property
    def densities(self) -> WaveDensities:
        """Amplitude's and phase's density of each wave in the images that the trained generator makes."""
        return wave_densities(self.settings.data, self.generate())

    def true_densities(self) -> WaveDensities:
        """The same of as many true waves."""
        return wave_densities(self.settings.data, self._real)

    def _train_discriminator(self, draw: torch.Generator) -> None:
        n = self.settings.batch
        real = self.settings.data.sample(n, draw).to(self._device)
        with torch.no_grad():
            fake = self.generator(self._latents(n, draw))
        share = torch.rand(n, 1, 1, 1, generator=draw).to(self._device)
        penalty = PENALTY_WEIGHT * one_sided_penalty(self.discriminator, fake, real, share)
        distance = self.discriminator(real).mean() - self.discriminator(fake).mean()
        self._step("discriminator", penalty - distance)
        self.parts = {"distance": distance.detach(), "penalty": penalty.detach()}

    def _train_generator(self, draw: torch.Generator) -> Tensor:
        loss = -self.discriminator(self.generator(self._latents(self.settings.batch, draw))).mean()
        self._step("generator", loss)
        return loss.detach()

    def _step(self, name: str, loss: Tensor) -> None:
        """One step of the network of that name; the gradients of the other are not computed."""
        parameters = list(self._networks[name].parameters())
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = slope
        self._optimizers[f"{name}_optimizer"].step()

    def _latents(self, n: int, draw: torch.Generator) -> Tensor:
        """Uniform in [-1, 1)."""
        return (torch.rand(n, LATENT_CHANNELS, generator=draw) * 2 - 1).to(self._device)


def _pictures(images: Tensor) -> Tensor:
    """The first of `images [n, 1, N, N]` as 8-bit grey `[4, 3, N, N]`."""
    return to_8bit(images[:_SHOWN_IMAGES]).expand(-1, 3, -1, -1).contiguous()


def _wave_columns(data: PlanarCosines, fake: Tensor) -> dict[str, float]:
    """Per wave: mean amplitude, and how far the densities of amplitude and phase are from the true ones."""
    columns: dict[str, float] = {}
    means = data.coefficients(fake).abs().mean(dim=1)
    densities = wave_densities(data, fake).items()
    for ((u, v), (amplitude, phase)), mean in zip(densities, means.tolist(), strict=True):
        columns[f"amplitude_{u}_{v}"] = mean
        columns[f"amplitude_variation_{u}_{v}"] = amplitude.total_variation
        columns[f"phase_variation_{u}_{v}"] = phase.total_variation
    return columns
