"""What calls with images and options alike have in common is checked and made once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from torch import Tensor

from specops import _torch
from specops.ops._checks import check_image, check_real
from specops.ops.registration import straight, unchecked

T = TypeVar("T")


Described = tuple[torch.dtype, torch.device, Any]


def described(t: Tensor) -> Described:
    """Returns what a plan may be made of, of a tensor beside the images."""
    return t.dtype, t.device, t.shape


def planned(
    build: Callable[..., T],
    entries: int = 256,
    beside: str | None = None,
) -> Callable[..., tuple[SimpleNamespace, T]]:
    """Returns a function (x, second, *options) -> ops and the plan for the images x.

    The plan is what `build` makes of shape, dtype, device and options, which it checks. Where nothing disturbs a call
    with x and `second`, which may be x again, plans are kept and the ops are `straight`, unless an option is a tensor.

    Args:
        build: (shape, dtype, device, *options) -> plan, or (shape, dtype, device, *description, *options).
        entries: how many plans are kept.
        beside: the name of `second` in messages, where the plan is made of its description too.
    """

    @functools.lru_cache(entries, typed=True)
    def kept(*arguments: Any) -> T:
        if has_tensor(arguments):
            raise TypeError("a tensor is known by its values, which may change")
        with torch.inference_mode(False), torch.no_grad():
            return build(*arguments)

    def made(x: Tensor, second: Tensor, *options: Any) -> T:
        return build(x.shape, x.dtype, x.device, *(described(second) if beside else ()), *options)

    undisturbed = _torch.undisturbed

    @functools.wraps(build)
    def plan(x: Tensor, second: Tensor, *options: Any) -> tuple[SimpleNamespace, T]:
        ops = unchecked
        if undisturbed(x, second):
            key = (x.shape, x.dtype, x.device, *(described(second) if beside else ()), *options)
            try:
                return straight, kept(*key)
            except TypeError:
                pass  # an option is a list, which has no hash, or a tensor, or wrong
            if not has_tensor(options):  # of one comes what may be no ordinary tensor
                ops = straight
                try:
                    return ops, kept(*(tuple(part) if part.__class__ is list else part for part in key))
                except (TypeError, ValueError):
                    pass  # to be told of what was given
        check_image("x", x)
        if beside:
            check_real(beside, second)
        if not _torch.in_jit_trace():
            return ops, made(x, second, *options)
        with _torch.outside_jit_trace():  # in which a shape's numbers were tensors
            return ops, made(x, second, *options)

    plan.cache_clear = kept.cache_clear  # type: ignore[attr-defined]
    return plan


def has_tensor(arguments: tuple[object, ...]) -> bool:
    """Returns whether one of the arguments is a tensor."""
    return any(isinstance(argument, Tensor) for argument in arguments)


def types_in(*options: object) -> tuple[type, ...]:
    """Returns the types inside tuples and lists; a cache takes (1, 1) and (True, 1.0) for one, as they are equal."""
    return tuple([part.__class__ for option in options if option.__class__ in (tuple, list) for part in option])
