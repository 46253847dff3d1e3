"""Runs specops on a device of torch that is none: its tensors hold tensors of the CPU, where all ops run."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_map

from specops import cli

NAME = "shim"


class ShimTensor(Tensor):
    """A tensor of the device."""

    held: Tensor
    moved = 0  # bytes that came from the CPU

    @staticmethod
    def __new__(cls, held: Tensor) -> ShimTensor:
        made = Tensor._make_wrapper_subclass(cls, held.size(), held.stride(), dtype=held.dtype, device=f"{NAME}:0")
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return on_cpu(func, *args, **(kwargs or {}))


def on_cpu(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs an op on what tensors hold; its results are on the device unless it moves them away."""
    device = kwargs.get("device")
    stays = device is None or torch.device(device).type == NAME
    for each in args:
        if isinstance(each, Tensor) and not isinstance(each, ShimTensor):
            ShimTensor.moved += each.nbytes
    args, kwargs = tree_map(lambda each: each.held if isinstance(each, ShimTensor) else each, (args, kwargs))
    if device is not None:
        kwargs["device"] = "cpu"
    made = func(*args, **kwargs)
    return tree_map(lambda each: ShimTensor(each) if stays and isinstance(each, Tensor) else each, made)


if __name__ == "__main__":
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("_", "IMPL")
    library.fallback(on_cpu, "PrivateUse1")
    code = cli.main(sys.argv[1:])
    print(f"moved {ShimTensor.moved} bytes")
    sys.exit(code)
