"""The CPU in the part of other devices: one that rounds otherwise, and one without float64."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class OtherRounding(TorchDispatchMode):
    """A device that rounds roots and all but sums, products and quotients to the next number."""

    EXACT = (
        *("add", "sub", "rsub", "mul", "div", "neg", "where", "index_add"),
        *("arange", "scalar_tensor", "lift_fresh", "zeros", "ones", "empty", "new_zeros", "new_ones", "expand", "view"),
        *("select", "slice", "unsqueeze", "stack", "cat", "clone", "index", "_to_copy", "constant_pad_nd"),
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in self.EXACT or not isinstance(out, Tensor) or not out.is_floating_point():
            return out
        return torch.nextafter(out, torch.full_like(out, -math.inf))


class NoFloat64(TorchDispatchMode):
    """A device that has no float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(out):
            assert not isinstance(tensor, Tensor) or tensor.dtype != torch.float64, f"{func} makes float64"
        return out
