"""Networks and losses of the GANs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from studies.gans.architectures import DISCRIMINATORS, Discriminator, Generator, normalized_once
from studies.gans.losses import LOSSES, info_nce_loss, rotation_loss
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

# Networks


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_the_published_networks() -> None:
    """32²: 128·4096+4096; 3 × (2·(256²·9+256) + 256²+256 + 4·256); 2·256; 3·256·9+3. D alike with 128."""
    assert count(Generator(32, 256)) == 528_384 + 3 * 1_246_976 + 512 + 6_915
    assert count(Discriminator(32, 256)) == 151_680 + 311_680 + 2 * 295_168 + 129


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("arch", DISCRIMINATORS)
def test_shapes(arch: str, resolution: int) -> None:
    fake = Generator(resolution, 16)(torch.randn(3, 128))
    assert fake.shape == (3, 3, resolution, resolution)
    assert fake.abs().max() < 1
    discriminator = DISCRIMINATORS[arch](resolution, 16)
    assert discriminator(fake).shape == (3,)
    local, pooled = discriminator.features(fake)
    side = 8 if resolution == 32 else 4
    assert local.shape == (3, discriminator.local_channels, side, side)
    assert pooled.shape == (3, discriminator.channels)


@pytest.mark.parametrize("arch", DISCRIMINATORS)
def test_every_layer_of_the_discriminator_has_spectral_norm_one(arch: str) -> None:
    discriminator = DISCRIMINATORS[arch](32, 16)
    layers = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) > 10
    for _ in range(60):
        with normalized_once(discriminator):  # a power iteration
            pass
    for layer in layers:
        assert parametrize.is_parametrized(layer, "weight")
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-2)


def test_power_iteration_runs_once_inside() -> None:
    discriminator, x = Discriminator(32, 32), torch.rand(2, 3, 32, 32)
    power = discriminator.blocks[1].convs[0].parametrizations.weight[0]
    at_first = power._v.clone()
    with normalized_once(discriminator):
        once = power._v.clone()
        discriminator(x)
        discriminator(x)
        assert torch.equal(power._v, once)
    discriminator(x)
    assert len({tuple(v.tolist()) for v in (at_first, once, power._v)}) == 3


def test_normalized_weights_stay_in_float32_under_autocast() -> None:
    discriminator = Discriminator(32, 16)
    with normalized_once(discriminator), torch.autocast("cpu", torch.bfloat16):
        assert discriminator.dense.weight.dtype == torch.float32
        assert discriminator(torch.rand(2, 3, 32, 32)).dtype == torch.bfloat16


# Losses


def test_losses_are_their_formulas() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([0.25, -3.0, 1.0])
    r, f = real.tolist(), fake.tolist()

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    classic = -mean([math.log(sigmoid(x)) for x in r]) - mean([math.log(1 - sigmoid(x)) for x in f])
    expected = {
        "hinge": (mean([max(0, 1 - x) for x in r]) + mean([max(0, 1 + x) for x in f]), -mean(f)),
        "non-saturating": (classic, -mean([math.log(sigmoid(x)) for x in f])),
        "minimax": (classic, mean([math.log(1 - sigmoid(x)) for x in f])),
        "wasserstein": (mean(f) - mean(r), -mean(f)),
        "least-squares": (
            mean([(x - 1) ** 2 for x in r]) / 2 + mean([x**2 for x in f]) / 2,
            mean([(x - 1) ** 2 for x in f]) / 2,
        ),
    }  # fmt: skip
    assert set(expected) == set(LOSSES)
    for name, loss in LOSSES.items():
        values = (loss.discriminator(fake, real).item(), loss.generator(fake).item())
        assert values == pytest.approx(expected[name], rel=1e-6), name


def test_rotation_loss_turns_a_quarter_of_the_images_each() -> None:
    discriminator, x = DISCRIMINATORS["ssgan"](32, 16).eval(), torch.rand(8, 3, 32, 32)
    turned = torch.stack([torch.rot90(image, i // 2, (1, 2)) for i, image in enumerate(x)])
    logits = discriminator.turns(discriminator.features(turned)[1])
    expected = functional.cross_entropy(logits, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]))
    torch.testing.assert_close(rotation_loss(discriminator, x), expected)


def test_info_nce_is_its_sum_over_images_and_places() -> None:
    discriminator, x = DISCRIMINATORS["infomax"](32, 16).eval().double(), torch.rand(3, 3, 32, 32).double()
    local, pooled = discriminator.features(x)
    of_local = discriminator.of_local(local).flatten(2).detach()
    of_global = discriminator.of_global(pooled[..., None, None]).flatten(1).detach()
    terms = []
    for i in range(3):
        others = [float(of_global[i] @ of_local[j, :, k]) for j in range(3) if j != i for k in range(64)]
        for k in range(64):
            own = float(of_global[i] @ of_local[i, :, k])
            terms.append(np.logaddexp.reduce([own, *others]) - own)
    assert info_nce_loss(discriminator, x).item() == pytest.approx(np.mean(terms), rel=1e-9)
