"""How Python calls CUDA kernels: structs cross as the integers of their fields, and one function launches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from specops import _torch
from specops._library import raw_op

Int32: TypeAlias = int  # the type of a field in C++
Int64: TypeAlias = int


def integers_of(struct: Any) -> list[int]:
    """Returns the fields of a dataclass, nested ones in their places, as C++ copies them into the struct of its name.

    Example:
        >>> from specops.ops.spectral.cuda import BinnedFilter
        >>> integers_of(BinnedFilter(n_images=5, height=64, width=32, profile_stride=0))
        [5, 64, 32, 0]
    """
    values = (getattr(struct, field.name) for field in fields(struct))
    return [n for value in values for n in (integers_of(value) if is_dataclass(value) else [int(value)])]


def numbers(struct: Any) -> Tensor:
    """Returns the integers of a struct as raw ops take them: int64 on the CPU; made once per plan."""
    with torch.inference_mode(False), _torch.outside_jit_trace():
        return torch.tensor(integers_of(struct), dtype=torch.int64, device="cpu")


def launch(name: str, *args: Any) -> Any:
    """Returns what the raw op specops_native::launch_<name> does: results that it allocates, and None without any.

    Callers need no GPU: they make plans on the device of their arguments. The tests put another function in the place
    of this one and execute the kernels without a GPU.
    """
    return raw(name)(*args)


@functools.cache
def raw(name: str) -> Callable[..., Any]:
    """Returns the raw op specops_native::launch_<name>."""
    return raw_op(f"launch_{name}")
