"""Entries of the testbeds: a training step against the same step in plain torch."""

from __future__ import annotations

import copy
import functools
import sys
from pathlib import Path

import torch

from bench.plain_testbeds import PlainDiscriminator, PlainGenerator
from bench.registry import REGISTRY, Entry, Timed, Timings

sys.path.append(str(Path(__file__).parents[1] / "examples"))

TESTS = ("test_testbeds_plain.py", "test_testbeds_gradients.py")
GENERATORS = ("bilinear", "nearest", "zeros", "shuffle")
DISCRIMINATORS = ("avg", "stride", "schwarz_blur")
MUST, AIM = 0.90, 0.75


def generator_step(mode: str) -> Timings:
    from testbeds.generator_run import GeneratorRun, GeneratorSettings
    from testbeds.images import load_bundled

    run = GeneratorRun(GeneratorSettings(mode), load_bundled("photo", 64), torch.device("cpu"))
    plain = PlainGenerator(copy.deepcopy(run.network), run._latents, run._real)
    return Timings(Timed(run.advance), {"plain torch": Timed(plain.advance)}, ("plain torch",))


def discriminator_step(mode: str) -> Timings:
    from testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
    from testbeds.images import load_bundled

    run = DiscriminatorRun(DiscriminatorSettings(mode), load_bundled("photo", 64), torch.device("cpu"))
    plain = PlainDiscriminator(copy.deepcopy(run.network.main), run.pixels.detach().clone(), run._real)
    return Timings(Timed(run.advance), {"plain torch": Timed(plain.advance)}, ("plain torch",))


def add_testbeds() -> None:
    for testbed, modes, step in (
        ("generator", GENERATORS, generator_step),
        ("discriminator", DISCRIMINATORS, discriminator_step),
    ):
        for mode in modes:
            claim = f"testbeds: step of the {testbed} / plain torch"
            REGISTRY.entries.append(Entry(claim, mode, TESTS, functools.partial(step, mode), MUST, AIM))


add_testbeds()
