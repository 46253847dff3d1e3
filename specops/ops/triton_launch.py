"""What launchers of Triton kernels share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from triton.runtime import driver

REGISTERS, MOST_REGISTERS, WARP = 1 << 16, 255, 32  # of a multiprocessor, of a thread; threads
FUSED = {"enable_fp_fusion": True}  # of every launch: Triton 3.9 warns where nobody asks for it, 3.10 leaves it off

_options: dict[tuple[Any, ...], dict[str, int]] = {}


def on_its_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Triton launches on the current device, which becomes that of the first argument."""

    @functools.wraps(function)
    def guarded(x: Tensor, *args: Any) -> Any:
        with torch.cuda.device_of(x):
            return function(x, *args)

    return guarded


def launch(
    kernel: Any, programs: int, *args: Tensor | int, num_warps: int, more_warps: bool = False, **named: Tensor | float
) -> None:
    """Launches a kernel on the current device, compiled so that it spills no registers, or as few as can be.

    To have more warps resident, ptxas may give a thread fewer registers than it needs; such a kernel is compiled again
    with all that there are, and if these do not do, with twice as many warps, up to 8, where it may have `more_warps`.

    Which way a kernel takes is found once for each set of numbers among its arguments: these are to be few.
    """
    values = (*args, *named.values())
    kinds = ((value.dtype, value.data_ptr() % 16 == 0) if isinstance(value, Tensor) else value for value in values)
    what = (kernel, driver.active.get_current_device(), *kinds, num_warps, more_warps, *named)
    if what not in _options:
        _options[what] = _with_fewest_spills(kernel, num_warps, more_warps, args, named)
    kernel[(programs,)](*args, **named, **_options[what])


def _with_fewest_spills(
    kernel: Any, num_warps: int, more_warps: bool, args: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, int]:
    """Returns options of the compiler."""
    choices = [{"num_warps": num_warps, **FUSED}]
    if driver.active.get_current_target().backend == "cuda":
        most = num_warps * 2 if more_warps and WARP * MOST_REGISTERS * num_warps * 2 <= REGISTERS else num_warps
        choices += [
            {"num_warps": warps, "maxnreg": min(MOST_REGISTERS, REGISTERS // (WARP * warps)), **FUSED}
            for warps in dict.fromkeys((num_warps, most))
        ]
    spills = []
    for options in choices:
        compiled = kernel.warmup(*args, grid=(1,), **named, **options)
        compiled._init_handles()  # Triton's own way to how many registers it takes
        spills.append(compiled.n_spills)
        if compiled.n_spills == 0:
            break
    return choices[spills.index(min(spills))]
