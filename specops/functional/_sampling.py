"""How `upfirdn2d` samples: its factors and paddings from their short forms, in one op or one along each axis."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from specops import backends
from specops.functional import _taps
from specops.functional._options import number
from specops.functional._plans import planned
from specops.ops._checks import check_dense_image, check_real_dtype
from specops.ops._layout import compute_dtype
from specops.ops.resample.contract import check_sampling


@functools.cache
def _has_kernels(device: str) -> bool:
    return any(backends.why_not(kernels, "upfirdn2d", device) is None for kernels in ("cpp", "cuda", "triton"))


def in_one_pass(device: str) -> bool:
    """Whether kernels run both passes of a separable filter as one; if not, two ops or torch's own are faster."""
    return _has_kernels(device)


# What torch.compiler.assume_constant_result does, without two seconds for the import of the compiler.
in_one_pass._dynamo_marked_constant = True  # type: ignore[attr-defined]


Sampling = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], str]


@functools.partial(planned, beside="f", describe=_taps.described)
def sampling_plan(
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    f_dtype: torch.dtype,
    f_device: torch.device,
    taps: torch.Size | _taps.Values,
    *options: Any,
) -> tuple[Callable[[Tensor], _taps.Filters] | _taps.Filters, Sampling, Sampling | None]:
    """The filters or what makes them of taps, and the sampling of one op or of one along each axis.

    Taps are their values, or their shape where that is all there is to know. Options are those of `_by_shape`.
    """
    if isinstance(taps, torch.Size):
        return _by_shape.__wrapped__(shape, dtype, device, f_dtype, f_device, taps, *options)
    f = torch.tensor(taps, dtype=f_dtype, device="cpu")
    filters, sampling, along = _by_shape(shape, dtype, device, f_dtype, f_device, f.shape, *options)
    return filters(f), sampling, along


@functools.lru_cache(256, typed=True)  # for taps that differ from call to call
def _by_shape(
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
) -> tuple[Callable[[Tensor], _taps.Filters], Sampling, Sampling | None]:
    """As `sampling_plan`, of taps of a shape."""
    check_dense_image("x", shape, dtype)
    check_real_dtype("f", f_dtype)
    check_taps_shape(f_shape)
    up, down, padding = pair_of_factors("up", up), pair_of_factors("down", down), four_paddings("padding", padding)
    wide, gain = compute_dtype(dtype), number("gain", gain)
    if f_device != device:
        raise TypeError(f"the filter's taps must be on {device} like x; got {f_device}. Move them.")
    one_pass = len(f_shape) == 2 or in_one_pass(device.type)
    filters: Callable[[Tensor], _taps.Filters] = _taps.alone
    if len(f_shape) == 1 or f_dtype != wide or flip or gain != 1:
        filters = functools.partial(_taps.filters, flip=flip, gain=gain, dtype=wide, one_pass=one_pass)
    if one_pass:
        both = f_shape if len(f_shape) == 2 else (*f_shape, *f_shape)
        check_sampling(shape, both, up, down, padding, boundary)
        return filters, (up, down, padding, boundary), None
    across: Sampling = ((up[0], 1), (down[0], 1), (*padding[:2], 0, 0), boundary)
    along: Sampling = ((1, up[1]), (1, down[1]), (0, 0, *padding[2:]), boundary)
    check_sampling(shape, (1, *f_shape), *across)
    check_sampling(shape, (*f_shape, 1), *along)
    return filters, across, along


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
