"""What torch traces, and tensors that are kept between the calls that it does not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from specops import _torch

CPU = torch.device("cpu")

P = ParamSpec("P")
T = TypeVar("T")


def traced() -> bool:
    """Returns whether torch traces, transforms or intercepts what runs now: tensors then have no values to look at."""
    return _intercepted() or _torch.interception.peek_interpreter_stack() is not None


def _intercepted() -> bool:
    if torch.compiler.is_compiling() or not _torch.interception:
        return True
    return bool(_torch.interception._len_torch_dispatch_stack() > 0)


def cached_tensors(build: Callable[P, T], entries: int = 128) -> Callable[P, T]:
    """Keeps the last `entries` results of `build`, made on the CPU and moved to the device argument.

    They are plain tensors, not to be written to: functorch's transforms and inference mode are left while they are
    made. Under torch.compile or a dispatch mode (fake tensors) nothing is kept, and all is built on the device.
    """

    @functools.lru_cache(maxsize=entries, typed=True)  # typed: True is no radius, though 1 was one
    def kept(*args: P.args, **kwargs: P.kwargs) -> T:
        device = next(arg for arg in args if isinstance(arg, torch.device))
        with torch.inference_mode(False), torch.no_grad():
            return _moved(build(*(CPU if arg is device else arg for arg in args), **kwargs), device)  # type: ignore[arg-type]

    @functools.wraps(build)
    def lookup(*args: P.args, **kwargs: P.kwargs) -> T:
        if _torch.in_jit_trace():  # sizes are tensors to it
            with _torch.outside_jit_trace():
                args = tuple(int(arg) if isinstance(arg, Tensor) else arg for arg in args)  # type: ignore[assignment]
                return kept(*args, **kwargs)  # type: ignore[arg-type]
        if not traced():
            return kept(*args, **kwargs)  # type: ignore[arg-type]
        if _intercepted():
            return build(*args, **kwargs)
        with _torch.interception.temporarily_clear_interpreter_stack():
            return kept(*args, **kwargs)  # type: ignore[arg-type]

    return lookup


def _moved(made: Any, device: torch.device) -> Any:
    """What was made, on the device."""
    if isinstance(made, tuple):
        return tuple(_moved(part, device) for part in made)
    if is_dataclass(made) and not isinstance(made, type):
        return type(made)(**{name: tensor.to(device) for name, tensor in vars(made).items()})
    return made.to(device) if isinstance(made, Tensor) else made
