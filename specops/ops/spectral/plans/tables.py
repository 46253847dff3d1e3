"""What plans are made of: tables that are kept as long as the maps that they come from."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

Plan = TypeVar("Plan")


def cached(make: Callable[..., Plan]) -> Callable[..., Plan]:
    """Keeps the plan of (index, weight, numbers) as long as both maps live and are not written to."""
    plans: WeakIdKeyDictionary = WeakIdKeyDictionary()

    @functools.wraps(make)
    def plan_of(index: Tensor, weight: Tensor, *numbers: int) -> Plan:
        known = plans.setdefault(index, {})
        found = known.get((id(weight), *numbers))
        versions = (index._version, weight._version)
        if found is not None and found[0]() is weight and found[1] == versions:
            return found[2]
        plan = make(index, weight, *numbers)
        known[(id(weight), *numbers)] = (weakref.ref(weight), versions, plan)
        return plan

    return plan_of


def interleaved(numbers: Tensor, weights: Tensor) -> Tensor:
    """Returns int32 [..., 2], in float64 [..., 4]: the numbers, padded to the weights' size, and the weights' bits."""
    bits = weights.unsqueeze(-1).contiguous().view(torch.int32)
    return torch.cat((torch.nn.functional.pad(numbers.int().unsqueeze(-1), (0, bits.shape[-1] - 1)), bits), -1)
