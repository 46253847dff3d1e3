"""Fast and published arithmetic in float64: one procedure.

In double precision rounding stays below what training amplifies, so the losses agree to many digits where they are of
one procedure. That the published arithmetic gives the published code's numbers is in
tests/studies/testbeds/test_golden.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from studies.core.data.images import ImageSet
from studies.testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings
from studies.testbeds.networks.arithmetic import ARITHMETICS, DOWNSAMPLINGS, UPSAMPLINGS

TOLERANCE = 1e-9
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    yield
    torch.set_default_dtype(torch.float32)


def images(n: int) -> ImageSet:
    return ImageSet(tuple(map(str, range(n))), torch.rand(n, 3, 32, 32) * 2 - 1)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("padding", "loss"), [("reflect", "mse"), ("zeros", "mse+log-spectrum")])
@pytest.mark.parametrize("mode", UPSAMPLINGS)
def test_losses_of_the_generator(mode: str, padding: str, loss: str, n: int) -> None:
    pictures, losses = images(n), {}
    for name in ARITHMETICS:
        run = GeneratorRun(GeneratorSettings(mode, padding, loss, arithmetic=name, resolution=32), pictures, CPU)
        losses[name] = torch.stack([run.advance() for _ in range(10)])
    torch.testing.assert_close(losses["fast"], losses["published"], rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize(("n", "spectrum"), [(1, True), (3, False)])
@pytest.mark.parametrize("mode", DOWNSAMPLINGS)
def test_losses_of_the_discriminator(mode: str, n: int, spectrum: bool) -> None:
    """Those of the discriminator, R1 and of the pixels; and the pixels themselves."""
    pictures, losses, pixels = images(n), {}, {}
    for name in ARITHMETICS:
        settings = DiscriminatorSettings(mode, spectrum_discriminator=spectrum, arithmetic=name, resolution=32)
        run = DiscriminatorRun(settings, pictures, CPU)
        steps = [(run.advance(), run.parts["loss_d"], run.parts["r1"]) for _ in range(10)]
        losses[name] = torch.tensor(steps)
        pixels[name] = run.average()
    torch.testing.assert_close(losses["fast"], losses["published"], rtol=TOLERANCE, atol=0)
    torch.testing.assert_close(pixels["fast"], pixels["published"], rtol=1e-7, atol=1e-9)
