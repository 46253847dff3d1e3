"""What launchers of Triton kernels share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
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


def launch(
    kernel: Any, programs: int, *args: Tensor | float, num_warps: int = 4, most_warps: int = 0, **constants: float
) -> None:
    """Launches a kernel on the current device, compiled so that it spills no registers.

    To have more warps resident, ptxas may give a thread fewer registers than it needs; such a kernel is compiled again
    with all that there are, and if these do not do, with twice as many warps, where there may be more than `num_warps`.
    """
    kinds = ((arg.dtype, arg.data_ptr() % 16) if isinstance(arg, Tensor) else arg for arg in args)
    what = (kernel, driver.active.get_current_device(), *kinds, num_warps, *constants.items())
    if what not in _options:
        _options[what] = _without_spills(kernel, num_warps, most_warps, args, constants)
    kernel[(programs,)](*args, **constants, **_options[what])


def _without_spills(
    kernel: Any, num_warps: int, most_warps: int, args: Sequence[Any], constants: Mapping[str, Any]
) -> dict[str, int]:
    """Returns options of the compiler."""

    def spills(options: Mapping[str, int]) -> bool:
        compiled = kernel.warmup(*args, grid=(1,), **constants, **options)
        compiled._init_handles()  # Triton's own way to how many registers it takes
        return bool(compiled.n_spills)

    options = {"num_warps": num_warps}
    if driver.active.get_current_target().backend != "cuda" or not spills(options):
        return options
    options = _with_most_registers(num_warps)
    more = 2 * num_warps <= most_warps and spills(options)
    return _with_most_registers(2 * num_warps) if more else options


def _with_most_registers(num_warps: int) -> dict[str, int]:
    return {"num_warps": num_warps, "maxnreg": min(MOST_REGISTERS, REGISTERS // (WARP * num_warps))}
