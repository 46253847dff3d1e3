"""torch-mimicry's SNGAN as networks of both testbeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import discriminator_testbed
import generator_testbed
import numpy as np
import pytest
import torch
from finished_runs import refusal, table

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_mimicry") is None,
    reason="torch-mimicry is not installed: pip install torch-mimicry --no-deps",
)


@pytest.fixture
def mimicry() -> ModuleType:
    return importlib.import_module("studies.testbeds.mimicry")


@pytest.mark.parametrize("resolution", [32, 64])
def test_networks_follow_the_protocol(mimicry: ModuleType, resolution: int) -> None:
    """Shapes alone: no number is computed."""
    with torch.device("meta"):
        generator, discriminator = mimicry.Generator(resolution), mimicry.Discriminator(resolution, 3)
        images = generator(torch.empty(2, generator.latent_channels))
        assert images.shape == (2, 3, resolution, resolution)
        assert discriminator(images).shape == (2, 3)


def test_package_is_imported_without_its_init(mimicry: ModuleType) -> None:
    assert not hasattr(sys.modules["torch_mimicry"], "__version__")
    assert not {"torch_mimicry.metrics", "torch_mimicry.datasets", "torch_mimicry.training"} & sys.modules.keys()


TESTBEDS = {
    "studies.testbeds.mimicry:Generator": generator_testbed,
    "studies.testbeds.mimicry:Discriminator": discriminator_testbed,
}


def arguments(out: Path, model: str, resolution: int) -> list[str]:
    images = ["--data", "photo", "--resolution", str(resolution)]
    return [*images, "--model", model, "--steps", "2", "--eval-every", "1", "--threads", "1", "--out", str(out)]


@pytest.mark.parametrize("model", TESTBEDS)
def test_networks_train(model: str, tmp_path: Path) -> None:
    assert TESTBEDS[model].main(arguments(tmp_path, model, 32)) == 0
    losses = [float(row["loss"]) for row in table(tmp_path)]
    assert len(set(losses)) == 2
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("model", TESTBEDS)
def test_other_resolutions_are_told(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, TESTBEDS[model], *arguments(tmp_path / "out", model, 16))
    assert "resolution must be 32 or 64; got 16" in told
