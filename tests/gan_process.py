"""One process of a torchrun: trains a run of two steps and writes its weights, losses and norms' statistics."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from gans import distributed
from gans.run import GanRun, GanSettings
from gans.sources import open_source
from testbeds.checkpoints import save_checkpoint


def main(arch: str, synchronized: bool, path: Path) -> None:
    torch.set_num_threads(1)
    settings = GanSettings(
        arch=arch, fix=("hfc", "ssd"), width=16, batch=8, discriminator_steps=2, steps=2, decay_steps=2,
        eval_images=8, lr=1e-3, sync_batch_norm=synchronized,
    )  # fmt: skip
    with distributed.process_group(torch.device("cpu")) as device:
        run = GanRun(settings, open_source("photo-crops", 32, flip=True), device)
        for _ in range(2):
            run.advance()
        parts = {name: distributed.mean_of_processes(part) for name, part in run.parts.items()}
        weights = {name: network.state_dict() for name, network in run._networks.items()}
        save_checkpoint(path.with_name(f"{path.name}{distributed.rank()}"), {**weights, "parts": parts})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "sync", Path(sys.argv[3]))
