"""The structs that a launch of csrc/resample/cuda gets: fields as in C++, where a test reads them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from specops.ops.cuda_launch import Int32, Int64, numbers
from specops.ops.resample.plans import tilings
from specops.ops.resample.plans.axes import NO_FOLDS, Axis, Folds, Images, axes_of, folds_of, transposed
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
    outer: Int64 = False


class Plan(NamedTuple):
    """What a kernel gets beside images and taps: the raw op, and its arguments after those."""

    op: str
    arguments: tuple[Tensor, ...]


@functools.lru_cache(maxsize=1024)
def plan(
    op: str,
    shape: torch.Size,
    taps: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    channels_last: bool,
    sampling: tuple[Any, ...],
) -> Plan | None:
    """Returns how to run an op of the contract, or None where it does not fit a block or there are no images.

    Args:
        op: its name.
        shape, dtype, device, channels_last: of the first images.
        taps: [fh, fw], or 1-D of several.
        sampling: up, down, padding and boundary, and the size [H, W] that `upfirdn2d_transpose` makes.
    """
    channels = shape[1] if channels_last else 1
    images, outer = Images(shape[:-2].numel() // channels, channels, dtype, device), len(taps) == 1
    if images.planes == 0:
        return None
    if op != "upfirdn2d_transpose":
        axes = axes_of(shape[-2:], taps, *sampling)
        return _plan_of_axes(*axes, images, outer, sums=op == "upfirdn2d_filter_correlation")
    *sampling_back, size = sampling
    axes = axes_of(size, taps, *sampling_back)
    folds = (folds_of(axes[0]), folds_of(axes[1]))
    return _plan_of_axes(transposed(axes[0]), transposed(axes[1]), images, outer, folds=folds)


def _plan_of_axes(
    y: Axis,
    x: Axis,
    images: Images,
    outer: bool,
    *,
    folds: tuple[Folds, Folds] = (NO_FOLDS, NO_FOLDS),
    sums: bool = False,
) -> Plan | None:
    """The plan of an operator with these axes and folds.

    Its taps are 1-D where `outer`, and it correlates two images where `sums`.
    """
    if not (_fits(y) and _fits(x)):
        return None
    folds_exist = any(len(each.to) for each in folds)
    if not (sums or folds_exist) and tilings.in_patches(y, x, images.channels, images.dtype):
        return _patch_plan(y, x, images, outer)
    return _tile_plan(y, x, images, outer, folds, sums)


def _fits(axis: Axis) -> bool:
    reach = max(axis.n_in * axis.up, axis.n_out * axis.down) + abs(axis.before) + axis.n_taps
    return reach * max(axis.up, axis.down) < FARTHEST


def _patch_plan(y: Axis, x: Axis, images: Images, outer: bool) -> Plan:
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
    launch = Launch(PIXELS.index(images.dtype), images.planes, blocks, tilings.PATCH_THREADS, outer=outer)
    return Plan("upfirdn2d_patches", (numbers(layout), numbers(launch)))


def _tile_plan(y: Axis, x: Axis, images: Images, outer: bool, folds: tuple[Folds, Folds], sums: bool) -> Plan | None:
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
        outer=outer,
    )
    structs = (numbers(layout), numbers(launch))
    if sums:
        return Plan("upfirdn2d_filter_correlation", structs)
    lists = (folds[0].lists(y.n_out, rows, device), folds[1].lists(x.n_out, columns, device))
    return Plan("upfirdn2d", (*lists, *structs))


def _bands(row_tiles: int, blocks: int) -> tuple[int, int]:
    """Runs that tiles one below the other are cut to, for enough `blocks`, and the tiles of a run."""
    bands = min(row_tiles, max(1, ENOUGH_BLOCKS // blocks))
    steps = -(-row_tiles // bands)
    return -(-row_tiles // steps), steps
