"""Each fix against its formula: what D sees, which logits are judged, what is added, and the gradient that results."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from studies.core.data.sources import Source, open_source
from studies.core.errors import InputError
from studies.gans import cost
from studies.gans.architectures import DISCRIMINATORS, Generator
from studies.gans.fixes import FIXES, Fixes, FixOptions, ShiftedGenerator, make_fixes, parse_fixes
from studies.gans.objectives import DiscriminatorObjective, GeneratorObjective
from studies.gans.run import GanRun, GanSettings
from torch import Tensor

import specops

SIDE, RADIUS = 16, 6.0
OPTIONS = FixOptions(resolution=SIDE, radius=RADIUS, regularization_weight=0.7, focal_weight=0.3)
MIXTURES = [*FIXES, "hfc+spectrum-discriminator", "hff+ssd+focal-frequency", "last-upsample-zeros+fsg"]


def fixes_of(name: str) -> Fixes:
    return make_fixes(parse_fixes([name]), OPTIONS).double()


def images(count: int = 4, seed: int = 0, side: int = SIDE) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 3, side, side, generator=draw, dtype=torch.float64)
    return 1.6 * noise - 0.8


class Judge(torch.nn.Module):
    """A discriminator that is smooth: its logit is a fixed form of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(images(1, seed=9)[0])

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(2 * (x * self.weight).mean((1, 2, 3)) + (x.square() * self.weight).mean((1, 2, 3)))


def generator_loss(fixes: Fixes, fake: Tensor, real: Tensor) -> Tensor:
    """The generator's objective on images instead of a network's."""
    network = fixes.change_generator(Identity())
    return GeneratorObjective(network, Judge(), fixes, arch="sngan", loss="non-saturating", amp=False)(fake, real)[0]


class Identity(torch.nn.Module):
    """Stands for a generator whose latents are images."""

    def __init__(self) -> None:
        super().__init__()
        self.last_block = torch.nn.Module()

    def forward(self, x: Tensor) -> Tensor:
        return x


# Gradients


@pytest.mark.parametrize("name", MIXTURES)
def test_gradient_of_the_generator_is_that_of_finite_differences(name: str) -> None:
    fixes, fake, real = fixes_of(name), images(seed=1).requires_grad_(), images(seed=2)
    generator_loss(fixes, fake, real).backward()
    assert fake.grad is not None
    for seed in (3, 4, 5):
        direction = images(seed=seed)
        step = 1e-6
        with torch.no_grad():
            ahead, behind = (generator_loss(fixes, fake + s * direction, real) for s in (step, -step))
        slope = float((fake.grad * direction).sum())
        # The focal weight is a constant to the gradient, and moves with the image.
        if "focal-frequency" not in name:
            assert slope == pytest.approx(float(ahead - behind) / (2 * step), rel=2e-5, abs=1e-9)
        assert slope != 0


@pytest.mark.parametrize("name", [name for name in FIXES if name != "last-upsample-zeros"])
def test_each_fix_changes_the_gradient_of_the_generator(name: str) -> None:
    gradients = []
    for each in (name, "none"):
        fake = images(seed=1).requires_grad_()
        generator_loss(fixes_of(each), fake, images(seed=2)).backward()
        gradients.append(fake.grad)
    assert (gradients[0] - gradients[1]).norm() > 1e-3 * gradients[1].norm()


def test_gradient_of_focal_frequency_is_its_formula() -> None:
    """Of mean w·|F - R|² with constant w: (2/n)·weight·IDFT(w·(mean F - mean R)) per image, F ortho."""
    fake, real = images(seed=1).requires_grad_(), images(seed=2)
    (penalty,) = fixes_of("focal-frequency").penalties(fake, real)
    penalty.backward()
    difference = torch.fft.fft2((fake.detach().mean(0) - real.mean(0)), norm="ortho")
    w = difference.abs()
    w = w / w.amax((-2, -1), keepdim=True)
    assert penalty.item() == pytest.approx(0.3 * float((w * difference.abs().square()).mean()), rel=1e-9)
    expected = 0.3 * 2 / (4 * difference.numel()) * torch.fft.ifft2(w * difference, norm="ortho").real
    torch.testing.assert_close(fake.grad, expected.expand(4, -1, -1, -1))


@pytest.mark.parametrize("name", ["spectrum-discriminator", "ssd"])
def test_spectral_judges_train_in_the_step_of_the_discriminator_alone(name: str) -> None:
    fixes = fixes_of(name)
    arguments = {"arch": "sngan", "loss": "hinge", "amp": False}
    DiscriminatorObjective(Judge(), fixes, **arguments)(images(seed=1), images(seed=2))[0].backward()
    weights = [weight for weight in fixes.parameters() if weight.ndim > 1]
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)
    GeneratorObjective(Identity(), Judge(), fixes, **arguments)(images(seed=1).requires_grad_(), images(seed=2))
    assert "fixes" not in dict(GeneratorObjective(Identity(), Judge(), fixes, **arguments).named_children())


# Formulas


def low_passed(x: Tensor, radius: float) -> Tensor:
    """IDFT(M·DFT(x)), M = 1 where the distance from the centre of the shifted plane is below the radius."""
    side = x.shape[-1]
    distance = np.hypot(*np.mgrid[-(side // 2) : side - side // 2, -(side // 2) : side - side // 2])
    mask = torch.from_numpy(np.fft.ifftshift(distance < radius))
    return torch.fft.ifft2(torch.fft.fft2(x) * mask).real


def test_hff_is_its_formula() -> None:
    real, fake = images(seed=1), images(seed=2)
    expected = [2 * low_passed((x + 1) / 2, RADIUS).abs().clamp(0, 1) - 1 for x in (fake, real)]
    torch.testing.assert_close(list(fixes_of("hff").shown(fake, real)), expected)


def test_hfc_is_its_formula() -> None:
    real, fake = images(seed=1), images(seed=2)
    low = low_passed((fake - real) / 2, RADIUS)
    shown = fixes_of("hfc").shown(fake, real)
    torch.testing.assert_close(list(shown), [2 * (low + (real + 1) / 2).abs().clamp(0, 1) - 1, real])


def test_spectrum_discriminator_judges_profiles_of_unfiltered_images() -> None:
    """The mean over half-plane coefficients of ln|F|² by floor of the radius, brought to [0, 1], through two layers."""
    fixes, x, logits = fixes_of("hfc+spectrum-discriminator"), images(), torch.arange(4, dtype=torch.float64)
    grey = (x * torch.tensor([0.299, 0.587, 0.114]).double().view(3, 1, 1)).sum(1)
    power = (torch.fft.rfft2(grey).abs().square() + 1e-8).log()
    ky, kx = np.meshgrid(np.fft.fftfreq(SIDE, 1 / SIDE), np.arange(SIDE // 2 + 1), indexing="ij")
    radius = torch.from_numpy(np.floor(np.hypot(ky, kx)).astype(int))
    profile = torch.stack([power[:, radius == k].mean(1) for k in range(int(radius.max()) + 1)], dim=1)
    low, high = profile.amin(1, keepdim=True), profile.amax(1, keepdim=True)
    judge = fixes.fixes[1]
    expected = judge.layers((profile - low) / (high - low)).squeeze(1)
    judged = fixes.judged(logits, x)
    torch.testing.assert_close(judged, [logits, expected])


def test_ssd_is_the_mean_of_both_logits() -> None:
    fixes, x = fixes_of("ssd").eval(), images()
    (alone,), (mixed,) = (fixes.judged(torch.full((4,), value, dtype=torch.float64), x) for value in (0.0, 3.0))
    torch.testing.assert_close(mixed - alone, torch.full((4,), 1.5, dtype=torch.float64))
    (score,) = fixes.fixes
    torch.testing.assert_close(alone, score.layer(score.profile(x)).squeeze(1) / 2)
    assert alone.abs().min() > 0
    assert torch.linalg.matrix_norm(fixes.fixes[0].layer.weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_the_generator_minimises_the_mean_over_judges_and_d_the_sum() -> None:
    class Twice(Fixes):
        def judged(self, logits: Tensor, images: Tensor) -> list[Tensor]:
            return [logits, 3 * logits]

    fixes, x, y = Twice([]), images(seed=1), images(seed=2)
    score = Judge()
    arguments = {"arch": "sngan", "loss": "wasserstein", "amp": False}
    of_generator = GeneratorObjective(Identity(), score, fixes, **arguments)(x, y)[0]
    assert of_generator.item() == pytest.approx(-2 * score(x).mean().item(), rel=1e-9)
    of_discriminator = DiscriminatorObjective(score, fixes, **arguments)(x, y)[0]
    assert of_discriminator.item() == pytest.approx(4 * (score(x) - score(y)).mean().item(), rel=1e-9)


def test_only_the_last_upsampling_becomes_bed_of_nails() -> None:
    generator = make_fixes(["last-upsample-zeros"], FixOptions(resolution=32, radius=20)).change_generator(
        Generator(32, 16)
    )
    assert [block.upsample.mode for block in generator.blocks] == ["bilinear", "bilinear", "zeros"]


def test_fsg_moves_frequencies_by_the_shift() -> None:
    plain = Identity()
    shifted = make_fixes(["fsg"], FixOptions(resolution=SIDE, radius=1, shift=(0.25, 0.5))).change_generator(plain)
    assert isinstance(shifted, ShiftedGenerator)
    spectrum = specops.power_spectrum(shifted(torch.ones(1, 1, SIDE, SIDE)))[0, 0]
    peaks = (spectrum > 1).nonzero().tolist()
    assert peaks == [[SIDE // 2, SIDE // 4], [SIDE // 2, 3 * SIDE // 4]]


def test_penalties_have_their_weights() -> None:
    fake, real = images(seed=1), images(seed=2)
    (regularization,) = fixes_of("spectral-regularization").penalties(fake, real)
    torch.testing.assert_close(regularization, 0.7 * specops.losses.spectral_regularization(fake, real))
    assert [len(fixes_of(name).penalties(fake, real)) for name in ("none", "hfc", "focal-frequency+ssd")] == [0, 0, 1]


# Names and combinations


def test_names_are_put_in_order() -> None:
    assert parse_fixes(["ssd+hfc", "fsg"]) == ("hfc", "ssd", "fsg")
    assert parse_fixes(["none"]) == ()


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["hfx"], "got 'hfx'"),
        (["hfc+"], "got ''"),
        (["none+hfc"], "stands alone"),
        (["hfc", "hfc"], "twice"),
        (["hff+hfc"], "hfc and hff cannot be combined"),
        (["ssd", "spectrum-discriminator"], "cannot be combined"),
    ],
)
def test_wrong_combinations_are_told(texts: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told.replace("'", ".")):
        parse_fixes(texts)


# Training


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("photo-crops", 32, flip=True)


SETTINGS = {"width": 16, "batch": 4, "discriminator_steps": 1, "steps": 2, "decay_steps": 2, "eval_images": 8}


@pytest.mark.parametrize("name", ["none", *MIXTURES])
def test_every_fix_trains_every_weight(name: str, source: Source) -> None:
    run = GanRun(GanSettings(fix=parse_fixes([name]), **SETTINGS), source, torch.device("cpu"))
    before = {key: [p.detach().clone() for p in network.parameters()] for key, network in run._networks.items()}
    run.advance()
    assert all(math.isfinite(part) for part in run.parts.values())
    for key, network in run._networks.items():
        pairs = zip(before[key], network.parameters(), strict=True)
        moved = [not torch.equal(old, new) for old, new in pairs if new.ndim > 1]  # biases may have no effect
        assert all(moved), (key, moved)


@pytest.mark.parametrize("arch", DISCRIMINATORS)
def test_samples_are_never_filtered(arch: str, source: Source) -> None:
    plain, filtered = (
        GanRun(GanSettings(arch=arch, fix=fix, **SETTINGS), source, torch.device("cpu")) for fix in ((), ("hff",))
    )
    torch.testing.assert_close(plain.generate(4), filtered.generate(4), rtol=0, atol=0)


def test_costs_are_the_least_of_calls_in_turn(source: Source) -> None:
    settings = GanSettings(**SETTINGS)
    seconds = cost.step_seconds(settings, source, ["hfc"], repeats=1)
    assert set(seconds) == {"none", "hfc"}
    filters = cost.filter_seconds(make_fixes(["hfc"], FixOptions(resolution=32, radius=20)), settings, repeats=3)
    assert 0 < filters < min(seconds.values())
