"""Trains a testbed on the golden image, seed 0, one thread: `python golden_run.py GOLDEN.npz TESTBED MODE STEPS`.

Prints as JSON what the test compares. A program of its own, because the rounding of oneDNN and MKL is chosen before
torch is loaded.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch
from testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
from testbeds.generator_run import GeneratorRun, GeneratorSettings
from testbeds.images import ImageSet

import specops

Golden = dict[str, np.ndarray]
Report = dict[str, Any]


def train_generator(golden: Golden, images: ImageSet, mode: str, steps: int) -> Report:
    run = GeneratorRun(GeneratorSettings(mode), images, torch.device("cpu"))
    start = np.abs(run.generate().numpy() - golden[f"gen_{mode}_out0"]).max()
    losses = [run.advance() for _ in range(steps)]
    run.measure(losses[-1])
    return {
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "same latents": np.array_equal(run._latents.numpy(), golden["gen_z_seed0"]),
        "start": float(start),
        "losses": torch.stack(losses).tolist(),
        "evaluation": run.history.rows[-1],
    }


def train_discriminator(golden: Golden, images: ImageSet, mode: str, steps: int) -> Report:
    run = DiscriminatorRun(DiscriminatorSettings(mode), images, torch.device("cpu"))
    start = np.abs(run.generate().numpy() - golden["disc_img0"]).max()
    trace = []
    for _ in range(steps):
        loss = run.advance()
        trace.append([run.parts["loss_d"].item(), run.parts["r1"].item(), loss.item()])
    parameters = sum(parameter.numel() for parameter in run.network.parameters())
    return {"parameters": parameters, "start": float(start), "trace": trace}


def main(path: str, testbed: str, mode: str, steps: int) -> None:
    golden = np.load(path)
    torch.set_num_threads(1)
    images = ImageSet(("baboon",), torch.from_numpy(golden["baboon64"])[None])
    with specops.backends.use("reference"):  # whose rounding is torch's
        train = {"generator": train_generator, "discriminator": train_discriminator}[testbed]
        print(json.dumps(train(golden, images, mode, steps)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
