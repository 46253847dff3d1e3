"""Checks of what modules and metrics are built with, and of the images that they get."""

from __future__ import annotations

import torch
from torch import Tensor

from specops import geometry
from specops.functional._options import check_choice
from specops.ops._checks import check_image

Device = torch.device | str | None


def check_convention(convention: str) -> None:
    """Raises ValueError unless `convention` is one of `specops.geometry`."""
    check_choice("convention", convention, tuple(geometry.CONVENTIONS))


def n_bins(size: tuple[int, int], convention: str) -> int:
    """Returns K, the number of radial bins."""
    return geometry.radial_bins(size, convention=convention, device="cpu").n_bins


def check_dtype(dtype: torch.dtype | None) -> None:
    """Raises TypeError unless dtype is a floating-point one, or None for torch's default."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"dtype must be a floating-point one of torch; got {dtype!r}.")


def image_size(x: Tensor) -> tuple[int, int]:
    """Returns (H, W) of images [..., H, W], or raises TypeError or ValueError unless they are."""
    check_image("x", x)
    return x.shape[-2], x.shape[-1]


def check_size(x: Tensor, size: tuple[int, int]) -> None:
    """Raises TypeError or ValueError unless x are images of that size."""
    if image_size(x) != size:
        raise ValueError(
            f"x must be [..., {size[0]}, {size[1]}], as this was built for; got {list(x.shape)}. "
            f"Build another with size={(x.shape[-2], x.shape[-1])}."
        )
