"""Sums whose additions have one order for any number of threads."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SUM_BLOCK = 4096


def ordered_sum(t: Tensor, *, any_size: bool = False) -> Tensor:
    """Returns the sum of t [..., P] over its last dimension, the additions in one order for any number of threads.

    torch.sum splits a reduction to a single number over the threads once it has 2^15 terms; blocks stay below that.

    Args:
        t: [..., P].
        any_size: two rounds of blocks whatever P is, each with two blocks of zeros at the end, so that there are
            several: traced code stays free of guards on P. Else as many rounds as P needs.
    """
    if any_size:
        for _ in range(2):
            t = _block_sums(t, t.shape[-1] // SUM_BLOCK + 2)
    else:
        while t.shape[-1] > SUM_BLOCK:
            t = _block_sums(t, -(-t.shape[-1] // SUM_BLOCK))
    return t.sum(-1)


def _block_sums(t: Tensor, n_blocks: int) -> Tensor:
    """[..., P] -> [..., n_blocks], zeros at the end."""
    padded = F.pad(t, (0, n_blocks * SUM_BLOCK - t.shape[-1]))
    return padded.reshape(*t.shape[:-1], n_blocks, SUM_BLOCK).sum(-1)


def ordered_mean(t: Tensor) -> Tensor:
    """Returns the mean of all of t, its sum by `ordered_sum` for any size; NaN for no terms."""
    return ordered_sum(t.flatten(), any_size=True) / t.numel()


def ordered_share(t: Tensor) -> Tensor:
    """Returns t [P] divided by its sum, value and derivative the same for any number of threads.

    The sum is handed out to blocks before it is handed out to terms, so that its derivative is added up in that order.
    """
    blocks = F.pad(t, (0, -t.shape[0] % SUM_BLOCK)).unflatten(0, (-1, SUM_BLOCK))
    return (blocks / ordered_sum(t).expand(blocks.shape[0], 1)).flatten()[: t.shape[0]]


def sum_to_shared(t: Tensor) -> Tensor:
    """Returns the sum of t [..., K] over all leading dimensions: [K]."""
    return ordered_sum(t.reshape(-1, t.shape[-1]).t().contiguous()) if t.dim() > 1 else t
