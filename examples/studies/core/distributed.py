"""Several processes started by `torchrun`, each with its share of every batch; or one process alone."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .errors import InputError

_signature = inspect.signature(DistributedDataParallel.__init__)
_SYNC_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _signature.parameters else "broadcast_buffers"
"""Its name since torch 2.13, or before."""


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the processes of `torchrun`, if any: nccl between GPUs, gloo between CPUs; yields this one's device."""
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def share(batch: int) -> range:
    """Places in a batch of all processes that this one computes; consecutive, as many for each."""
    if batch % size():
        raise InputError(f"--batch must be a multiple of the {size()} processes; got {batch}")
    each = batch // size()
    return range(rank() * each, (rank() + 1) * each)


def wrap(objective: nn.Module) -> nn.Module:
    """The module, whose gradients are averaged over processes during each backward pass, if there are several."""
    if size() == 1 or not any(parameter.requires_grad for parameter in objective.parameters()):
        return objective
    device = next(objective.parameters()).device
    options: dict[str, Any] = {_SYNC_BUFFERS: False}
    # Buffers stay each process's own: spectral norm's follow from the weights, batch norm's are of its own images.
    return DistributedDataParallel(objective, device_ids=[device] if device.type == "cuda" else None, **options)


def mean_of_processes(x: Tensor) -> Tensor:
    """Mean of a tensor that every process has; NaN or infinite where it is so in one of them."""
    if size() == 1:
        return x
    total = x.clone()
    dist.all_reduce(total)
    return total / size()


def most(number: float) -> float:
    """The largest of the numbers that all processes have."""
    if size() == 1:
        return number
    gathered: list[float] = [number] * size()
    dist.all_gather_object(gathered, number)
    return max(gathered)


def union(entries: dict[str, str]) -> dict[str, str]:
    """The entries of all processes."""
    if size() == 1:
        return entries
    gathered: list[dict[str, str]] = [{}] * size()
    dist.all_gather_object(gathered, entries)
    return {name: value for each in gathered for name, value in each.items()}


def wait() -> None:
    """Until every process is here."""
    if size() > 1:
        dist.barrier()
