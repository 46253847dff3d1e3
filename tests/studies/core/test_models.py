"""Networks by name: worked examples, the protocol, and what is said of networks that break it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import discriminator_testbed
import generator_testbed
import numpy as np
import pytest
import torch
from finished_runs import assert_same_numbers, refusal
from studies.core.errors import InputError
from studies.core.models import load_model
from studies.testbeds.stylegan2 import Discriminator, Generator, ModulatedConv, downsampled, upsampled

NETWORKS = '''
import torch
from torch import nn

class Small(nn.Module):
    """Noise, dropout and batch statistics: everything that makes resuming hard."""
    latent_channels = 5

    def __init__(self, resolution):
        super().__init__()
        self.linear = nn.Linear(5, 3 * resolution**2)
        self.norm = nn.BatchNorm1d(3 * resolution**2)
        self.resolution = resolution

    def forward(self, z):
        x = torch.dropout(self.norm(self.linear(z + 0.1 * torch.randn_like(z))), 0.3, self.training)
        return x.unflatten(1, (3, self.resolution, self.resolution))

class Returns(nn.Module):
    def __init__(self, resolution, n_logits=None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.made(x)

class Tuple(Returns):
    made = lambda self, x: (x, x)

class Nothing(Returns):
    made = lambda self, x: None

class Grey(Returns):
    made = lambda self, x: self.weight * torch.zeros(len(x), 1, 8, 8)

class Infinite(Returns):
    made = lambda self, x: self.weight / 0 * torch.ones(len(x), 3, 8, 8)

class Detached(Returns):
    made = lambda self, x: torch.zeros(len(x), 3, 8, 8)

class Raises(Returns):
    def made(self, x):
        raise ZeroDivisionError("two\\nlines")

class NoArguments(nn.Module):
    def __init__(self):
        super().__init__()

class NoParameters(nn.Module):
    def __init__(self, resolution):
        super().__init__()

class OneLogit(Returns):
    made = lambda self, x: self.weight * x.mean((1, 2, 3))[:, None]

class Unconnected(Returns):
    made = lambda self, x: self.weight * torch.ones(len(x), 2)

value = 3
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a module `own_networks` and two images."""
    (tmp_path / "own_networks.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).uniform(-1, 1, (3, 8, 8)))
    return tmp_path


def arguments(out: str, model: str, *, steps: int = 5) -> list[str]:
    images = ["--image", "0.npy", "--image", "1.npy", "--resolution", "8"]
    return [*images, "--model", model, "--steps", str(steps), "--eval-every", "2", "--threads", "1", "--out", out]


GENERATORS = [
    ("own_networks:Tuple", "must return images [2, 3, 8, 8]; it returned a tuple of 2"),
    ("own_networks:Nothing", "it returned a NoneType"),
    ("own_networks:Grey", "it returned float32 [2, 1, 8, 8]"),
    ("own_networks:Infinite", "NaN or infinity"),
    ("own_networks:Detached", "without gradient"),
    ("own_networks:Raises", "raised ZeroDivisionError: two lines"),
    ("own_networks:NoArguments", "NoArguments(8) raised TypeError"),
    ("own_networks:NoParameters", "no parameters to train"),
    ("own_networks:value", "must name a subclass of torch.nn.Module; own_networks has int value"),
    ("own_networks:Other", "nothing of that name"),
    ("no_such_module:Net", "ModuleNotFoundError"),
    ("own_networks", "must be of the form"),
]
DISCRIMINATORS = [
    ("own_networks:OneLogit", "must return logits [2, 2]; it returned float32 [2, 1]"),
    ("own_networks:Unconnected", "twice differentiable"),
]


CASES = [(generator_testbed, *case) for case in GENERATORS]
CASES += [(discriminator_testbed, *case) for case in DISCRIMINATORS]


@pytest.mark.parametrize(("testbed", "model", "reason"), CASES, ids=[case[1].rpartition(":")[2] for case in CASES])
def test_network_that_breaks_the_protocol(
    testbed: ModuleType, model: str, reason: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in refusal(capsys, testbed, *arguments("out", model))
    assert not (folder / "out").exists()


def test_noise_of_a_network_resumes_to_the_bit(folder: Path) -> None:
    torch.manual_seed(3)
    assert generator_testbed.main(arguments("whole", "own_networks:Small")) == 0
    torch.manual_seed(4)
    assert generator_testbed.main(arguments("parts", "own_networks:Small", steps=2)) == 0
    torch.manual_seed(5)
    assert generator_testbed.main([*arguments("parts", "own_networks:Small"), "--resume"]) == 0
    assert_same_numbers(folder / "parts", folder / "whole")


def test_model_decides_whether_a_run_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generator_testbed.main(arguments("out", "own_networks:Small", steps=1)) == 0
    told = refusal(capsys, generator_testbed, *arguments("out", "studies.testbeds.stylegan2:Generator"), "--resume")
    assert "model 'own_networks:Small', not 'studies.testbeds.stylegan2:Generator'" in told


def test_seed_decides_the_weights(folder: Path) -> None:
    first, again, other = (load_model("own_networks:Small", 8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.linear.weight, again.linear.weight)
    assert not torch.equal(first.linear.weight, other.linear.weight)


def test_wrong_reference_raises_before_import() -> None:
    with pytest.raises(InputError, match="must be of the form"):
        load_model("a:b:c", 8, seed=0)


# The StyleGAN2-like networks


def test_examples_train(folder: Path) -> None:
    assert generator_testbed.main(arguments("g", "studies.testbeds.stylegan2:Generator", steps=1)) == 0
    assert discriminator_testbed.main(arguments("d", "studies.testbeds.stylegan2:Discriminator", steps=1)) == 0


def test_generator_and_discriminator_fit_each_other() -> None:
    images = Generator(32)(torch.randn(2, 64))
    assert images.shape == (2, 3, 32, 32)
    assert Discriminator(32, 4)(images).shape == (2, 4)


def test_resampling_keeps_flat_images_and_is_adjoint() -> None:
    x, y = torch.randn(1, 1, 8, 8, dtype=torch.float64), torch.randn(1, 1, 16, 16, dtype=torch.float64)
    flat = torch.ones_like(x)
    torch.testing.assert_close(upsampled(flat)[..., 2:-2, 2:-2], torch.ones_like(y)[..., 2:-2, 2:-2])
    torch.testing.assert_close((upsampled(x) * y).sum(), 4 * (x * downsampled(y)).sum())


def test_modulated_convolution_is_that_of_modulated_weights() -> None:
    conv = ModulatedConv(4, 5, 3).double()
    x, w = torch.randn(2, 4, 6, 6, dtype=torch.float64), torch.randn(2, 64, dtype=torch.float64)
    for image, style, made in zip(x, conv.style(w), conv(x, w), strict=True):
        weight = style[:, None, None] * conv.weight / 6
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(made, torch.nn.functional.conv2d(image[None], weight, padding=1)[0])
