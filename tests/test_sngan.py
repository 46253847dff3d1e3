"""The library in use: a small SNGAN, high-frequency confusion before its discriminator, a penalty through the spectrum.

Its training steps run eagerly and compiled whole, with the same losses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import specops
import specops.nn

SIDE, WIDTH, LATENT, BATCH, STEPS = 32, 8, 16, 8, 20
RADIUS = 0.625 * SIDE


class UpBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
        self.shortcut = nn.Conv2d(WIDTH, WIDTH, 1)
        self.upsample = specops.nn.Upsample(2, mode="bilinear")

    def forward(self, x: Tensor) -> Tensor:
        h = self.convs[0](self.upsample(F.relu(self.norms[0](x))))
        return self.convs[1](F.relu(self.norms[1](h))) + self.shortcut(self.upsample(x))


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(LATENT, WIDTH * 4 * 4)
        self.blocks = nn.Sequential(*(UpBlock() for _ in range(3)))
        self.norm = nn.BatchNorm2d(WIDTH)
        self.colours = nn.Conv2d(WIDTH, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.dense(z).unflatten(1, (WIDTH, 4, 4)))
        return torch.tanh(self.colours(F.relu(self.norm(h))))


class DownBlock(nn.Module):
    def __init__(self, channels: int, first: bool = False, down: bool = True) -> None:
        super().__init__()
        self.first, self.down = first, down
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(n, WIDTH, 3, padding=1)) for n in (channels, WIDTH))
        self.shortcut = spectral_norm(nn.Conv2d(channels, WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.convs[1](F.relu(self.convs[0](x if self.first else F.relu(x))))
        return F.avg_pool2d(h + self.shortcut(x), 2) if self.down else h + self.shortcut(x)


class Discriminator(nn.Module):
    """Spectral norm everywhere; the logit of the image and that of its radial spectrum are added."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(DownBlock(3, first=True), DownBlock(WIDTH), DownBlock(WIDTH, down=False))
        self.dense = spectral_norm(nn.Linear(WIDTH, 1))
        n_bins = specops.geometry.radial_bins((SIDE, SIDE)).n_bins
        self.of_spectrum = spectral_norm(nn.Linear(n_bins, 1))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = specops.radial_spectrum(x, norm="ortho").mean(1).log1p()
        return self.dense(F.relu(self.blocks(x)).sum((2, 3))) + self.of_spectrum(spectrum)


class Trainer:
    """One SNGAN and its two steps: hinge losses, R1 through image and spectrum, confusion of the fakes."""

    def __init__(self, compile_steps: Callable[[Callable[..., Tensor]], Callable[..., Tensor]]) -> None:
        torch.manual_seed(0)
        self.generator, self.discriminator = Generator().double(), Discriminator().double()
        options = {"lr": 2e-4, "betas": (0.0, 0.9)}
        self.of_generator = torch.optim.Adam(self.generator.parameters(), **options)  # type: ignore[arg-type]
        self.of_discriminator = torch.optim.Adam(self.discriminator.parameters(), **options)  # type: ignore[arg-type]
        self.discriminator_loss_of = compile_steps(self.discriminator_loss)
        self.generator_loss_of = compile_steps(self.generator_loss)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = specops.hfc(real, fake, RADIUS)
        logits, pullback = torch.func.vjp(self.discriminator, real)
        hinge = F.relu(1 - logits).mean() + F.relu(1 + self.discriminator(fake)).mean()
        (slope,) = pullback(torch.ones_like(logits))
        return hinge + 10 * slope.square().sum((1, 2, 3)).mean()

    def generator_loss(self, real: Tensor, z: Tensor) -> Tensor:
        _, confused = specops.hfc(real, self.generator(z), RADIUS)
        return -self.discriminator(confused).mean()

    def step(self, real: Tensor, z: Tensor) -> list[float]:
        loss_d = self.discriminator_loss_of(real, self.generator(z).detach())
        self.of_discriminator.zero_grad()
        loss_d.backward()
        self.of_discriminator.step()
        loss_g = self.generator_loss_of(real, z)
        self.of_generator.zero_grad()
        loss_g.backward()
        self.of_generator.step()
        return [loss_d.item(), loss_g.item()]


def trained(compile_steps: Callable[[Callable[..., Tensor]], Callable[..., Tensor]]) -> tuple[Trainer, Tensor]:
    trainer = Trainer(compile_steps)
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(STEPS, BATCH, 3, SIDE, SIDE, generator=draw, dtype=torch.float64).cumsum(-1).cumsum(-2)
    images = images / images.abs().amax((-1, -2, -3), keepdim=True)
    latents = torch.randn(STEPS, BATCH, LATENT, generator=draw, dtype=torch.float64)
    return trainer, torch.tensor([trainer.step(real, z) for real, z in zip(images, latents, strict=True)])


@pytest.mark.slow
def test_trains_the_same_eagerly_and_compiled() -> None:
    """Fullgraph with aot_eager, which traces and differentiates as inductor does and needs no compiler for kernels.

    In float64: within 20 steps of Adam without momentum, the roundings of float32 grow to 1e-4.
    """
    torch.compiler.reset()
    torch.set_num_threads(1)
    eager, losses = trained(lambda step: step)
    compiled, losses_compiled = trained(lambda step: torch.compile(step, fullgraph=True, backend="aot_eager"))
    assert losses.isfinite().all()
    assert losses.std(0).min() > 0
    torch.testing.assert_close(losses_compiled, losses, rtol=1e-6, atol=0)
    for name, weight in eager.discriminator.state_dict().items():
        torch.testing.assert_close(compiled.discriminator.state_dict()[name], weight)


def test_the_penalty_reaches_every_weight_through_the_spectrum() -> None:
    """R1 by torch.autograd.grad equals that by torch.func.vjp, and trains the spectrum's weights."""
    trainer = Trainer(lambda step: step)
    twin = copy.deepcopy(trainer.discriminator).eval()
    real = torch.rand(BATCH, 3, SIDE, SIDE, dtype=torch.float64) * 2 - 1
    _, pullback = torch.func.vjp(twin, real)
    leaf = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(twin(leaf).sum(), leaf, create_graph=True)
    torch.testing.assert_close(pullback(slope.new_ones(BATCH, 1))[0], slope)
    slope.square().sum((1, 2, 3)).mean().backward()
    gradients = {name: p.grad for name, p in twin.named_parameters() if not name.endswith("bias")}
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values()), gradients.keys()
