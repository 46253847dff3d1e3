"""Tables that tell the Triton kernels which samples a tile needs, and which terms make each of its outputs.

The terms of a transpose have samples and outputs exchanged. A channels-last image is a plane whose rows hold all
channels.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from specops.ops.resample.plans.axes import Axis, terms_of
from specops.ops.resample.plans.tilings import power_of_two

ENOUGH_TILES = 128  # for tiles of the best size: about the multiprocessors of a GPU
# Bytes of a tile's samples, of its outputs and between the axes: 32 registers for each of 128 threads; the second, all
# registers of half a multiprocessor, if need be.
TILE_BYTES = 16 << 10, 128 << 10
# Lane instructions, about, over those that store an element; fitted to executed ones, of which it is .5 to 1.2 times: a
# program, a sample read, and a term along y and along x for each 32 elements that it may be gathered from.
PROGRAM_WORK, LOAD_WORK, ROW_WORK, COLUMN_WORK = 8 << 10, 11, 2, 1
LANES = 32  # of a warp


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
            slots = power_of_two(needed)
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
        count, block = -(-len(self.place) // outputs), power_of_two(outputs)
        steps = -(-count // bands) if len(np.unique(vector)) < len(vector) else 1
        bands = -(-count // steps)
        count, slots = bands * steps, power_of_two(self._needed(outputs))
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


def line_of(axis: Axis, exchanged: bool, channels: int, vector: int) -> Line:
    """Terms of an axis, of its transpose if `exchanged`, for pixels of `channels` elements, 2 · vector to a sector.

    In a tile, as many channels as a sector holds are neighbours, and then the pixels.
    """
    to, sample, tap, _ = terms_of(axis)
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


def division_of(rows: Line, columns: Line, planes: int, itemsize: int) -> tuple[int, int, int] | None:
    """Outputs of a tile along y and x and its bytes, the least work of what fits; None where nothing does."""
    height, width = len(rows.place), len(columns.place)
    choices = []
    for (r, r_slots), (c, c_slots) in itertools.product(tuple(rows.divisions()), tuple(columns.divisions())):
        r_block, c_block = power_of_two(r), power_of_two(c)
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
