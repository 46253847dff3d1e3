"""Tiles of outputs whose samples wait in shared memory, and strips of outputs whose sums wait in registers.

The former are for csrc/resample/cuda/tile.cuh, the latter for patch.cuh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from specops.ops.cuda_launch import Int32
from specops.ops.resample.plans.axes import Axis, Folds

VECTOR_BYTES = 16  # the most that one access of a thread moves: hardware
SECTOR_BYTES = 32  # the least that a request moves: hardware
ROWS_AT_ONCE = 4  # kRowsAtOnce
MOST_THREADS = 256  # kThreads
TILE_OUTPUTS = 8 * MOST_THREADS  # two times ROWS_AT_ONCE for each thread; not timed against others
MOST_ROWS = 32  # of a tile; not timed against others
WIDEST_TILE = 1024  # elements of a row of outputs; not timed against others
NARROWEST_TILE = 32  # below it lanes of a warp would have no column
ROOMY = 48 << 10  # bytes: kBlocksEach = 3 blocks fit the 164 KiB of a multiprocessor of sm_80
MOST = 160 << 10  # bytes: a block has at most 163 KiB on sm_80, 227 KiB on sm_90 and sm_100
WINDOW_BYTES = 12  # of struct Window and of struct Pairs
# Up, down and taps of both axes that patch.cuh is compiled for.
PATCHES = frozenset([(2, 1, 2), (2, 1, 4), (2, 1, 12), (1, 2, 2), (1, 2, 4), (1, 2, 12), (1, 1, 3), (1, 1, 4)])
PATCH_THREADS = 128  # kPatchThreads
ENOUGH_STRIPS = 1 << 18  # twice the threads that an H100 holds at once: 132 multiprocessors with 32 warps each
BAND_ROWS = 32  # output rows to one that is added up before the first is complete: 3 % of the work is done twice
LEAST_ROWS = 8  # of a strip, however few there are


@dataclass(frozen=True)
class TiledAxis(Axis):
    """An axis and its tile: outputs, slots for samples, the most samples of its folds. Struct TiledAxis of C++."""

    tile: Int32
    slots: Int32
    extras: Int32

    @classmethod
    def of(cls, axis: Axis, tile: int, slots: int = 0, extras: int = 0) -> TiledAxis:
        return cls(**vars(axis), tile=tile, slots=slots, extras=extras)


@dataclass(frozen=True)
class Tiling:
    """Tiled axes, channels of a tile (as a power of 2), elements between rows of samples and of outputs, and bytes."""

    y: TiledAxis
    x: TiledAxis
    inner_bits: int
    pitch: int
    out_pitch: int
    shared_bytes: int


def rounded(n: int, multiple: int) -> int:
    """Returns the least multiple that is not below n."""
    return -(-n // multiple) * multiple


def power_of_two(n: int) -> int:
    """Returns the least power of 2 that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def best_tiling(
    y: Axis, x: Axis, folds: tuple[Folds, Folds], channels: int, itemsize: int, sums: bool
) -> Tiling | None:
    """Returns the widest tile that leaves room for other blocks, the least of shared memory if none does, or None."""
    inner = min(power_of_two(channels), SECTOR_BYTES // itemsize)
    widest = min(power_of_two(x.n_out), WIDEST_TILE // inner)
    least = math.inf
    columns = max(widest, 8 // inner, 1)
    while columns * inner >= min(NARROWEST_TILE, widest * inner):
        outputs = max(TILE_OUTPUTS // (columns * inner), ROWS_AT_ONCE)
        rows = min(outputs, MOST_ROWS, rounded(y.n_out, ROWS_AT_ONCE))
        while rows >= ROWS_AT_ONCE:
            tiling = _tiling(y, x, folds, rows, columns, inner.bit_length() - 1, itemsize, sums)
            if tiling.shared_bytes <= ROOMY:
                return tiling
            if tiling.shared_bytes < least:
                found, least = tiling, tiling.shared_bytes
            rows = rounded(rows // 2, ROWS_AT_ONCE) if rows > ROWS_AT_ONCE else 0
        columns //= 2
    return found if least <= MOST else None


def _tiling(
    y: Axis, x: Axis, folds: tuple[Folds, Folds], rows: int, columns: int, inner_bits: int, itemsize: int, sums: bool
) -> Tiling:
    """What tiles of rows x columns take, as `tile_in` of the kernel divides its memory."""
    vector, sector, wide = VECTOR_BYTES // itemsize, SECTOR_BYTES // itemsize, max(itemsize, 4)
    row_slots, column_slots = y.slots_of(rows, 1), x.slots_of(columns, sector if inner_bits == 0 else 1)
    row_extras, column_extras = folds[0].extras(rows), folds[1].extras(columns)
    column_slots = rounded(column_slots << inner_bits, sector) >> inner_bits
    pitch = rounded((column_slots + column_extras) << inner_bits, vector)
    out_pitch = rounded(columns << inner_bits, vector)
    if sums:
        elements = row_slots * pitch + rows * out_pitch
        listed = 8 * rounded(y.n_taps * x.n_taps, 2) + WINDOW_BYTES * (y.n_taps + x.n_taps)
    else:
        elements = (row_slots + row_extras + rows) * pitch + rows * out_pitch
        elements += rounded(max(y.n_taps * x.n_taps, y.n_taps + x.n_taps), VECTOR_BYTES // wide)
        listed = WINDOW_BYTES * (rows + columns)
    tiled = (TiledAxis.of(y, rows, row_slots, row_extras), TiledAxis.of(x, columns, column_slots, column_extras))
    return Tiling(*tiled, inner_bits, pitch, out_pitch, elements * wide + listed)


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
