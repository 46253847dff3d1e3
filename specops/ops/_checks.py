"""Checks of images and other tensors: what was expected, what came, how to mend it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence

import torch
from torch import Tensor

from specops.ops._layout import promoted

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def check_image(name: str, x: object) -> tuple[int, int]:
    """Returns (H, W), or raises TypeError or ValueError unless `x` is a real float tensor [..., H, W], H, W >= 1."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor [..., H, W]; got {type(x).__name__}. Use torch.as_tensor.")
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {x.layout}. Use {name}.to_dense().")
    return check_dense_image(name, x.shape, x.dtype)


def check_dense_image(name: str, shape: Sequence[int], dtype: torch.dtype) -> tuple[int, int]:
    """Returns (H, W), or raises as `check_image` for a dense tensor."""
    if dtype not in DTYPES:
        if dtype.is_complex:
            raise TypeError(f"{name} must be real; got {dtype}. Pass {name}.real and {name}.imag separately.")
        raise TypeError(
            f"{name} must be float16, bfloat16, float32 or float64; got {dtype}. Convert it with {name}.float()."
        )
    if len(shape) < 2:
        raise ValueError(
            f"{name} must have the two dimensions [..., H, W]; got shape {list(shape)}. Reshape it to [H, W] first."
        )
    H, W = shape[-2:]
    if H < 1 or W < 1:
        raise ValueError(f"{name} [..., H, W] must have H, W >= 1; got shape {list(shape)}.")
    return H, W


def check_real(name: str, t: object) -> Tensor:
    """Returns t, or raises TypeError unless it is a dense real floating-point tensor."""
    if not isinstance(t, Tensor):
        raise TypeError(f"{name} must be a real floating-point tensor; got {type(t).__name__}.")
    check_real_dtype(name, t.dtype)
    if t.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {t.layout}. Use {name}.to_dense().")
    return t


def check_real_dtype(name: str, dtype: torch.dtype) -> None:
    """Raises TypeError unless the dtype is one of real floating-point numbers."""
    if not dtype.is_floating_point:
        raise TypeError(f"{name} must be a real floating-point tensor; got {dtype}.")


def check_pair(
    names: tuple[str, str], x: Tensor, y: Tensor, *, paired: bool = True, one_dtype: bool = False
) -> tuple[Tensor, Tensor]:
    """Returns images x and y in their promoted dtype; raises TypeError or ValueError unless they fit each other.

    Args:
        names: of x and y in messages.
        x, y: images on one device.
        paired: whether they must have one shape; else one size [..., H, W] is enough.
        one_dtype: whether they must have one dtype.
    """
    check_image(names[0], x)
    if y is x:
        return x, y
    check_image(names[1], y)
    alike = x.shape == y.shape if paired else x.shape[-2:] == y.shape[-2:]
    if not alike or x.device != y.device or (one_dtype and x.dtype != y.dtype):
        common = ("shape" if paired else "size [..., H, W]") + ", dtype" * one_dtype
        raise ValueError(
            f"{names[0]} and {names[1]} must have one {common} and device; got {described(x)} and {described(y)}. "
            "Expand, crop, move or convert one of them."
        )
    return promoted(x, y)


def described(t: Tensor) -> str:
    """Returns shape, dtype and device of t in words."""
    return f"{list(t.shape)} {t.dtype} on {t.device}"


def number(name: str, value: object, least: float = -math.inf) -> float:
    """Returns a finite number, at least `least`, as Python's, or raises TypeError or ValueError."""
    if not isinstance(value, float) and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}.")
    real = float(value)
    if not (-math.inf < real < math.inf and real >= least):  # comparisons, unlike math.isfinite, can be traced
        bound = "" if least == -math.inf else f"at least {least} and "
        raise ValueError(f"{name} must be {bound}finite; got {value}.")
    return real
