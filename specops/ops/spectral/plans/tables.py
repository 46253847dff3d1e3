"""What plans are made of: tables that are kept as long as the maps that they come from."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Plan = TypeVar("Plan")

MOST_PLANS = 1024  # of a kind, before all are forgotten


def cached(make: Callable[..., Plan]) -> Callable[..., Plan]:
    """Keeps the plan of (index, weight, options) as long as both maps live and are not written to.

    That of maps made in inference mode is made in each call.
    """
    plans: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    @functools.wraps(make)
    def plan_of(index: Tensor, weight: Tensor, *options: Any) -> Plan:
        key = (id(index), id(weight), *options)
        found = plans.get(key)
        if found is not None:
            plan: Plan
            plan, known_index, known_weight, index_version, weight_version = found
            known = known_index() is index and known_weight() is weight
            if known and index._version == index_version and weight._version == weight_version:
                return plan
        with torch.inference_mode(False), torch.no_grad():
            plan = make(index, weight, *options)
        if index.is_inference() or weight.is_inference():  # torch does not count what is written to these
            return plan
        if len(plans) >= MOST_PLANS:
            plans.clear()  # at once, whatever other threads do

        def forget(_: Any) -> None:
            plans.pop(key, None)

        maps = (weakref.ref(index, forget), weakref.ref(weight, forget))
        plans[key] = (plan, *maps, index._version, weight._version)
        return plan

    return plan_of


def interleaved(numbers: Tensor, weights: Tensor) -> Tensor:
    """Returns int32 [..., 2], in float64 [..., 4]: the numbers, padded to the weights' size, and the weights' bits."""
    bits = weights.unsqueeze(-1).contiguous().view(torch.int32)
    return torch.cat((torch.nn.functional.pad(numbers.int().unsqueeze(-1), (0, bits.shape[-1] - 1)), bits), -1)
