"""Entries of the testbeds: a training step against the same step in plain torch, which the published arithmetic is."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import torch

from bench.registry import REGISTRY, Entry, Timed, Timings

sys.path.append(str(Path(__file__).parents[1] / "examples"))

TESTS = ("studies/testbeds/test_arithmetic.py", "studies/testbeds/test_gradients.py")
GENERATORS = ("bilinear", "nearest", "zeros", "shuffle")
DISCRIMINATORS = ("avg", "stride", "schwarz_blur")
MUST, AIM = 0.90, 0.75


def new_run(testbed: str, mode: str, arithmetic: str) -> Any:
    from studies.core.data.images import load_bundled
    from studies.testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
    from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings

    images, device = load_bundled("photo", 64), torch.device("cpu")
    if testbed == "generator":
        return GeneratorRun(GeneratorSettings(mode, arithmetic=arithmetic), images, device)
    return DiscriminatorRun(DiscriminatorSettings(mode, arithmetic=arithmetic), images, device)


def step(testbed: str, mode: str) -> Timings:
    ours, plain = (Timed(new_run(testbed, mode, arithmetic).advance) for arithmetic in ("fast", "published"))
    return Timings(ours, {"plain torch": plain}, ("plain torch",))


def add_testbeds() -> None:
    for testbed, modes in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
        for mode in modes:
            claim = f"testbeds: step of the {testbed} / plain torch"
            REGISTRY.entries.append(Entry(claim, mode, TESTS, functools.partial(step, testbed, mode), MUST, AIM))


add_testbeds()
