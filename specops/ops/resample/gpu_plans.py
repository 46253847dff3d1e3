"""How the GPU kernels of resampling divide their work: tiles of outputs, the memory each needs, and folds.

A kernel follows the windows of csrc/resample/cuda/windows.cuh, which need no lists. What a transpose adds beside them,
since the boundary took samples from inside the image, are folds: lists of terms, made here once per set of arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from specops.ops.resample.reference import source_index

BOUNDARY_CODES = {"zeros": 0, "reflect": 1, "replicate": 2, "circular": 3}
PIXEL_CODES = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.float64: 3}
VECTOR_BYTES = 16
SECTOR_BYTES = 32
MOST_THREADS = 256
ROWS_AT_ONCE = 4
TILE_OUTPUTS = 2048
WIDEST_TILE = 1024
ROOMY, MOST = 48 << 10, 160 << 10  # bytes of shared memory: several blocks on a multiprocessor, one block
ENOUGH_BLOCKS = 128
MOST_SEGMENTS = 512
FARTHEST = 2**30  # coordinates are int32
# Up, down and taps of both axes that csrc/resample/cuda/patch.cuh is compiled for.
PATCHES = frozenset([(2, 1, 2), (2, 1, 4), (2, 1, 12), (1, 2, 2), (1, 2, 4), (1, 2, 12), (1, 1, 3), (1, 1, 4)])
PATCH_THREADS = 128
ENOUGH_STRIPS = 1 << 18  # twice the threads that an H100 holds at once


@dataclass(frozen=True)
class Axis:
    """One axis of an operator: output o is a sum over samples s with 0 <= s·up - (o·down - before) < taps."""

    n_in: int
    n_out: int
    taps: int
    up: int
    down: int
    before: int
    counts_down: bool
    boundary: str

    def first(self, output: np.ndarray) -> np.ndarray:
        return -((self.before - output * self.down) // self.up)

    def end(self, output: np.ndarray) -> np.ndarray:
        return -((self.before - self.taps - output * self.down) // self.up)

    @property
    def extends_once(self) -> bool:
        """Whether each sample beyond an end is one of the image, reflected or moved by a period once."""
        first, end, overlap = self.first(np.array(0)), self.end(np.array(self.n_out - 1)), self.boundary == "reflect"
        near = first >= overlap - self.n_in and end <= 2 * self.n_in - overlap
        return self.boundary in ("zeros", "replicate") or bool(near)

    def slots(self, tile: int, alignment: int) -> int:
        """Samples that a tile of outputs needs, from an aligned one on."""
        begin = np.arange(0, self.n_out, tile)
        first = self.first(begin)
        end = np.maximum(self.end(np.minimum(begin + tile, self.n_out) - 1), first)
        return max(1, int((end - first // alignment * alignment).max()))


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
        """As struct Folds of csrc/resample/cuda/tile.cuh reads them."""
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


def axes_of(
    size: Sequence[int],
    taps: Sequence[int],
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
) -> tuple[Axis, Axis]:
    """Returns the axes along y and x of upfirdn2d of images of `size`."""

    def axis(n: int, n_taps: int, d: int) -> Axis:
        n_out = (n * up[d] + padding[2 * d] + padding[2 * d + 1] - n_taps) // down[d] + 1
        return Axis(n, n_out, n_taps, up[d], down[d], padding[2 * d], True, boundary)

    return axis(size[0], taps[0], 1), axis(size[1], taps[1], 0)


def transposed(axis: Axis) -> Axis:
    return Axis(axis.n_out, axis.n_in, axis.taps, axis.down, axis.up, axis.taps - 1 - axis.before, False, "zeros")


def terms_of(axis: Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns output, sample and tap of every term of `axis`, and whether the boundary put the sample there."""
    output, tap = np.meshgrid(np.arange(axis.n_out), np.arange(axis.taps), indexing="ij")
    position = output * axis.down + axis.taps - 1 - tap - axis.before  # in the zero-inserted image
    after = max(0, int(position.max()) + 1 - axis.n_in * axis.up)
    before = max(0, -int(position.min()))
    source = source_index(axis.n_in, axis.up, before, after, axis.boundary, torch.device("cpu")).numpy()
    outside = (position < 0) | (position >= axis.n_in * axis.up)
    there = (position % axis.up == 0) & ~(outside & (axis.boundary == "zeros"))
    return output[there], source[position[there] + before], tap[there], outside[there]


def folds_of(axis: Axis) -> Folds:
    """Returns the folds of the transpose of `axis`: each tap of each output that met a sample beyond the image."""
    if axis.boundary == "zeros":
        return NO_FOLDS
    sample, to, tap, outside = terms_of(axis)
    to, sample, tap = to[outside], sample[outside], tap[outside]
    order = np.lexsort((tap, sample, to))
    return Folds(to[order], sample[order], tap[order])


@dataclass(frozen=True)
class Tiling:
    """Outputs of a tile along y and x, channels in it (as a power of 2), and what it needs of shared memory."""

    rows: int
    columns: int
    inner_bits: int
    row_slots: int
    row_extras: int
    column_slots: int
    column_extras: int
    pitch: int
    out_pitch: int
    shared_bytes: int


def _rounded(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def power_of_two(n: int) -> int:
    """The least that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def _tiling(
    y: Axis, x: Axis, folds: tuple[Folds, Folds], rows: int, columns: int, inner_bits: int, itemsize: int, sums: bool
) -> Tiling:
    vector = VECTOR_BYTES // itemsize
    sector = SECTOR_BYTES // itemsize
    row_slots, column_slots = y.slots(rows, 1), x.slots(columns, sector if inner_bits == 0 else 1)
    row_extras, column_extras = folds[0].extras(rows), folds[1].extras(columns)
    column_slots = _rounded(column_slots << inner_bits, sector) >> inner_bits
    pitch = _rounded((column_slots + column_extras) << inner_bits, vector)
    out_pitch = _rounded(columns << inner_bits, vector)
    wide = max(itemsize, 4)
    window = 12
    if sums:
        elements = row_slots * pitch + rows * out_pitch
        listed = 8 * _rounded(y.taps * x.taps, 2) + window * (y.taps + x.taps)
    else:
        elements = (row_slots + row_extras + rows) * pitch + rows * out_pitch
        elements += _rounded(max(y.taps * x.taps, y.taps + x.taps), VECTOR_BYTES // wide)
        listed = window * (rows + columns)
    shared_bytes = elements * wide + listed
    return Tiling(
        rows, columns, inner_bits, row_slots, row_extras, column_slots, column_extras, pitch, out_pitch, shared_bytes
    )


def _best_tiling(
    y: Axis, x: Axis, folds: tuple[Folds, Folds], channels: int, itemsize: int, sums: bool
) -> Tiling | None:
    """The widest tile that leaves room for other blocks, the least of shared memory if none does, or None."""
    inner = min(power_of_two(channels), SECTOR_BYTES // itemsize)
    inner_bits = inner.bit_length() - 1
    widest = min(power_of_two(x.n_out), WIDEST_TILE // inner)
    found: Tiling | None = None
    columns = max(widest, 8 // inner, 1)
    while columns * inner >= min(32, widest * inner):
        rows = min(max(TILE_OUTPUTS // (columns * inner), ROWS_AT_ONCE), 32, _rounded(y.n_out, ROWS_AT_ONCE))
        while rows >= ROWS_AT_ONCE:
            tiling = _tiling(y, x, folds, rows, columns, inner_bits, itemsize, sums)
            if tiling.shared_bytes <= ROOMY:
                return tiling
            if found is None or tiling.shared_bytes < found.shared_bytes:
                found = tiling
            rows = _rounded(rows // 2, ROWS_AT_ONCE) if rows > ROWS_AT_ONCE else 0
        columns //= 2
    return found if found is not None and found.shared_bytes <= MOST else None


@dataclass(frozen=True)
class Plan:
    """What a kernel gets beside images and taps.

    Attributes:
        op: the raw op.
        numbers: the fields of struct Layout of csrc/resample/cuda/tile.cuh, then those of struct Launch.
        row_folds, column_folds: int32 lists, empty where there are none.
        blocks: of the launch.
    """

    op: str
    numbers: tuple[int, ...]
    row_folds: Tensor
    column_folds: Tensor
    blocks: int


def _axis_numbers(axis: Axis, tile: int, slots: int, extras: int) -> tuple[int, ...]:
    sampling = (axis.n_in, axis.n_out, axis.taps, axis.up, axis.down, axis.before)
    return *sampling, int(axis.counts_down), BOUNDARY_CODES[axis.boundary], tile, slots, extras


def _fits(axis: Axis) -> bool:
    reach = max(axis.n_in * axis.up, axis.n_out * axis.down) + abs(axis.before) + axis.taps
    return reach * max(axis.up, axis.down) < FARTHEST


def _in_patches(y: Axis, x: Axis, folds: tuple[Folds, Folds], channels: int, dtype: torch.dtype) -> bool:
    """Whether the kernels of csrc/resample/cuda/patch.cuh serve an operator."""
    listed = (y.up, y.down, y.taps) == (x.up, x.down, x.taps) and (x.up, x.down, x.taps) in PATCHES
    plain = channels == 1 and dtype != torch.float64 and not any(len(each.to) for each in folds)
    return listed and plain and y.extends_once and x.extends_once


def _patch_plan(y: Axis, x: Axis, planes: int, dtype: torch.dtype, device: torch.device) -> Plan:
    """A thread makes a strip of `rows` rows; it adds up `ahead` rows of samples before its first output is complete."""
    width = VECTOR_BYTES // dtype.itemsize
    columns = -(-x.n_out // width)
    ahead = -(-y.taps // y.up) - y.down
    rows = 32 * max(ahead, y.down) * y.up // y.down
    while rows > 8 and planes * columns * -(-y.n_out // rows) < ENOUGH_STRIPS:
        rows //= 2
    bands = -(-y.n_out // rows)
    rows = -(-y.n_out // (bands * y.up)) * y.up  # all of one length, as far as rows go together
    blocks = -(-planes * columns * bands // PATCH_THREADS)
    once = width * x.down // x.up
    load, store = int(x.n_in % min(4, once) == 0), int(x.n_out % width == 0)
    numbers = (
        *_axis_numbers(y, rows, 0, 0),
        *_axis_numbers(x, width, 0, 0),
        *(1, 0, 1, columns, bands, 1, 0, 0, load, store),
        *(PIXEL_CODES[dtype], planes, blocks, PATCH_THREADS, 0),
    )
    none = torch.empty(0, dtype=torch.int32, device=device)
    return Plan("upfirdn2d_patches", numbers, none, none, blocks)


@functools.lru_cache(maxsize=1024)
def plan(
    y: Axis,
    x: Axis,
    folded: tuple[Axis, Axis] | None,
    planes: int,
    channels: int,
    dtype: torch.dtype,
    device: torch.device,
    sums: bool = False,
) -> Plan | None:
    """Returns how to run an operator on `planes` images [H, W, channels], or None where it does not fit a block.

    Args:
        y, x: the operator's axes.
        folded: for a transpose, the axes that it is the transpose of.
        sums: whether to correlate two images rather than to filter one.
    """
    if not (_fits(y) and _fits(x)):
        return None
    folds = (folds_of(folded[0]), folds_of(folded[1])) if folded else (NO_FOLDS, NO_FOLDS)
    if not sums and _in_patches(y, x, folds, channels, dtype):
        return _patch_plan(y, x, planes, dtype, device)
    itemsize = dtype.itemsize
    tiling = _best_tiling(y, x, folds, channels, itemsize, sums)
    if tiling is None:
        return None
    channel_tiles = -(-channels // (1 << tiling.inner_bits))
    column_tiles, steps = -(-x.n_out // tiling.columns), -(-y.n_out // tiling.rows)
    bands = min(steps, max(1, ENOUGH_BLOCKS // (planes * channel_tiles * column_tiles)))
    steps = -(-steps // bands)
    bands = -(-y.n_out // (tiling.rows * steps))
    tiles = bands * channel_tiles * column_tiles
    blocks = tiles * (max(1, min(planes, MOST_SEGMENTS // tiles)) if sums else planes)
    vector = VECTOR_BYTES // itemsize
    load, store = (int((width if channels == 1 else channels) % vector == 0) for width in (x.n_in, x.n_out))
    outputs = tiling.rows * (tiling.columns << tiling.inner_bits) // ROWS_AT_ONCE
    threads = min(MOST_THREADS, _rounded(outputs, 32))
    numbers = (
        *_axis_numbers(y, tiling.rows, tiling.row_slots, tiling.row_extras),
        *_axis_numbers(x, tiling.columns, tiling.column_slots, tiling.column_extras),
        *(channels, tiling.inner_bits, channel_tiles, column_tiles, bands, steps, tiling.pitch, tiling.out_pitch),
        *(load, store),
        *(PIXEL_CODES[dtype], planes, blocks, threads, tiling.shared_bytes),
    )
    row_folds = folds[0].lists(y.n_out, tiling.rows, device)
    return Plan("upfirdn2d", numbers, row_folds, folds[1].lists(x.n_out, tiling.columns, device), blocks)
