"""Generators of the planar cosines: shifts by their formula, controls, gradients, and the published sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from studies.cosines.networks import (
    FSG16_SHIFTS,
    GENERATORS,
    BranchedGenerator,
    Discriminator,
    FrequencyShiftedGenerator,
    Generator,
    ShiftedGenerator,
)
from studies.cosines.run import one_sided_penalty
from torch import Tensor, nn

import specops

N = 32


def latents(n: int = 2) -> Tensor:
    return torch.rand(n, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(7)) * 2 - 1


def made(name: str, width: int = 2) -> nn.Module:
    """The generator in float64 and eval mode, its running statistics set as after some training."""
    torch.manual_seed(0)
    network = GENERATORS[name](N, width).double()
    for _ in range(3):
        network(latents(16))
    return network.eval()


def carrier(shift: tuple[float, float]) -> Tensor:
    n = torch.arange(N, dtype=torch.float64)
    return torch.exp(2j * math.pi * (shift[0] * n + shift[1] * n[:, None]))


def envelopes_of(network: nn.Module, z: Tensor) -> tuple[Tensor, Iterator[Tensor]]:
    """The unshifted image, and [n, 2, N, N] per carrier, by parts of the network alone."""
    if isinstance(network, FrequencyShiftedGenerator):
        return network.base(z), (specops.upsample(envelope(z), mode="binomial") for envelope in network.envelopes)
    assert isinstance(network, BranchedGenerator)
    features = network.trunk.features(z)
    assert features[-2].shape[-1] == N // 4
    return network.trunk(z), (branch(features[-2]) for branch in network.branches)


def test_whole_output_is_shifted_by_alternating_signs() -> None:
    torch.manual_seed(0)
    network = ShiftedGenerator(N, 2).double().eval()
    signs = (-1) ** (torch.arange(N) + torch.arange(N)[:, None])
    torch.testing.assert_close(network(latents()), network.generator(latents()) * signs)
    assert len(list(network.parameters())) == len(list(Generator(N, 2).parameters()))


@pytest.mark.parametrize("name", ["fsg16", "branched"])
def test_sums_of_carried_envelopes_are_their_formula(name: str) -> None:
    network, z = made(name), latents()
    image, envelopes = envelopes_of(network, z)
    assert FSG16_SHIFTS == ((0.0625, 0.0), (0.0, 0.0625), (0.0625, 0.0625), (-0.0625, 0.0625))
    expected = image + sum(
        (torch.complex(*envelope.unbind(1)) * carrier(shift)).real[:, None]
        for envelope, shift in zip(envelopes, FSG16_SHIFTS, strict=True)
    )
    torch.testing.assert_close(network(z), expected)


@pytest.mark.parametrize("name", ["fsg16", "branched"])
def test_control_has_the_same_weights_and_no_carrier(name: str) -> None:
    network, control, z = made(name), made(f"{name}-noshift"), latents()
    theirs = control.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in network.state_dict().items())
    assert len(theirs) == len(network.state_dict())
    image, envelopes = envelopes_of(control, z)
    torch.testing.assert_close(control(z), image + sum(envelope[:, :1] for envelope in envelopes))
    assert (control(z) - network(z)).abs().max() > 0.01


@pytest.mark.parametrize("name", GENERATORS)
def test_gradients_of_first_and_second_order(name: str) -> None:
    """Against finite differences along random directions, for latents and for the weights of the last layer."""
    network, z = made(name, width=1), latents(1).requires_grad_()
    assert torch.autograd.gradcheck(network, (z,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda z: network(z).square(), (z,), fast_mode=True)
    parameters = dict(network.named_parameters())
    last = [key for key in parameters if key.endswith("weight")][-1]

    def of_weight(weight: Tensor) -> Tensor:
        return torch.func.functional_call(network, {last: weight}, (z.detach(),))

    assert torch.autograd.gradcheck(of_weight, (parameters[last].detach().requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", GENERATORS)
def test_every_channel_is_trained(name: str) -> None:
    """Each output channel of each layer has a gradient; without carriers all but the imaginary parts."""
    torch.manual_seed(0)
    network = GENERATORS[name](N, 2).double()
    network(latents(4)).square().sum().backward()
    weights = {key: weight.grad for key, weight in network.named_parameters() if weight.dim() > 1}
    assert None not in weights.values()
    silent = [key for key, slope in weights.items() for row in slope if row.abs().max() == 0]
    assert len(silent) == (4 if name.endswith("noshift") else 0), silent


def test_published_sizes() -> None:
    generator, discriminator = Generator(128, 64), Discriminator(128, 64)
    assert [tuple(conv.weight.shape) for conv in generator.convs] == [
        (256, 512, 5, 5), (128, 256, 5, 5), (64, 128, 5, 5), (1, 64, 5, 5),
    ]  # fmt: skip
    assert tuple(generator.dense.weight.shape) == (512 * 64, 128)
    assert [(*conv.weight.shape, conv.stride) for conv in discriminator.convs] == [
        (64, 1, 5, 5, (2, 2)), (128, 64, 5, 5, (2, 2)), (256, 128, 5, 5, (2, 2)), (512, 256, 5, 5, (2, 2)),
    ]  # fmt: skip
    assert discriminator(generator(latents(2).float())).shape == (2,)


@pytest.mark.parametrize("slope", [0.5, 3.0])
def test_penalty_is_one_sided(slope: float) -> None:
    """Of a linear discriminator whose gradient has the norm `slope` everywhere."""
    weight = torch.full((1, 4, 4), slope / 4, dtype=torch.float64, requires_grad=True)

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weight).sum((1, 2, 3))

    real, fake = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    penalty = one_sided_penalty(Linear(), fake, real, torch.rand(3, 1, 1, 1, dtype=torch.float64))
    assert penalty.item() == pytest.approx(max(0.0, slope - 1) ** 2)
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, torch.full_like(weight, 2 * max(0.0, slope - 1) / 4))


def test_penalty_is_taken_between_real_and_fake() -> None:
    """A discriminator Σx²/2 has the gradient x: the penalty tells at which points it was taken."""

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((1, 2, 3)) / 2

    real, fake = 3 * torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    share = torch.rand(3, 1, 1, 1, dtype=torch.float64)
    norms = (share * real + (1 - share) * fake).flatten(1).norm(dim=1)
    torch.testing.assert_close(one_sided_penalty(Square(), fake, real, share), (norms - 1).square().mean())
