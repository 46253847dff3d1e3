"""What the one-launch spectral kernels must know beside the pixels, made by torch ops on the device of the maps.

The numbers here are those of csrc/fft/image_transform.cuh: which thread holds what, and where values are kept.
No function looks at a value of a map, which would wait for the device.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

SHAPES = ((32, 32), (64, 64), (128, 128))

Plan = TypeVar("Plan")


@dataclass(frozen=True)
class Bins:
    """The points of each bin: int32 [P, 2], position of a value and the bits of its weight; starts int32 [K + 1]."""

    points: Tensor
    starts: Tensor
    lanes: int


@dataclass(frozen=True)
class Layout:
    """What each thread of an image holds after the transform: numbers i = 2j + b, kx = 2h + b + T j, of line ky.

    Attributes:
        row, column: [2E, threads], the half-plane coefficient that equals the number or its conjugate.
        line_threads: threads of a line.
    """

    row: Tensor
    column: Tensor
    line_threads: int


def serves(size: tuple[int, int]) -> bool:
    """Whether there are one-launch kernels for images of `size`."""
    return size in SHAPES


def cached(make: Callable[[Tensor, Tensor, int], Plan]) -> Callable[[Tensor, Tensor, int], Plan]:
    """Keeps the plan of (index, weight, n_bins) as long as both maps live and are not written to."""
    plans: WeakIdKeyDictionary = WeakIdKeyDictionary()

    @functools.wraps(make)
    def plan_of(index: Tensor, weight: Tensor, n_bins: int) -> Plan:
        known = plans.setdefault(index, {})
        found = known.get((id(weight), n_bins))
        versions = (index._version, weight._version)
        if found is not None and found[0]() is weight and found[1] == versions:
            return found[2]
        plan = make(index, weight, n_bins)
        known[id(weight), n_bins] = (weakref.ref(weight), versions, plan)
        return plan

    return plan_of


@functools.cache
def unit_circle(count: int, device: torch.device) -> Tensor:
    """Returns exp(2 pi i m / count), m < count, as float32 [count, 2]."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack((angle.cos(), angle.sin()), -1).float().to(device)


@cached
def bins(index: Tensor, weight: Tensor, n_bins: int) -> Bins:
    """Returns the points of the bins of the maps [H, W//2+1]; those of bin -1 come before the first."""
    height, columns = index.shape
    width = 2 * (columns - 1)
    pitch = width + 4  # floats per row of shared memory
    ky, kx = half_plane(height, width, index.device)
    upper = ky <= height // 2
    position = torch.where(upper, ky * pitch + kx, (height - ky) * pitch + (-kx) % width)
    ordered, order = index.flatten().sort(stable=True)
    starts = torch.searchsorted(ordered, torch.arange(n_bins + 1, dtype=torch.int32, device=index.device))
    points = interleaved(position.flatten()[order], 0.25 * weight.flatten()[order])
    per_bin = index.numel() / n_bins
    return Bins(points, starts.int(), 32 if per_bin >= 256 else 8 if per_bin >= 4 else 1)


@cached
def gains(index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Returns the gains' bins and weights in the order in which csrc/spectral/spectral_kernels.cuh reads them.

    int32 [2E · threads + H + 2E · line threads, 2]: bin (-1: none) and the bits of the weight, over multiplicity and 2.
    """
    height, columns = index.shape
    width = 2 * (columns - 1)
    layout = layout_of(height, width, index.device)
    kx = torch.arange(columns, device=index.device)
    alone = (kx == 0) | (kx == width // 2)
    weight = weight * torch.where(alone, 0.5, 0.25).to(weight.dtype)
    index = torch.where(index < n_bins, index, -1)

    def at(row: Tensor, column: Tensor, factor: Tensor | float = 1.0) -> Tensor:
        return interleaved(index[row, column], factor * weight[row, column])

    halved = torch.where(alone[layout.column] & (layout.row % (height // 2) != 0), 0.5, 1.0).to(weight.dtype)
    own = at(layout.row, layout.column, halved)
    rows = torch.arange(height // 2, device=index.device)
    edges = torch.tensor([0, width // 2], device=index.device)
    second = at((-rows % height).unsqueeze(1), edges.unsqueeze(0), torch.where(rows > 0, 0.5, 0.0).unsqueeze(1))
    second[0, :, 0] = -1  # the lines 0 and H/2 are their own mirrors
    of_line = layout.column[:, : layout.line_threads]
    last = at(torch.full_like(of_line, height // 2), of_line)
    return torch.cat([part.flatten(0, 1) for part in (own, second, last)]).contiguous()


@functools.cache
def layout_of(height: int, width: int, device: torch.device) -> Layout:
    """Returns which coefficients the threads of an image [height, width] hold after the transform."""
    count = 16 if max(height, width) > 64 else 8
    step = width // count
    line_threads = step // 2
    thread = torch.arange(height * width // (4 * count), device=device)
    lane, warp = thread % 32, thread // 32
    line = lane // line_threads
    reversed_line = (line & ~7) | (line & 1) << 2 | (line & 2) | (line >> 2 & 1)
    ky = warp * (32 // line_threads) + reversed_line
    number = torch.arange(2 * count, device=device).unsqueeze(1)
    kx = 2 * (thread % line_threads) + number % 2 + step * (number // 2)
    low = kx <= width // 2
    row = torch.where(low, ky, (height - ky) % height)
    return Layout(row, torch.where(low, kx, width - kx), line_threads)


def half_plane(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns ky and kx of every coefficient of the half plane, counted from 0: [H, W//2+1] each."""
    ky, kx = torch.arange(height, device=device), torch.arange(width // 2 + 1, device=device)
    return ky.unsqueeze(1).expand(-1, len(kx)), kx.expand(height, -1)


def interleaved(numbers: Tensor, weights: Tensor) -> Tensor:
    """Returns int32 [..., 2]: the numbers, and the bits of the float32 weights."""
    return torch.stack((numbers.int(), weights.float().contiguous().view(torch.int32)), -1)
