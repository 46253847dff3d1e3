"""What calls with images and options alike have in common is checked and made once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from torch import Tensor

from specops import _torch
from specops.ops._checks import check_image
from specops.ops.registration import straight, unchecked

T = TypeVar("T")


def planned(build: Callable[..., T], entries: int = 256) -> Callable[..., tuple[SimpleNamespace, T]]:
    """Returns a function (x, second, *options) -> ops and the plan for the images x.

    The plan is what `build` makes of shape, dtype, device and options, which it checks. Where nothing disturbs a call
    with x and `second`, which may be x again, plans are kept and the ops are `straight`, unless an option is a tensor.
    """

    @functools.lru_cache(entries, typed=True)
    def kept(*arguments: Any) -> T:
        if has_tensor(arguments):
            raise TypeError("a tensor is known by its values, which may change")
        with torch.inference_mode(False), torch.no_grad():
            return build(*arguments)

    undisturbed = _torch.undisturbed

    @functools.wraps(build)
    def plan(x: Tensor, second: Tensor, *options: Any) -> tuple[SimpleNamespace, T]:
        ops = unchecked
        if undisturbed(x, second):
            try:
                return straight, kept(x.shape, x.dtype, x.device, *options)
            except TypeError:  # also where an option, as a list, has no hash, or is a wrong one
                ops = unchecked if has_tensor(options) else straight  # of one comes what may be no ordinary tensor
        check_image("x", x)
        if not _torch.in_jit_trace():
            return ops, build(x.shape, x.dtype, x.device, *options)
        with _torch.outside_jit_trace():
            shape = x.shape  # numbers, where the trace would make tensors of them
        return ops, build(shape, x.dtype, x.device, *options)

    return plan


def has_tensor(arguments: tuple[object, ...]) -> bool:
    """Returns whether one of the arguments is a tensor."""
    return any(isinstance(argument, Tensor) for argument in arguments)


def known(option: Any) -> Any:
    """Returns a list as the tuple that a cache can look up, anything else as it is."""
    return tuple(option) if option.__class__ is list else option


def types_in(option: object) -> tuple[type, ...] | None:
    """Returns the types inside a tuple; (1, 1) and (True, 1.0) are equal, but a cache must not take them for one."""
    return (*map(type, option),) if isinstance(option, tuple) else None
