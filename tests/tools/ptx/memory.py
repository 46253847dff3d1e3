"""Global and shared memory of a launch, checked: bounds, alignment, bytes never written, accesses without a barrier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .text import PtxError

RAW = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
NOBODY, MANY, BLOCKS = -1, -2, -3  # of readers: none, several of one block, of several blocks


class AccessError(PtxError):
    """A check that failed, for the lane at a position among the active ones."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


def refuse(bad: np.ndarray, what: str) -> None:
    """Raises AccessError at the first lane where `bad` is set."""
    if bad.any():
        raise AccessError(what, int(np.argmax(bad)) if bad.ndim == 1 else int(np.argmax(bad.any(axis=1))))


class Lanes:
    """The active lanes of an instruction: number in the launch, warps padded to 32, and barriers passed so far."""

    def __init__(self, lane: np.ndarray, epoch: np.ndarray, warp_epoch: np.ndarray, per_block: int) -> None:
        self.lane, self.epoch, self.warp_epoch = lane[:, None], epoch[:, None], warp_epoch[:, None]
        self.warp, self.block, self.per_block = self.lane // 32, self.lane // per_block, per_block

    def at(self, chosen: np.ndarray) -> Lanes:
        return Lanes(self.lane[chosen, 0], self.epoch[chosen, 0], self.warp_epoch[chosen, 0], self.per_block)


class History:
    """Who touched each granule of a memory last, to find accesses that nothing orders.

    Two accesses of different lanes, one of them a store, are ordered by a block barrier between them, or, within one
    warp, by a warp barrier; nothing orders those of different blocks. Stores of what is there already are no conflict:
    compilers repeat a value over lanes.
    """

    def __init__(self, size: int, granule: int, what: str) -> None:
        self.granule, self.what = granule, what
        count = -(-size // granule)
        self.writer, self.reader, self.reading_warp = (np.full(count, NOBODY) for _ in range(3))
        self.written, self.written_by_warp, self.read, self.read_by_warp = (np.zeros(count, np.int32) for _ in range(4))

    def granules(self, offsets: np.ndarray, size: int) -> np.ndarray:
        return (offsets // self.granule)[:, None] + np.arange(max(1, size // self.granule))

    def _after_write(self, at: np.ndarray, who: Lanes) -> np.ndarray:
        writer = self.writer[at]
        same_warp = writer // 32 == who.warp
        unordered = np.where(same_warp, self.written_by_warp[at] == who.warp_epoch, self.written[at] == who.epoch)
        unordered |= writer // who.per_block != who.block
        return (writer != NOBODY) & (writer != who.lane) & unordered

    def load(self, at: np.ndarray, who: Lanes) -> None:
        refuse(self._after_write(at, who), f"{self.what}: read after an unordered write by another thread")
        known_warp, known_lane = self.reading_warp[at], self.reader[at]
        recent = self.read[at] == who.epoch
        warp = np.where(recent & (known_warp != NOBODY) & (known_warp != who.warp), MANY, who.warp)
        warp = np.where(self._of_other_block(known_warp, who), BLOCKS, warp)
        recent &= (known_warp == who.warp) & (self.read_by_warp[at] == who.warp_epoch)
        lane = np.where(recent & (known_lane != NOBODY) & (known_lane != who.lane), MANY, who.lane)
        self.reading_warp[at], self.reader[at] = warp, lane
        kept = self.reading_warp[at]  # several lanes of this very instruction may have read one granule
        self.reading_warp[at[kept != warp]] = MANY
        self.reading_warp[at[(kept == BLOCKS) | (warp == BLOCKS) | self._of_other_block(kept, who)]] = BLOCKS
        self.reader[at[self.reader[at] != lane]] = MANY
        self.read[at], self.read_by_warp[at] = who.epoch, who.warp_epoch

    @staticmethod
    def _of_other_block(warp: np.ndarray, who: Lanes) -> np.ndarray:
        return (warp == BLOCKS) | ((warp >= 0) & (warp * 32 // who.per_block != who.block))

    def store(self, at: np.ndarray, who: Lanes, changes: np.ndarray) -> None:
        refuse(self._after_write(at, who) & changes, f"{self.what}: write after an unordered write by another thread")
        reading = self.reading_warp[at]
        elsewhere = (reading != NOBODY) & (reading != who.warp) & (self.read[at] == who.epoch)
        elsewhere |= self._of_other_block(reading, who)
        beside = (reading == who.warp) & (self.reader[at] != who.lane) & (self.read_by_warp[at] == who.warp_epoch)
        refuse((elsewhere | beside) & changes, f"{self.what}: write after an unordered read by another thread")
        self.writer[at] = who.lane
        self.written[at], self.written_by_warp[at] = who.epoch, who.warp_epoch


class GlobalMemory:
    """NumPy arrays at their own addresses, so that aliasing and alignment are the true ones."""

    def __init__(self, buffers: Sequence[np.ndarray], granule: int, races: bool) -> None:
        flat = [np.ascontiguousarray(buffer).reshape(-1).view(np.uint8) for buffer in buffers]
        self.buffers = flat
        self.bases = np.array([buffer.ctypes.data for buffer in flat], np.uint64)
        for buffer, given in zip(flat, buffers, strict=True):
            if given.size and not np.shares_memory(buffer, given):
                raise ValueError("buffers must be contiguous")
        self.histories: dict[int, History] = {}
        self.granule, self.races = granule, races

    def groups(self, addresses: np.ndarray, size: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Returns (buffer, positions, offsets in bytes) of accesses that lie in buffers and are aligned."""
        refuse(addresses % np.uint64(size) != 0, f"misaligned {size}-byte access to global memory")
        found = np.full(len(addresses), -1)
        for number, (base, buffer) in enumerate(zip(self.bases, self.buffers, strict=True)):
            inside = (addresses >= base) & (addresses + np.uint64(size) <= base + np.uint64(len(buffer)))
            if inside.all():
                return [(number, np.arange(len(addresses)), (addresses - base).astype(np.int64))]
            found[inside] = number
        refuse(found < 0, "global memory access out of bounds")
        chosen = [(number, np.nonzero(found == number)[0]) for number in np.unique(found)]
        return [(int(n), at, (addresses[at] - self.bases[n]).astype(np.int64)) for n, at in chosen]

    def history(self, number: int) -> History:
        if number not in self.histories:
            self.histories[number] = History(len(self.buffers[number]), self.granule, "global memory")
        return self.histories[number]

    def load(self, addresses: np.ndarray, size: int, count: int, who: Lanes) -> np.ndarray:
        """Returns [lane, element] of `count` elements of `size` bytes from each address."""
        values = np.empty((len(addresses), count), RAW[size])
        for number, at, offsets in self.groups(addresses, size * count):
            view = self.buffers[number][: len(self.buffers[number]) // size * size].view(RAW[size])
            values[at] = view[(offsets // size)[:, None] + np.arange(count)]
            if self.races:
                history = self.history(number)
                history.load(history.granules(offsets, size * count), who.at(at))
        return values

    def store(self, addresses: np.ndarray, values: np.ndarray, who: Lanes) -> None:
        """Stores values [lane, element] at each address."""
        size, count = values.dtype.itemsize, values.shape[1]
        for number, at, offsets in self.groups(addresses, size * count):
            view = self.buffers[number][: len(self.buffers[number]) // size * size].view(values.dtype)
            index = (offsets // size)[:, None] + np.arange(count)
            if self.races:
                history = self.history(number)
                granules = history.granules(offsets, size * count)
                changes = np.repeat(view[index] != values[at], granules.shape[1] // count, axis=1)
                history.store(granules, who.at(at), changes)
            view[index] = values[at]
            refuse((view[index] != values[at]).any(axis=1), "threads store different values at one global address")


class SharedMemory:
    """A block's shared memory, for each block of a chunk; never written bytes are known, and all bits of them set."""

    def __init__(self, blocks: int, static_bytes: int, dynamic_bytes: int, granule: int) -> None:
        self.dynamic_start = -(-static_bytes // 128) * 128
        self.limit = self.dynamic_start + dynamic_bytes if dynamic_bytes else static_bytes
        self.pitch = -(-max(self.limit, 1) // 128) * 128
        self.bytes = np.full(blocks * self.pitch, 0xFF, np.uint8)
        self.defined = np.zeros(blocks * self.pitch, np.uint8)
        self.history = History(blocks * self.pitch, granule, "shared memory")

    def _offsets(self, addresses: np.ndarray, size: int, rows: np.ndarray) -> np.ndarray:
        refuse(addresses + np.uint64(size) > np.uint64(self.limit), "shared memory access out of bounds")
        refuse(addresses % np.uint64(size) != 0, f"misaligned {size}-byte access to shared memory")
        return rows * self.pitch + addresses.astype(np.int64)

    def load(
        self, addresses: np.ndarray, size: int, count: int, who: Lanes, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns values [lane, element] and which of them were never written."""
        offsets = self._offsets(addresses, size * count, rows)
        self.history.load(self.history.granules(offsets, size * count), who)
        index = (offsets // size)[:, None] + np.arange(count)
        all_defined = RAW[size](int("01" * size, 16))
        return self.bytes.view(RAW[size])[index], self.defined.view(RAW[size])[index] != all_defined

    def store(
        self, addresses: np.ndarray, values: np.ndarray, undefined: np.ndarray, who: Lanes, rows: np.ndarray
    ) -> None:
        size, count = values.dtype.itemsize, values.shape[1]
        offsets = self._offsets(addresses, size * count, rows)
        index = (offsets // size)[:, None] + np.arange(count)
        view = self.bytes.view(values.dtype)
        granules = self.history.granules(offsets, size * count)
        changes = np.repeat(view[index] != values, granules.shape[1] // count, axis=1)
        self.history.store(granules, who, changes)
        view[index] = values
        refuse((view[index] != values).any(axis=1), "threads store different values at one shared address")
        self.defined.view(values.dtype)[index] = np.where(undefined, 0, RAW[size](int("01" * size, 16)))
