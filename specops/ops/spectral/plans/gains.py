"""Gains of the coefficients: index and weight of each, divided by how often the coefficient stands in the plane."""

from __future__ import annotations

import torch
from torch import Tensor

from specops._half_plane import multiplicity
from specops.ops.spectral.plans.tables import cached, interleaved
from specops.ops.spectral.plans.transform import held_after_transform


@cached
def gains(index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Returns the gains' bins and weights in the order in which csrc/spectral/cuda/spectral_kernels.cuh reads them.

    int32 [2E · threads + H + 2E · line threads, 2]: bin (-1: none) and the bits of the weight, over multiplicity and 2.
    """
    height, columns = index.shape
    width = 2 * (columns - 1)
    held = held_after_transform(height, width, index.device)
    kx = torch.arange(columns, device=index.device)
    alone = (kx == 0) | (kx == width // 2)
    weight = weight * torch.where(alone, 0.5, 0.25).to(weight.dtype)
    index = torch.where(index < n_bins, index, -1)

    def at(row: Tensor, column: Tensor, factor: Tensor | float = 1.0) -> Tensor:
        return interleaved(index[row, column], factor * weight[row, column])

    halved = torch.where(alone[held.column] & (held.row % (height // 2) != 0), 0.5, 1.0).to(weight.dtype)
    own = at(held.row, held.column, halved)
    rows = torch.arange(height // 2, device=index.device)
    edges = torch.arange(2, device=index.device) * (width // 2)
    second = at(
        (-rows % height).unsqueeze(1), edges.unsqueeze(0), torch.where(rows > 0, 0.5, 0.0).to(weight.dtype).unsqueeze(1)
    )
    second[0, :, 0] = -1  # the lines 0 and H/2 are their own mirrors
    of_line = held.column[:, : held.line_threads]
    last = at(torch.full_like(of_line, height // 2), of_line)
    return torch.cat([part.flatten(0, 1) for part in (own, second, last)]).contiguous()


@cached
def gain_maps(index: Tensor, weight: Tensor, n_bins: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns index, -1 for no bin, and weight over a coefficient's multiplicity in the plane of images [H, width]."""
    known = torch.where((index >= 0) & (index < n_bins), index, -1).contiguous()
    return known, (weight / multiplicity((index.shape[-2], width), weight.dtype, weight.device)).contiguous()
