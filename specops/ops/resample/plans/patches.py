"""Strips of outputs whose sums wait in registers, for csrc/resample/cuda/patch.cuh."""

from __future__ import annotations

import torch

from specops.ops.resample.plans.axes import Axis
from specops.ops.resample.plans.tilings import VECTOR_BYTES, TiledAxis

# Up, down and taps of both axes that patch.cuh is compiled for.
PATCHES = frozenset([(2, 1, 2), (2, 1, 4), (2, 1, 12), (1, 2, 2), (1, 2, 4), (1, 2, 12), (1, 1, 3), (1, 1, 4)])
PATCH_THREADS = 128  # kPatchThreads
ENOUGH_STRIPS = 1 << 18  # twice the threads that an H100 holds at once: 132 multiprocessors with 32 warps each
BAND_ROWS = 32  # output rows to one that is added up before the first is complete: 3 % of the work is done twice
LEAST_ROWS = 8  # of a strip, however few there are


def in_patches(y: Axis, x: Axis, channels: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels of patches for an operator without folds."""
    listed = (y.up, y.down, y.n_taps) == (x.up, x.down, x.n_taps) and (x.up, x.down, x.n_taps) in PATCHES
    return listed and channels == 1 and dtype != torch.float64 and y.extends_once and x.extends_once


def strips(y: Axis, x: Axis, planes: int, itemsize: int) -> tuple[TiledAxis, TiledAxis, int]:
    """Returns the axes with the outputs of one strip, a vector of columns and some rows, and the bands of a plane.

    A thread adds up `ahead` rows of samples before its first output is complete. All bands have one length, as far as
    rows that are completed together allow.
    """
    width = VECTOR_BYTES // itemsize
    ahead = -(-y.n_taps // y.up) - y.down
    rows = BAND_ROWS * max(ahead, y.down) * y.up // y.down
    while rows > LEAST_ROWS and planes * -(-x.n_out // width) * -(-y.n_out // rows) < ENOUGH_STRIPS:
        rows //= 2
    bands = -(-y.n_out // rows)
    return TiledAxis.of(y, -(-y.n_out // (bands * y.up)) * y.up), TiledAxis.of(x, width), bands
