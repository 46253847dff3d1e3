"""What all losses share: checked sets of images, and sums of a fixed order."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from specops.functional.options import promoted
from specops.ops.contract import SUM_BLOCK, check_image, compute_dtype


def checked_sides(a: object, b: object, names: tuple[str, str], *, paired: bool) -> tuple[Tensor, Tensor]:
    """Returns both sets of images in the dtype of the arithmetic, or raises."""
    check_image(names[0], a)
    check_image(names[1], b)
    assert isinstance(a, Tensor)
    assert isinstance(b, Tensor)
    if a.device != b.device:
        raise ValueError(f"{names[0]} and {names[1]} must be on one device; got {a.device} and {b.device}.")
    if paired and a.shape != b.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have one shape; got {list(a.shape)} and {list(b.shape)}. "
            "Expand one of them: images are compared in pairs."
        )
    if a.shape[-2:] != b.shape[-2:]:
        raise ValueError(
            f"{names[0]} and {names[1]} must have one size [..., H, W]; got {list(a.shape)} and {list(b.shape)}."
        )
    a, b = promoted(a, b)
    dtype = compute_dtype(a.dtype)
    return a.to(dtype), b.to(dtype)


def sum_of(t: Tensor) -> Tensor:
    """Returns the sum of all of t, its order the same for any number of threads.

    Two blocks of zeros at the end, so that there are several whatever the batch size: traced code stays free of guards.
    """
    flat = t.flatten()
    for _ in range(2):
        n_blocks = flat.shape[0] // SUM_BLOCK + 2
        flat = F.pad(flat, (0, n_blocks * SUM_BLOCK - flat.shape[0])).reshape(n_blocks, SUM_BLOCK).sum(-1)
    return flat.sum()


def mean_of(t: Tensor) -> Tensor:
    """Returns the mean of all of t, summed as by `sum_of`; NaN for no terms."""
    return sum_of(t) / t.numel()
