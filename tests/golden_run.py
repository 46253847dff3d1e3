"""Trains the generator testbed on the golden image, seed 0, one thread: `python golden_run.py GOLDEN.npz MODE STEPS`.

Prints as JSON what the test compares. A program of its own, because the rounding of oneDNN and MKL is chosen before
torch is loaded.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from testbeds.generator_run import GeneratorRun, GeneratorSettings
from testbeds.images import ImageSet

import specops


def main(path: str, mode: str, steps: int) -> None:
    golden = np.load(path)
    torch.set_num_threads(1)
    images = ImageSet(("baboon",), torch.from_numpy(golden["baboon64"])[None])
    with specops.backends.use("reference"):  # whose rounding is torch's
        run = GeneratorRun(GeneratorSettings(mode), images, torch.device("cpu"))
        start = np.abs(run.generate().numpy() - golden[f"gen_{mode}_out0"]).max()
        losses = [run.advance() for _ in range(steps)]
        run.measure(losses[-1])
    report = {
        "parameters": sum(parameter.numel() for parameter in run.network.parameters()),
        "same latents": np.array_equal(run._latents.numpy(), golden["gen_z_seed0"]),
        "start": float(start),
        "losses": torch.stack(losses).tolist(),
        "evaluation": run.history.rows[-1],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
