"""How `upfirdn2d` samples: its factors and paddings from their short forms."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from specops import backends
from specops.functional._plans import planned
from specops.ops._checks import check_dense_image, check_real_dtype, number
from specops.ops._layout import compute_dtype
from specops.ops.resample.contract import check_sampling, filter_of, filter_size


@functools.cache
def _has_kernels(device: str) -> bool:
    return any(backends.why_not(kernels, "upfirdn2d", device) is None for kernels in ("cpp", "cuda", "triton"))


def has_kernels(device: str) -> bool:
    """Whether there are kernels for a device; if not, torch's own resampling is faster where it has the mode."""
    return _has_kernels(device)


# What torch.compiler.assume_constant_result does, without two seconds for the import of the compiler.
has_kernels._dynamo_marked_constant = True  # type: ignore[attr-defined]


Sampling = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], str, float]


@functools.partial(planned, beside="f")
def sampling_plan(
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    f_dtype: torch.dtype,
    f_device: torch.device,
    f_shape: torch.Size,
    up: int | Sequence[int],
    down: int | Sequence[int],
    padding: int | Sequence[int],
    boundary: str,
    flip: bool,
    gain: float,
    *_: object,
) -> tuple[Callable[[Tensor], Tensor] | None, Sampling]:
    """What makes of f the taps that the op takes, None where f is them, and the op's arguments after the taps."""
    check_dense_image("x", shape, dtype)
    check_real_dtype("f", f_dtype)
    check_taps_shape(f_shape)
    up, down, padding = pair_of_factors("up", up), pair_of_factors("down", down), four_paddings("padding", padding)
    wide, gain = compute_dtype(dtype), number("gain", gain)
    if f_device != device:
        raise TypeError(f"the filter's taps must be on {device} like x; got {f_device}. Move them.")
    check_sampling(shape, filter_size(f_shape), up, down, padding, boundary)
    factor, gain = (gain, 1.0) if torch.compiler.is_compiling() else (1.0, gain)
    if not flip and f_dtype == wide and factor == 1:
        return None, (up, down, padding, boundary, gain)
    return functools.partial(_converted, flip=flip, dtype=wide, factor=factor), (up, down, padding, boundary, gain)


def _converted(f: Tensor, flip: bool, dtype: torch.dtype, factor: float) -> Tensor:
    """The taps as the op takes them; a graph holds an op's number as a constant, so a factor is a product there."""
    f = (f.flip(tuple(range(f.dim()))) if flip else f).to(dtype)
    return f if factor == 1 else filter_of(f, factor)


def check_taps_shape(shape: Sequence[int]) -> None:
    """Raises ValueError unless taps of the shape are [fh, fw] or 1-D."""
    if len(shape) not in (1, 2):
        raise ValueError(f"f must be [fh, fw] or 1-D; got {list(shape)}.")


def pair_of_factors(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Returns (x, y) from an integer or a pair, or raises TypeError or ValueError."""
    parts = integers(name, value, "an integer or (x, y)")
    if len(parts) not in (1, 2):
        raise ValueError(f"{name} must be an integer or (x, y); got {value!r}.")
    return parts[0], parts[-1]


def four_paddings(name: str, value: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Returns (x0, x1, y0, y1) from an integer, (x, y) or all four, or raises TypeError or ValueError."""
    parts = integers(name, value, "an integer, (x, y) or (x0, x1, y0, y1)")
    if len(parts) == 4:
        return parts[0], parts[1], parts[2], parts[3]
    if len(parts) not in (1, 2):
        raise ValueError(f"{name} must be an integer, (x, y) or (x0, x1, y0, y1); got {value!r}.")
    return parts[0], parts[0], parts[-1], parts[-1]


def integers(name: str, value: int | Sequence[int], expected: str) -> list[int]:
    """Returns the integers of a number or sequence, or raises TypeError; NumPy's count, bools do not."""
    parts: list[Any] = list(value) if isinstance(value, (tuple, list)) else [value]
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (numbers.Integral, torch.SymInt)):
            raise TypeError(f"{name} must be {expected}; got {value!r}.")
    return [part if isinstance(part, torch.SymInt) else int(part) for part in parts]  # type: ignore[misc]
