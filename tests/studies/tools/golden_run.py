"""Trains a testbed on the golden image with one thread.

`python golden_run.py GOLDEN.npz TESTBED ARITHMETIC MODE STEPS [SEED]`. TESTBED is generator or discriminator; MODE is
its resampling, then what else it does: stride+spectrum, zeros+log-spectrum.

Prints as JSON what the tests compare. A program of its own, because the rounding of oneDNN and MKL is chosen before
torch is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published import GOLDEN
from studies.core.data.images import ImageSet, highpass
from studies.testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings

Golden = dict[str, np.ndarray]
Report = dict[str, Any]

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
TRACED = 20


def train_generator(golden: Golden, images: ImageSet, arithmetic: str, mode: str, steps: int, seed: int) -> Report:
    upsample, *more = mode.split("+")
    loss = "mse+log-spectrum" if more else "mse"
    run = GeneratorRun(GeneratorSettings(upsample, loss=loss, arithmetic=arithmetic, seed=seed), images, CPU)
    start = np.abs(run.generate().numpy() - golden[f"gen_{upsample}_out0"]).max()
    same_latents = np.array_equal(run._latents.numpy(), golden["gen_z_seed0"])
    losses = []
    for _ in range(steps):
        losses.append(run.advance())
        if run.step % 100 == 0 or run.step == steps:
            run.measure(losses[-1])
    return {
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "same latents": same_latents,
        "start": float(start),
        "losses": torch.stack(losses[:TRACED]).tolist(),
        "evaluations": run.history.rows,
    }


def train_discriminator(golden: Golden, images: ImageSet, arithmetic: str, mode: str, steps: int, seed: int) -> Report:
    name, *more = mode.split("+")
    if "highpass" in more:
        images = ImageSet(images.names, highpass(images.pixels))
    spectrum = "spectrum" in more
    settings = DiscriminatorSettings(name, spectrum_discriminator=spectrum, arithmetic=arithmetic, seed=seed)
    run = DiscriminatorRun(settings, images, CPU)
    start = np.abs(run.generate().numpy() - golden["disc_img0"]).max()
    trace = []
    for _ in range(steps):
        loss = run.advance()
        if run.step <= TRACED:
            trace.append([run.parts["loss_d"].item(), run.parts["r1"].item(), loss.item()])
    run.measure(loss)
    parameters = sum(parameter.numel() for parameter in run.network.parameters())
    return {"parameters": parameters, "start": float(start), "trace": trace, "evaluations": run.history.rows}


TRAININGS = {"generator": train_generator, "discriminator": train_discriminator}


def train(*run: object, kernels: Mapping[str, str]) -> Report:
    """The report of TESTBED ARITHMETIC MODE STEPS [SEED], in a process of its own with those choices of kernels."""
    path = os.pathsep.join([*(str(ROOT / folder) for folder in ("examples", "tests", "")), *filter(None, sys.path)])
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, GOLDEN / "schwarz_part.npz", *map(str, run)],
        env={**os.environ, **kernels, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    report: Report = json.loads(finished.stdout)
    return report


def main(path: str, testbed: str, arithmetic: str, mode: str, steps: str, seed: str = "0") -> None:
    golden = np.load(path)
    torch.set_num_threads(1)
    images = ImageSet(("baboon",), torch.from_numpy(golden["baboon64"])[None])
    print(json.dumps(TRAININGS[testbed](golden, images, arithmetic, mode, int(steps), int(seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
