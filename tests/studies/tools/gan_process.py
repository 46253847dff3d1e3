"""One process of a torchrun: takes a step, and writes gradients over their norm, losses and batch norms' statistics."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from studies.core import distributed
from studies.core.data.sources import open_source
from studies.core.record.checkpoints import save_checkpoint
from studies.gans.run import GanRun, GanSettings
from torch import Tensor, nn


def gradients(network: nn.Module) -> dict[str, Tensor]:
    """Of a network's parameters, each over the norm of them all."""
    found = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    norm = torch.stack([gradient.norm() for gradient in found.values()]).norm()
    return {f"gradient.{name}": gradient / norm for name, gradient in found.items()}


def main(synchronized: bool, path: Path) -> None:
    torch.set_num_threads(1)
    settings = GanSettings(
        fix=("hfc", "ssd"), width=16, batch=8, discriminator_steps=1, eval_images=8,
        sync_batch_norm=synchronized,
    )  # fmt: skip
    with distributed.process_group(torch.device("cpu")) as device:
        run = GanRun(settings, open_source("photo-crops", 32, flip=True), device)
        run.advance()
        state = {name: gradients(network) for name, network in run._networks.items()}
        state["generator"] |= {name: buffer for name, buffer in run.generator.named_buffers() if "running" in name}
        state["parts"] = {name: distributed.mean_of_processes(part) for name, part in run.parts.items()}
        save_checkpoint(path.with_name(f"{path.name}{distributed.rank()}"), state)


if __name__ == "__main__":
    main(sys.argv[1] == "sync", Path(sys.argv[2]))
