"""Resampling by Triton kernels; arguments as in `contract`.

A program makes a band of a plane, a tile of outputs after the other, and reads the samples that a tile needs and the
one before did not. Which they are, and which terms make an output, are tables per axis; those of a transpose have
samples and outputs exchanged. A channels-last image is a plane whose rows hold all channels. What has too many taps for
a tile goes to the reference.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specops.ops._layout import compute_dtype, like_layout, memory_format
from specops.ops.resample import gpu_plans, reference
from specops.ops.resample import triton_kernels as kernels
from specops.ops.resample.gpu_plans import VECTOR_BYTES, Axis
from specops.ops.triton_launch import launch, on_its_device

SUM_BLOCK = 1024
ENOUGH_TILES = 128  # for tiles of the best size
ENOUGH_PROGRAMS = 4096  # for a program to make more than a tile
MOST_AGAIN = 0.05  # of what must move, that tiles may read again
MOST_STEPS = 8  # tiles of a program: on an H100 more of them lose more by waiting than by reading again
TILE_BYTES = 16 << 10, 128 << 10  # of a tile's samples, of its outputs and between the axes; the second if need be
WARP_BYTES = 4 << 10  # of these, 32 registers of a thread
# Lane instructions, about, over those that store an element; fitted to executed ones, of which it is .5 to 1.2 times: a
# program, a sample read, and a term along y and along x for each 32 elements that it may be gathered from.
PROGRAM_WORK, LOAD_WORK, ROW_WORK, COLUMN_WORK = 8 << 10, 11, 2, 1
LANES = 32
MOST_TAPS, MOST_TERMS, MOST_PROGRAMS = 1 << 12, 1 << 22, 1 << 30


@dataclass(frozen=True)
class Tiles:
    """Runs of outputs of an axis, as the kernels know them.

    Attributes:
        tables: int32 [bands · steps, ...]: which vectors of samples to load, [slots / load], and of outputs,
            [block / store]; then the slot + 2^16 tap of each term, [depth, block]. A vector or tap of -1 is none.
        bands, steps: tiles are in `bands` runs of `steps`; samples that the next one of a run needs too stay in slots.
    """

    tables: Tensor
    bands: int
    steps: int
    slots: int
    block: int
    depth: int


@dataclass(frozen=True)
class Line:
    """Terms of an axis in order of the output: element `to` += tap · element `sample`.

    Attributes:
        sample: by its place in memory, of `n_in`.
        place: of each output.
        load, store: elements of a vector of samples, of outputs.
    """

    to: np.ndarray
    sample: np.ndarray
    tap: np.ndarray
    place: np.ndarray
    n_in: int
    load: int
    store: int

    @functools.cached_property
    def terms(self) -> int:
        """Of the output that has most."""
        return int(np.bincount(self.to, minlength=1).max())

    def divisions(self) -> Iterator[tuple[int, int]]:
        """Outputs of a tile and slots that its samples take: powers of 2, and fewer outputs that take half as many."""
        outputs, slots = self.store, 0
        while outputs < 2 * len(self.place) and slots < TILE_BYTES[-1]:
            needed = self._needed(outputs)
            slots = gpu_plans.power_of_two(needed)
            yield min(outputs, len(self.place)), slots
            fewer = outputs * slots // 2 // needed // self.store * self.store
            if fewer and slots > self.load and self._needed(fewer) <= slots // 2:
                yield fewer, slots // 2
            outputs *= 2

    def tiles(self, outputs: int, bands: int, depth: int, device: torch.device) -> Tiles:
        """Tables of tiles of `outputs`, in up to `bands` runs, as many as there are tiles if these share no samples.

        Terms are in order of the tap where `depth` of them are asked for.
        """
        tile, vector, which = self._vectors(outputs)
        count, block = -(-len(self.place) // outputs), gpu_plans.power_of_two(outputs)
        steps = -(-count // bands) if len(np.unique(vector)) < len(vector) else 1
        bands = -(-count // steps)
        count, slots = bands * steps, gpu_plans.power_of_two(self._needed(outputs))
        samples, slot = _slots(tile, vector, count, steps, slots // self.load)
        places = np.full((count, block // self.store), -1)
        first = np.arange(0, len(self.place), self.store)
        places[first // outputs, first % outputs // self.store] = self.place[first] // self.store
        order = self.tap if depth else np.arange(len(self.to)) - np.searchsorted(self.to, self.to)
        depth = depth or int(order.max(initial=0)) + 1
        terms = np.full((count, depth, block), -(1 << 16))
        term = slot[which] * self.load + self.sample % self.load + (self.tap << 16)
        terms[self.to // outputs, order, self.to % outputs] = term
        tables = np.concatenate([table.reshape(count, -1) for table in (samples, places, terms)], 1)
        return Tiles(torch.from_numpy(tables.astype(np.int32)).to(device), bands, steps, slots, block, depth)

    def read_again(self, outputs: int) -> int:
        """Vectors of samples that tiles of `outputs` share."""
        _, vector, _ = self._vectors(outputs)
        return len(vector) - len(np.unique(vector))

    def _needed(self, outputs: int) -> int:
        """Slots of the largest tile."""
        return self.load * max(1, int(np.bincount(self._vectors(outputs)[0], minlength=1).max()))

    def _vectors(self, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles and the vectors of samples that they need, in order, and which of these pairs each term needs."""
        pairs, which = np.unique(self.to // outputs << 32 | self.sample // self.load, return_inverse=True)
        return pairs >> 32, pairs & 0xFFFFFFFF, which.reshape(-1)


def _slots(tile: np.ndarray, vector: np.ndarray, count: int, steps: int, n_slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors to load into slots, [count, n_slots], and the slot of each `vector` that a `tile` needs, in their order.

    Those that are in a slot already are not loaded again, but for the first of `steps` tiles all are.
    """
    loaded, slot = np.full((count, n_slots), -1), np.empty_like(vector)
    begin = np.searchsorted(tile, np.arange(count + 1))
    held = np.full(n_slots, -1)
    for t in range(count):
        if t % steps == 0:
            held[:] = -1
        needed = vector[begin[t] : begin[t + 1]]
        new = needed[~np.isin(needed, held)]
        free = np.flatnonzero(~np.isin(held, needed))[: len(new)]
        loaded[t, free] = held[free] = new
        order = np.argsort(held)
        slot[begin[t] : begin[t + 1]] = order[np.searchsorted(held, needed, sorter=order)]
    return loaded, slot


def _line(axis: Axis, exchanged: bool, channels: int, vector: int) -> Line:
    """Terms of an axis, of its transpose if `exchanged`, for pixels of `channels` elements, 2 · vector to a sector.

    In a tile, as many channels as a sector holds are neighbours, and then the pixels.
    """
    to, sample, tap, _ = gpu_plans.terms_of(axis)
    n_in, n_out = axis.n_in, axis.n_out
    if exchanged:
        to, sample, n_in, n_out = sample, to, n_out, n_in
    channel = np.arange(channels)
    inner = channels if channels <= 2 * vector else math.gcd(channels, 2 * vector)
    unbroken = 0 if inner == channels else inner

    def in_tiles(pixel: np.ndarray) -> np.ndarray:
        return (channel // inner * n_out + pixel[:, None]) * inner + channel % inner

    terms = np.broadcast_arrays(in_tiles(to), sample[:, None] * channels + channel, tap[:, None])
    to, sample, tap = (each.reshape(-1) for each in terms)
    order = np.lexsort((tap, sample, to))
    to, sample, tap = to[order], sample[order], tap[order]
    place = np.argsort(in_tiles(np.arange(n_out)).reshape(-1))
    load, store = (math.gcd(vector, n * channels, unbroken) for n in (n_in, n_out))
    return Line(to, sample, tap, place, n_in * channels, load, store)


def _division(rows: Line, columns: Line, planes: int, itemsize: int) -> tuple[int, int, int] | None:
    """Outputs of a tile along y and x and its bytes, the least work of what fits; None where nothing does."""
    height, width = len(rows.place), len(columns.place)
    choices = []
    for (r, r_slots), (c, c_slots) in itertools.product(tuple(rows.divisions()), tuple(columns.divisions())):
        r_block, c_block = gpu_plans.power_of_two(r), gpu_plans.power_of_two(c)
        tile_bytes = max(r_slots * c_slots, r_block * c_slots, r_block * c_block) * itemsize
        work = (
            PROGRAM_WORK
            + LOAD_WORK * r_slots * c_slots
            + ROW_WORK * rows.terms * r_block * c_slots * max(1, r_slots / LANES)
            + (COLUMN_WORK * columns.terms * max(1, c_slots / LANES) + 1) * r_block * c_block
        )
        waves = max(1.0, planes * -(-height // r) * -(-width // c) / ENOUGH_TILES)
        choices.append((waves * work, r, c, tile_bytes))
    for most in TILE_BYTES:
        if fitting := [choice for choice in choices if choice[-1] <= most]:
            return min(fitting)[1:]
    return None


@dataclass(frozen=True)
class Plan:
    """How kernels are launched.

    Attributes:
        programs: of a plane.
        tables: of rows and of columns, how many bands and tiles of columns they have, tiles of a band, terms, and the
            extents of inputs and outputs, in vectors.
        constants: slots and block of the rows and of the columns, elements of a vector of samples, of outputs.
    """

    programs: int
    tables: tuple[Tensor | int, ...]
    constants: dict[str, Any]


@functools.lru_cache(maxsize=1024)
def plan(
    y: Axis,
    x: Axis,
    exchanged: bool,
    by_tap: bool,
    planes: int,
    channels: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Plan | None:
    """Returns how to go through images [H, W, channels], or None where there are too many taps for a tile.

    Args:
        y, x: axes of upfirdn2d.
        exchanged: whether its outputs are read and places of its samples are written.
        by_tap: whether the terms of an output are counted by tap.
        planes: of which there are at least as many.
    """
    if y.taps * x.taps > MOST_TAPS or max(y.n_out * y.taps, x.n_out * x.taps * channels) > MOST_TERMS:
        return None
    rows, columns = _line(y, exchanged, 1, 1), _line(x, exchanged, channels, VECTOR_BYTES // dtype.itemsize)
    division = _division(rows, columns, planes, compute_dtype(dtype).itemsize)
    if division is None:
        return None
    r, c, tile_bytes = division
    column_tiles = columns.tiles(c, MOST_PROGRAMS, by_tap * x.taps, device)
    again = rows.read_again(r) * columns.n_in / (rows.n_in * columns.n_in + len(rows.place) * len(columns.place))
    in_bands = again > MOST_AGAIN and -(-len(rows.place) // r) <= MOST_STEPS and not by_tap
    bands = max(1, ENOUGH_PROGRAMS // (planes * column_tiles.bands)) if in_bands else MOST_PROGRAMS
    row_tiles = rows.tiles(r, bands, by_tap * y.taps, device)
    programs, counts = row_tiles.bands * column_tiles.bands, (row_tiles.bands, column_tiles.bands, row_tiles.steps)
    depths = row_tiles.depth, column_tiles.depth
    extents = rows.n_in, columns.n_in // columns.load, len(rows.place), len(columns.place) // columns.store
    constants = {"SR": row_tiles.slots, "BR": row_tiles.block, "SC": column_tiles.slots, "BC": column_tiles.block}
    constants |= {"LOAD": columns.load, "STORE": columns.store}
    constants["num_warps"] = min(16, gpu_plans.power_of_two(-(-tile_bytes // WARP_BYTES)))
    return Plan(programs, (row_tiles.tables, column_tiles.tables, *counts, *depths, *extents), constants)


def _plan(x: Tensor, axes: tuple[Axis, Axis], exchanged: bool, by_tap: bool = False) -> tuple[Plan | None, int]:
    """The plan for images x, and how many planes they are."""
    channels = x.shape[1] if memory_format(x) == torch.channels_last else 1
    planes = x.shape[:-2].numel() // channels
    enough = min(1 << max(0, planes.bit_length() - 1), ENOUGH_PROGRAMS)  # few sizes of a batch have a plan of their own
    how = plan(*axes, exchanged, by_tap, enough, channels, x.dtype, x.device)
    return (how if how and planes * how.programs <= MOST_PROGRAMS else None), planes


def _resampled(x: Tensor, f: Tensor, axes: tuple[Axis, Axis], size: Sequence[int], exchanged: bool) -> Tensor | None:
    """x filtered, or None where it is not for these kernels."""
    out = torch.empty((*x.shape[:-2], *size), dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    if x.numel() == 0:
        return out
    how, planes = _plan(x, axes, exchanged)
    if how is None:
        return None
    fh, fw = f.shape
    launch(
        kernels.resample_kernel, planes * how.programs, like_layout(x, x), out, f.contiguous(), *how.tables,
        ROUNDOFF=torch.finfo(f.dtype).eps / 2, FH=fh, FW=fw, PADDED=gpu_plans.power_of_two(fh * fw), **how.constants,
        more_warps=True,
    )  # fmt: skip
    return out


@on_its_device
def upfirdn2d(
    x: Tensor, f: Tensor, up: Sequence[int], down: Sequence[int], padding: Sequence[int], boundary: str
) -> Tensor:
    """x [..., H, W], f [fh, fw] -> [..., Ho, Wo]."""
    axes = gpu_plans.axes_of(x.shape[-2:], f.shape, up, down, padding, boundary)
    out = _resampled(x, f, axes, [axis.n_out for axis in axes], exchanged=False)
    return reference.upfirdn2d(x, f, up, down, padding, boundary) if out is None else out


@on_its_device
def upfirdn2d_transpose(
    y: Tensor,
    f: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    size: Sequence[int],
) -> Tensor:
    """y [..., Ho, Wo], f [fh, fw] -> [..., H, W] with (H, W) = size."""
    axes = gpu_plans.axes_of(size, f.shape, up, down, padding, boundary)
    out = _resampled(y, f, axes, size, exchanged=True)
    return reference.upfirdn2d_transpose(y, f, up, down, padding, boundary, size) if out is None else out


@on_its_device
def upfirdn2d_filter_correlation(
    x: Tensor,
    y: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    taps: Sequence[int],
) -> Tensor:
    """x [..., H, W], y [..., Ho, Wo] -> [fh, fw] with (fh, fw) = taps; the order of the planes is that of the batch."""
    out = x.new_zeros(tuple(taps), dtype=compute_dtype(x.dtype))
    if x.numel() == 0:
        return out
    axes = gpu_plans.axes_of(x.shape[-2:], taps, up, down, padding, boundary)
    x, y = x.contiguous(), y.contiguous()
    exchanged = boundary == "zeros" and y.numel() > x.numel()  # a tap takes a sample at most once: go through the fewer
    how, planes = _plan(x, axes, exchanged, by_tap=True)
    if how is None:
        return reference.upfirdn2d_filter_correlation(x, y, up, down, padding, boundary, taps)
    programs = planes * how.programs
    sums = torch.empty(out.numel(), programs, dtype=out.dtype, device=x.device)
    pair = (y, x) if exchanged else (x, y)
    launch(kernels.correlation_kernel, programs, *pair, sums, *how.tables, **how.constants)
    kernels.sum_kernel[(out.numel(),)](sums, out, programs, SUM_BLOCK)
    return out
