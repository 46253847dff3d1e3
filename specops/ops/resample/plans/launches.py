"""The structs that a launch of csrc/resample/cuda gets: fields as in C++, where a test reads them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops.ops.cuda_launch import Int32, Int64, integers_of
from specops.ops.resample.plans import tilings
from specops.ops.resample.plans.axes import NO_FOLDS, Axis, Folds, Images, folds_of
from specops.ops.resample.plans.tilings import VECTOR_BYTES, TiledAxis

PIXELS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # in the order of enum Pixel
ENOUGH_BLOCKS = 128  # about the multiprocessors of a GPU: 108 of an A100, 132 of an H100
MOST_SEGMENTS = 4 * ENOUGH_BLOCKS  # blocks that add up a correlation; not timed against others
FARTHEST = 2**30  # coordinates are int32


@dataclass(frozen=True)
class Layout:
    """How a plane is divided; see struct Layout of tile.cuh. Patches leave the defaults."""

    y: TiledAxis
    x: TiledAxis
    channels: Int32 = 1
    inner_bits: Int32 = 0
    channel_tiles: Int32 = 1
    column_tiles: Int32 = 1
    bands: Int32 = 1
    steps: Int32 = 1
    pitch: Int32 = 0
    out_pitch: Int32 = 0
    load_vectors: Int32 = False
    store_vectors: Int32 = False


@dataclass(frozen=True)
class Launch:
    """What the host needs of a launch; see struct Launch of resample_cuda.h."""

    pixel: Int64
    planes: Int64
    blocks: Int64
    threads: Int64
    shared_bytes: Int64 = 0


@dataclass(frozen=True)
class Plan:
    """What a kernel gets beside images and taps: `op` is the raw op, folds are lists, empty where there are none."""

    op: str
    layout: Layout
    launch: Launch
    row_folds: Tensor
    column_folds: Tensor

    @functools.cached_property
    def arguments(self) -> tuple[Any, ...]:
        """What the raw op takes after images and taps."""
        folds = (self.row_folds, self.column_folds) if self.op == "upfirdn2d" else ()
        return *folds, integers_of(self.layout), integers_of(self.launch)


@functools.lru_cache(maxsize=1024)
def plan(
    y: Axis, x: Axis, images: Images, *, folded: tuple[Axis, Axis] | None = None, sums: bool = False
) -> Plan | None:
    """Returns how to run an operator on images, or None where it does not fit a block.

    Args:
        y, x: the operator's axes.
        folded: for a transpose, the axes that it is the transpose of.
        sums: whether to correlate two images rather than to filter one.
    """
    if not (_fits(y) and _fits(x)):
        return None
    folds = (folds_of(folded[0]), folds_of(folded[1])) if folded else (NO_FOLDS, NO_FOLDS)
    folds_exist = any(len(each.to) for each in folds)
    if not (sums or folds_exist) and tilings.in_patches(y, x, images.channels, images.dtype):
        return _patch_plan(y, x, images)
    return _tile_plan(y, x, images, folds, sums)


def _fits(axis: Axis) -> bool:
    reach = max(axis.n_in * axis.up, axis.n_out * axis.down) + abs(axis.before) + axis.n_taps
    return reach * max(axis.up, axis.down) < FARTHEST


def _patch_plan(y: Axis, x: Axis, images: Images) -> Plan:
    tiled_y, tiled_x, bands = tilings.strips(y, x, images.planes, images.dtype.itemsize)
    columns = -(-x.n_out // tiled_x.tile)
    layout = Layout(
        tiled_y,
        tiled_x,
        column_tiles=columns,
        bands=bands,
        load_vectors=x.n_in % min(4, tiled_x.tile * x.down // x.up) == 0,
        store_vectors=x.n_out % tiled_x.tile == 0,
    )
    blocks = -(-images.planes * columns * bands // tilings.PATCH_THREADS)
    launch = Launch(PIXELS.index(images.dtype), images.planes, blocks, tilings.PATCH_THREADS)
    none = torch.empty(0, dtype=torch.int32, device=images.device)
    return Plan("upfirdn2d_patches", layout, launch, none, none)


def _tile_plan(y: Axis, x: Axis, images: Images, folds: tuple[Folds, Folds], sums: bool) -> Plan | None:
    planes, channels, dtype, device = images
    tiling = tilings.best_tiling(y, x, folds, channels, dtype.itemsize, sums)
    if tiling is None:
        return None
    rows, columns = tiling.y.tile, tiling.x.tile
    channel_tiles, column_tiles = -(-channels // (1 << tiling.inner_bits)), -(-x.n_out // columns)
    bands, steps = _bands(-(-y.n_out // rows), planes * channel_tiles * column_tiles)
    tiles = bands * channel_tiles * column_tiles
    vector = VECTOR_BYTES // dtype.itemsize
    layout = Layout(
        y=tiling.y,
        x=tiling.x,
        channels=channels,
        inner_bits=tiling.inner_bits,
        channel_tiles=channel_tiles,
        column_tiles=column_tiles,
        bands=bands,
        steps=steps,
        pitch=tiling.pitch,
        out_pitch=tiling.out_pitch,
        load_vectors=(x.n_in if channels == 1 else channels) % vector == 0,
        store_vectors=(x.n_out if channels == 1 else channels) % vector == 0,
    )
    outputs = rows * (columns << tiling.inner_bits) // tilings.ROWS_AT_ONCE
    launch = Launch(
        pixel=PIXELS.index(dtype),
        planes=planes,
        blocks=tiles * (max(1, min(planes, MOST_SEGMENTS // tiles)) if sums else planes),
        threads=min(tilings.MOST_THREADS, tilings.rounded(outputs, 32)),
        shared_bytes=tiling.shared_bytes,
    )
    row_folds = folds[0].lists(y.n_out, rows, device)
    return Plan("upfirdn2d", layout, launch, row_folds, folds[1].lists(x.n_out, columns, device))


def _bands(row_tiles: int, blocks: int) -> tuple[int, int]:
    """Runs that tiles one below the other are cut to, for enough `blocks`, and the tiles of a run."""
    bands = min(row_tiles, max(1, ENOUGH_BLOCKS // blocks))
    steps = -(-row_tiles // bands)
    return -(-row_tiles // steps), steps
