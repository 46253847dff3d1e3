"""The library in use: a small SNGAN, high-frequency confusion before its discriminator, a penalty through the spectrum.

Its training steps run eagerly and compiled whole, with the same losses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import specops
import specops.nn

SIDE, WIDTH, LATENT, BATCH, STEPS = 16, 8, 16, 8, 20
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
        self.dense = nn.Linear(LATENT, WIDTH * 8 * 8)
        self.block = UpBlock()
        self.norm = nn.BatchNorm2d(WIDTH)
        self.colours = nn.Conv2d(WIDTH, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.block(self.dense(z).unflatten(1, (WIDTH, 8, 8)))
        return torch.tanh(self.colours(F.relu(self.norm(h))))


class DownBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(n, WIDTH, 3, padding=1)) for n in (3, WIDTH))
        self.shortcut = spectral_norm(nn.Conv2d(3, WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.convs[1](F.relu(self.convs[0](x))) + self.shortcut(x), 2)


class Discriminator(nn.Module):
    """Spectral norm everywhere; the logit of the image and that of its radial spectrum are added."""

    def __init__(self) -> None:
        super().__init__()
        self.block = DownBlock()
        self.dense = spectral_norm(nn.Linear(WIDTH, 1))
        n_bins = specops.geometry.radial_bins((SIDE, SIDE)).n_bins
        self.of_spectrum = spectral_norm(nn.Linear(n_bins, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.of_pixels(x) + self.of_frequencies(x)

    def of_pixels(self, x: Tensor) -> Tensor:
        return self.dense(F.relu(self.block(x)).mean((2, 3)))

    def of_frequencies(self, x: Tensor) -> Tensor:
        return self.of_spectrum(specops.radial_spectrum(x, norm="ortho").mean(1).log1p())


Compile = Callable[[Callable[..., Tensor]], Callable[..., Tensor]]


def eagerly(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return step


def unconfused(real: Tensor, fake: Tensor, _radius: float) -> tuple[Tensor, Tensor]:
    return real, fake


class Trainer:
    """One SNGAN and its two steps: hinge losses, R1 through image and spectrum, confusion of the fakes."""

    def __init__(
        self,
        compile_steps: Compile = eagerly,
        confuse: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]] = specops.hfc,
        penalised: Callable[[Discriminator, Tensor], Tensor] = Discriminator.forward,
        weight: float = 10,
    ) -> None:
        torch.manual_seed(0)
        self.generator, self.discriminator = Generator(), Discriminator()
        self.confuse, self.penalised, self.weight = confuse, functools.partial(penalised, self.discriminator), weight
        options = {"lr": 2e-4, "betas": (0.0, 0.9)}
        self.of_generator = torch.optim.Adam(self.generator.parameters(), **options)
        self.of_discriminator = torch.optim.Adam(self.discriminator.parameters(), **options)
        self.discriminator_losses_of = compile_steps(self.discriminator_losses)
        self.generator_loss_of = compile_steps(self.generator_loss)

    def discriminator_losses(self, real: Tensor, fake: Tensor) -> Tensor:
        """Hinge on real images, hinge on fakes, R1: [3]."""
        real, fake = self.confuse(real, fake, RADIUS)
        penalised, pullback = torch.func.vjp(self.penalised, real)
        (slope,) = pullback(torch.ones_like(penalised))
        hinges = [F.relu(1 - self.discriminator(real)).mean(), F.relu(1 + self.discriminator(fake)).mean()]
        return torch.stack([*hinges, self.weight * slope.square().sum((1, 2, 3)).mean()])

    def generator_loss(self, real: Tensor, z: Tensor) -> Tensor:
        _, confused = self.confuse(real, self.generator(z), RADIUS)
        return -self.discriminator(confused).mean()

    def step(self, real: Tensor, z: Tensor) -> list[float]:
        losses = self.discriminator_losses_of(real, self.generator(z).detach())
        self.of_discriminator.zero_grad()
        losses.sum().backward()
        self.of_discriminator.step()
        loss = self.generator_loss_of(real, z)
        self.of_generator.zero_grad()
        loss.backward()
        self.of_generator.step()
        return [*losses.tolist(), loss.item()]


def trained(trainer: Trainer) -> Tensor:
    """Hinge on real images, hinge on fakes, R1 and the generator's loss of each step: [STEPS, 4]."""
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(STEPS, BATCH, 3, SIDE, SIDE, generator=draw)
    images = torch.tanh(noise.cumsum(-1).cumsum(-2) / SIDE + noise / 2)
    latents = torch.randn(STEPS, BATCH, LATENT, generator=draw)
    return torch.tensor([trainer.step(real, z) for real, z in zip(images, latents, strict=True)], dtype=torch.float64)


@pytest.fixture(scope="module")
def eager() -> tuple[Trainer, Tensor]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trainer = Trainer()
    losses = trained(trainer)
    torch.set_num_threads(threads)
    return trainer, losses


def test_every_term_is_at_work(eager: tuple[Trainer, Tensor]) -> None:
    """Each term is active in each of the steps, and training without any one of them goes another way.

    The bound is a hundred times that on the difference between eager and compiled.
    """
    torch.set_num_threads(1)
    losses = eager[1]
    assert losses.isfinite().all()
    assert (losses[:, :3] > 0.01).all()
    without = {
        "confusion": Trainer(confuse=unconfused),
        "penalty": Trainer(weight=0),
        "penalty through the spectrum": Trainer(penalised=Discriminator.of_pixels),
    }
    for name, trainer in without.items():
        change = (trained(trainer) / losses - 1).abs()[-1, [0, 1, 3]]
        assert change.max() > 1e-2, (name, change)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_trains_the_same_eagerly_and_compiled(eager: tuple[Trainer, Tensor], backend: str) -> None:
    torch.compiler.reset()
    torch.set_num_threads(1)
    compiled = Trainer(lambda step: torch.compile(step, fullgraph=True, backend=backend))
    torch.testing.assert_close(trained(compiled), eager[1], rtol=1e-4, atol=0)
    for name, weight in eager[0].discriminator.state_dict().items():
        torch.testing.assert_close(compiled.discriminator.state_dict()[name], weight, rtol=1e-4, atol=1e-6)


def test_the_penalty_reaches_every_weight_through_the_spectrum() -> None:
    """R1 by torch.autograd.grad equals that by torch.func.vjp, and trains the spectrum's weights."""
    twin = Trainer().discriminator.double().eval()
    real = torch.rand(BATCH, 3, SIDE, SIDE, dtype=torch.float64) * 2 - 1
    _, pullback = torch.func.vjp(twin, real)
    leaf = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(twin(leaf).sum(), leaf, create_graph=True)
    torch.testing.assert_close(pullback(slope.new_ones(BATCH, 1))[0], slope)
    slope.square().sum((1, 2, 3)).mean().backward()
    gradients = {name: p.grad for name, p in twin.named_parameters() if not name.endswith("bias")}
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values()), gradients.keys()
