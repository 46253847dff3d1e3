"""The testbeds in float64 are the same procedure as in plain torch, which gives the published code's numbers.

In double precision rounding stays below what training amplifies, so the losses agree to many digits where they are of
one procedure. See tests/test_testbeds_golden.py for the other half of the argument.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
from testbeds.generator_run import GeneratorRun, GeneratorSettings
from testbeds.images import ImageSet
from testbeds.networks import PADDINGS, UPSAMPLINGS

from bench.plain_testbeds import DOWNSAMPLE, PlainDiscriminator, PlainGenerator

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
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", UPSAMPLINGS)
def test_generator_is_that_of_plain_torch(mode: str, padding: str, n: int) -> None:
    run = GeneratorRun(GeneratorSettings(mode, padding, resolution=32), images(n), CPU)
    plain = PlainGenerator(copy.deepcopy(run.network), run._latents, run._real)
    for _ in range(20):
        torch.testing.assert_close(run.advance(), plain.advance(), rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("mode", DOWNSAMPLE)
def test_discriminator_is_that_of_plain_torch(mode: str, n: int) -> None:
    """Losses of the discriminator, R1 and of the pixels."""
    run = DiscriminatorRun(DiscriminatorSettings(mode, resolution=32), images(n), CPU)
    plain = PlainDiscriminator(copy.deepcopy(run.network.main), run.pixels.detach().clone(), run._real)
    for _ in range(10):
        loss = run.advance()
        for ours, theirs in zip((run.parts["loss_d"], run.parts["r1"], loss), plain.advance(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=TOLERANCE, atol=0)
    torch.testing.assert_close(run.average(), plain.average, rtol=1e-7, atol=1e-9)
