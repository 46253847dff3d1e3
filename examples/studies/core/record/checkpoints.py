"""Checkpoints: everything a run needs to go on to the bit, in one safetensors file."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from specops.report.files import write_atomically
from studies.core.errors import InputError

State = dict[str, dict[str, Tensor]]
"""Named tensors by section: `{"model": {...}, "optimizer": {...}, "history": {...}, ...}`."""


def save_checkpoint(path: Path, state: State) -> None:
    """Write `state` to `path` in one step."""
    flat = {
        f"{section}/{name}": tensor.detach().contiguous().cpu()
        for section, tensors in state.items()
        for name, tensor in tensors.items()
    }
    write_atomically(path, safetensors.torch.save(flat))


def load_checkpoint(path: Path) -> State:
    """The state that `save_checkpoint` wrote to `path`, on the CPU."""
    try:
        flat = safetensors.torch.load(path.read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"checkpoint {path} cannot be read ({error}); start anew with --overwrite") from error
    state: State = {}
    for key, tensor in flat.items():
        section, _, name = key.partition("/")
        state.setdefault(section, {})[name] = tensor
    return state


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of the optimizer as `{"<parameter index>.<name>": tensor}`; `load_optimizer` is the inverse."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, entry in state.items() for name, tensor in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give the optimizer the state of `optimizer_tensors`; its options stay as they are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = _laid_out(tensor, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The tensor with the parameter's strides, as fused optimizers need it, if it is of that shape."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
