"""What launchers of Triton kernels share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from triton.runtime import driver

REGISTERS, MOST_REGISTERS, WARP = 1 << 16, 255, 32  # of a multiprocessor, of a thread; threads

_options: dict[tuple[Any, ...], dict[str, int]] = {}


def on_its_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Triton launches on the current device, which becomes that of the first argument."""

    @functools.wraps(function)
    def guarded(x: Tensor, *args: Any) -> Any:
        with torch.cuda.device_of(x):
            return function(x, *args)

    return guarded


def launch(kernel: Any, programs: int, *args: Tensor | int, num_warps: int, **constants: float) -> None:
    """Launches a kernel on the current device, compiled so that it spills no registers.

    To have more warps resident, ptxas may give a thread fewer registers than it needs; such a kernel is compiled again
    with all that there are.
    """
    constants["num_warps"] = num_warps
    kinds = ((arg.dtype, arg.data_ptr() % 16) if isinstance(arg, Tensor) else arg for arg in args)
    what = (kernel, driver.active.get_current_device(), *kinds, *constants.items())
    options = _options.get(what)
    if options is None:
        compiled = kernel.warmup(*args, grid=(programs,), **constants)
        compiled._init_handles()  # Triton's own way to the numbers of registers
        spills = compiled.n_spills and compiled.metadata.target.backend == "cuda"
        most = min(MOST_REGISTERS, REGISTERS // (WARP * num_warps))
        options = _options[what] = {"maxnreg": most} if spills else {}
    kernel[(programs,)](*args, **constants, **options)
