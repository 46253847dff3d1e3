"""Trains a testbed on the golden image, one thread: `python golden_run.py GOLDEN.npz TESTBED MODE STEPS [SEED]`.

TESTBED is generator or discriminator, or plain-generator or plain-discriminator for the same steps in plain torch.

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
from testbeds.images import ImageSet, highpass

import specops
from bench.plain_testbeds import PlainDiscriminator, PlainGenerator, contiguous, generate

Golden = dict[str, np.ndarray]
Report = dict[str, Any]

CPU = torch.device("cpu")
LOG_SPECTRUM = "zeros+log-spectrum"


def train_generator(golden: Golden, images: ImageSet, mode: str, steps: int, seed: int) -> Report:
    loss = "mse+log-spectrum" if mode == LOG_SPECTRUM else "mse"
    upsample = "zeros" if mode == LOG_SPECTRUM else mode
    run = GeneratorRun(GeneratorSettings(upsample, loss=loss, seed=seed), images, CPU)
    contiguous(run.network)  # in which the published code adds
    start = np.abs(run.generate().numpy() - golden[f"gen_{upsample}_out0"]).max()
    losses, rows = [], []
    for _ in range(steps):
        losses.append(run.advance())
        if run.step % 100 == 0 or run.step == steps:
            run.measure(losses[-1])
            rows.append(run.history.rows[-1])
    return {
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "same latents": np.array_equal(run._latents.numpy(), golden["gen_z_seed0"]),
        "start": float(start),
        "losses": torch.stack(losses[:20]).tolist(),
        "evaluations": rows,
    }


def train_plain_generator(golden: Golden, images: ImageSet, mode: str, steps: int, seed: int) -> Report:
    run = GeneratorRun(GeneratorSettings(mode, seed=seed), images, CPU)
    plain = PlainGenerator(run.network, run._latents, run._real)
    with torch.no_grad():
        start = np.abs(generate(plain.network, run._latents).numpy() - golden[f"gen_{mode}_out0"]).max()
    return {"start": float(start), "losses": [plain.advance().item() for _ in range(steps)]}


def discriminator_run(images: ImageSet, mode: str, seed: int) -> DiscriminatorRun:
    name, *more = mode.split("+")
    if "highpass" in more:
        images = ImageSet(images.names, highpass(images.pixels))
    settings = {"downsample": "avg", "model": name} if name == "mlp" else {"downsample": name}
    extra = "spectrum" in more
    return DiscriminatorRun(DiscriminatorSettings(**settings, spectrum_discriminator=extra, seed=seed), images, CPU)


def train_discriminator(golden: Golden, images: ImageSet, mode: str, steps: int, seed: int) -> Report:
    run = discriminator_run(images, mode, seed)
    start = np.abs(run.generate().numpy() - golden["disc_img0"]).max()
    trace = []
    for _ in range(steps):
        loss = run.advance()
        if run.step <= 10:
            trace.append([run.parts["loss_d"].item(), run.parts["r1"].item(), loss.item()])
    run.measure(loss)
    parameters = sum(parameter.numel() for parameter in run.network.parameters())
    return {"parameters": parameters, "start": float(start), "trace": trace, "evaluations": run.history.rows}


def train_plain_discriminator(golden: Golden, images: ImageSet, mode: str, steps: int, seed: int) -> Report:
    run = discriminator_run(images, mode, seed)
    plain = PlainDiscriminator(run.network.main, run.pixels.detach().clone(), run._real)
    return {"trace": [[loss.item() for loss in plain.advance()] for _ in range(steps)]}


TRAIN = {
    "generator": train_generator,
    "plain-generator": train_plain_generator,
    "discriminator": train_discriminator,
    "plain-discriminator": train_plain_discriminator,
}


def main(path: str, testbed: str, mode: str, steps: str, seed: str = "0") -> None:
    golden = np.load(path)
    torch.set_num_threads(1)
    images = ImageSet(("baboon",), torch.from_numpy(golden["baboon64"])[None])
    with specops.backends.use("reference"):  # whose rounding is torch's
        print(json.dumps(TRAIN[testbed](golden, images, mode, int(steps), int(seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
