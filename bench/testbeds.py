"""Entries of the testbeds: a training step beside the same step in plain torch, as in the published arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from bench.registry import Entry, Side, Sides

TESTS = ("studies/testbeds/test_arithmetic.py", "studies/testbeds/test_gradients.py")
MODES = {
    "generator": ("bilinear", "nearest", "zeros", "shuffle"),
    "discriminator": ("avg", "stride", "schwarz_blur"),
}
MUST, AIM = 0.90, 0.75


def new_run(testbed: str, mode: str, arithmetic: str, device: torch.device) -> Any:
    from studies.core.data.images import load_bundled
    from studies.testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
    from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings

    images = load_bundled("photo", 64)
    if testbed == "generator":
        return GeneratorRun(GeneratorSettings(mode, arithmetic=arithmetic), images, device)
    return DiscriminatorRun(DiscriminatorSettings(mode, arithmetic=arithmetic), images, device)


def step(testbed: str, mode: str, device: torch.device) -> Sides:
    ours, plain = (Side(new_run(testbed, mode, arithmetic, device).advance) for arithmetic in ("fast", "published"))
    return Sides(ours, {"plain torch": plain})


def entries() -> Iterator[Entry]:
    """Yields an entry for each way to enlarge or reduce."""
    for testbed, modes in MODES.items():
        for mode in modes:
            claim = f"testbeds: step of the {testbed} / plain torch"
            yield Entry(claim, mode, TESTS, functools.partial(step, testbed, mode), MUST, AIM, quick=False)
