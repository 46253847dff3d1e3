"""Sums and gains over the bins of the half plane of torch.fft.rfft2: below geometry and ops, which both need them."""

from __future__ import annotations

import torch
from torch import Tensor


def multiplicity(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns how often each half-plane coefficient stands in the full plane, 1 or 2: [1, W//2+1]."""
    kx = torch.arange(size[1] // 2 + 1, device=device)
    alone = (kx == 0) | (2 * kx == size[1])
    return (2 - alone.to(dtype)).unsqueeze(0)


def bin_sums(values: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Returns the weighted sums over each bin, of all maps: values [..., H, W//2+1] -> [..., K]."""
    if index.dim() == 3:
        values = values.unsqueeze(-3)
    terms = torch.where(index < 0, 0, values * weight)
    terms = terms.reshape(*terms.shape[: -index.dim()], index.numel())
    return terms.new_zeros(*terms.shape[:-1], n_bins).index_add(-1, index.clamp(min=0).flatten(), terms)


def profile_gain(profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Returns weight · profile[index] summed over the maps: profile [..., K] -> [..., H, W//2+1]."""
    gain = torch.nn.functional.pad(profile, (0, 1))[..., index] * weight
    return gain.sum(-3) if index.dim() == 3 else gain


def own_bins(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the index of one bin per half-plane coefficient, int32, and weights 1: two [H, W//2+1]."""
    index = torch.arange(H * (W // 2 + 1), device=device, dtype=torch.int32).reshape(H, W // 2 + 1)
    return index, torch.ones(H, W // 2 + 1, device=device, dtype=dtype)
