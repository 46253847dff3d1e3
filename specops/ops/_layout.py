"""Dtypes and memory formats: of the arithmetic, of results, of vmapped arguments."""

from __future__ import annotations

import torch
from torch import Tensor


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """Returns the dtype in which images of `dtype` are computed: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def promoted(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns x and y in torch's promoted dtype, themselves where that is theirs."""
    if x.dtype == y.dtype:
        return x, y
    dtype = torch.promote_types(x.dtype, y.dtype)
    return x.to(dtype), y.to(dtype)


def batch_first(t: Tensor, dim: int | None, batch: int) -> Tensor:
    """Returns t with its vmap dimension in front; where it has none, expanded to `batch` copies."""
    return t.expand(batch, *t.shape) if dim is None else t.movedim(dim, 0)


def memory_format(x: Tensor) -> torch.memory_format:
    """Returns channels_last where x [N, C, H, W] is in that format and not also contiguous, else contiguous."""
    if x.dim() != 4 or x.is_contiguous():
        return torch.contiguous_format
    expected = 1  # by the strides: under vmap, is_contiguous and contiguous know one format only
    for dim in (1, 3, 2, 0):
        if x.shape[dim] != 1 and x.stride(dim) != expected:
            return torch.contiguous_format
        expected = expected * x.shape[dim]
    return torch.channels_last


def like_layout(out: Tensor, x: Tensor) -> Tensor:
    """Returns `out` in the memory format of x."""
    if memory_format(x) == torch.contiguous_format:
        return out.contiguous()
    return out.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
