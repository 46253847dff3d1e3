"""One axis of upfirdn2d or of its transpose: which samples, with which taps, make which output.

A CUDA kernel finds the terms by itself (csrc/resample/cuda/windows.cuh). What a transpose adds beside them, since the
boundary took samples from inside the image, are folds: lists of terms. The Triton kernels get all terms in tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from specops.ops._layout import memory_format
from specops.ops.cuda_launch import Int32
from specops.ops.resample.reference import source_index


class Images(NamedTuple):
    """Planes [H, W, channels] of images; channels that do not lie side by side are planes of one."""

    planes: int
    channels: int
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, x: Tensor) -> Images:
        channels = x.shape[1] if memory_format(x) == torch.channels_last else 1
        return cls(x.shape[:-2].numel() // channels, channels, x.dtype, x.device)


class Boundary(IntEnum):
    """What stands beyond the ends, numbered as in C++."""

    ZEROS, REFLECT, REPLICATE, CIRCULAR = range(4)


@dataclass(frozen=True)
class Axis:
    """Output o is the sum over the samples s with 0 <= s·up - (o·down - before) < n_taps of sample · tap.

    The tap is that distance, or counts down from the last one where the axis is `reversed`. Struct Axis of C++.
    """

    n_in: Int32
    n_out: Int32
    n_taps: Int32
    up: Int32
    down: Int32
    before: Int32
    reversed: Int32
    boundary: Boundary

    def first(self, output: np.ndarray) -> np.ndarray:
        """Returns the first sample of outputs."""
        return -((self.before - output * self.down) // self.up)

    def end(self, output: np.ndarray) -> np.ndarray:
        """Returns one beyond the last sample of outputs."""
        return -((self.before - self.n_taps - output * self.down) // self.up)

    @property
    def extends_once(self) -> bool:
        """Whether each sample beyond an end is one of the image, reflected or moved by a period once."""
        overlap = self.boundary == Boundary.REFLECT
        first, end = self.first(np.array(0)), self.end(np.array(self.n_out - 1))
        near = first >= overlap - self.n_in and end <= 2 * self.n_in - overlap
        return self.boundary in (Boundary.ZEROS, Boundary.REPLICATE) or bool(near)

    def slots_of(self, tile: int, alignment: int) -> int:
        """Samples that a tile of outputs needs, from an aligned one on."""
        begin = np.arange(0, self.n_out, tile)
        first = self.first(begin)
        end = np.maximum(self.end(np.minimum(begin + tile, self.n_out) - 1), first)
        return max(1, int((end - first // alignment * alignment).max()))


def axes_of(
    size: Sequence[int],
    taps: Sequence[int],
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
) -> tuple[Axis, Axis]:
    """Returns the axes along y and x of upfirdn2d of images of `size` by taps [fh, fw] or 1-D."""

    def axis(n: int, n_taps: int, d: int) -> Axis:
        n_out = (n * up[d] + padding[2 * d] + padding[2 * d + 1] - n_taps) // down[d] + 1
        return Axis(n, n_out, n_taps, up[d], down[d], padding[2 * d], True, Boundary[boundary.upper()])

    return axis(size[0], taps[0], 1), axis(size[1], taps[-1], 0)


def transposed(axis: Axis) -> Axis:
    """Returns the transpose of an axis but for its folds: up and down exchanged, the taps counted the other way."""
    before = axis.n_taps - 1 - axis.before
    return Axis(axis.n_out, axis.n_in, axis.n_taps, axis.down, axis.up, before, not axis.reversed, Boundary.ZEROS)


def terms_of(axis: Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns output, sample and tap of every term of `axis`, and whether the boundary put the sample there."""
    output, tap = np.meshgrid(np.arange(axis.n_out), np.arange(axis.n_taps), indexing="ij")
    position = output * axis.down + axis.n_taps - 1 - tap - axis.before  # in the zero-inserted image
    after = max(0, int(position.max()) + 1 - axis.n_in * axis.up)
    before = max(0, -int(position.min()))
    source = source_index(axis.n_in, axis.up, before, after, axis.boundary.name.lower(), torch.device("cpu")).numpy()
    outside = (position < 0) | (position >= axis.n_in * axis.up)
    there = (position % axis.up == 0) & ~(outside & (axis.boundary == Boundary.ZEROS))
    return output[there], source[position[there] + before], tap[there], outside[there]


@dataclass(frozen=True)
class Folds:
    """Terms beside the windows of a transpose, in order of the output: out[to] += tap · y[sample]."""

    to: np.ndarray
    sample: np.ndarray
    tap: np.ndarray

    def extras(self, tile: int) -> int:
        """The most samples that the folds of one tile of outputs need."""
        return int(np.bincount(self._tile_samples(tile)[0][:, 0]).max()) if len(self.to) else 0

    def _tile_samples(self, tile: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = np.stack([self.to // tile, self.sample], 1)
        return np.unique(pairs, axis=0, return_inverse=True)

    def lists(self, n_out: int, tile: int, device: torch.device) -> Tensor:
        """Returns what struct Folds of csrc/resample/cuda/tile.cuh reads, int32; empty where there are no folds."""
        if len(self.to) == 0:
            return torch.empty(0, dtype=torch.int32, device=device)
        samples, which = self._tile_samples(tile)
        extras_begin = np.searchsorted(samples[:, 0], np.arange(-(-n_out // tile) + 1))
        terms_begin = np.searchsorted(self.to, np.arange(n_out + 1))
        slot = which.reshape(-1) - extras_begin[self.to // tile]
        terms = np.stack([slot, self.tap], 1).reshape(-1)
        lists = np.concatenate([extras_begin, terms_begin, samples[:, 1], terms]).astype(np.int32)
        return torch.from_numpy(lists).to(device)


NO_FOLDS = Folds(*(np.zeros(0, dtype=np.int64),) * 3)


def folds_of(axis: Axis) -> Folds:
    """Returns the folds of the transpose of `axis`: each tap of each output that met a sample beyond the image."""
    if axis.boundary == Boundary.ZEROS:
        return NO_FOLDS
    sample, to, tap, outside = terms_of(axis)
    to, sample, tap = to[outside], sample[outside], tap[outside]
    order = np.lexsort((tap, sample, to))
    return Folds(to[order], sample[order], tap[order])
