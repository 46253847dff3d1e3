"""What launchers of Triton kernels share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def on_its_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Triton launches on the current device, which becomes that of the first argument."""

    @functools.wraps(function)
    def guarded(x: Tensor, *args: Any) -> Any:
        with torch.cuda.device_of(x):
            return function(x, *args)

    return guarded
