"""The lanes of a chunk of blocks: registers, where each lane is, which values were never defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .counters import Counters
from .memory import RAW, AccessError, GlobalMemory, Lanes, SharedMemory
from .text import Instruction, PtxError

if TYPE_CHECKING:
    from .kernel import Kernel

Execute = Callable[["Machine"], None]


class Machine:
    """State of consecutive blocks of a launch. An array of length 1 stands for a value that all lanes share.

    An undefined value (of a register never written, or of shared memory never written) travels as in Valgrind: it is
    reported where it decides a branch, an address or what global memory holds.
    """

    def __init__(
        self,
        kernel: Kernel,
        shape: tuple[tuple[int, ...], tuple[int, ...]],
        blocks: range,
        parameters: dict[str, bytes],
        memory: GlobalMemory,
        dynamic_bytes: int,
        counters: Counters,
        counting: bool,
    ) -> None:
        grid, block = shape
        threads = block[0] * block[1] * block[2]
        self.kernel, self.memory, self.counters, self.counting = kernel, memory, counters, counting
        self.parameters = parameters
        self.threads, self.size = threads, threads * len(blocks)
        self.thread = np.tile(np.arange(threads, dtype=np.uint32), len(blocks))
        self.row = np.repeat(np.arange(len(blocks)), threads)
        self.block = np.repeat(np.array(blocks), threads)
        self.per_block = -(-threads // 32) * 32
        self.lane = self.block * self.per_block + self.thread
        self.epoch, self.warp_epoch = np.zeros(self.size, np.int32), np.zeros(self.size, np.int32)
        self.shared = SharedMemory(len(blocks), kernel.entry.static_bytes, dynamic_bytes, kernel.granule)
        self.registers: dict[str, np.ndarray] = {}
        self.undefined: dict[str, np.ndarray] = {}
        self.special = _special_registers(self.thread, self.block, block, grid)
        self.active: np.ndarray | None = None  # None: all
        self.guarded: np.ndarray | None = None  # active lanes whose guard holds
        self.target = np.zeros(self.size, np.int64)
        self.waiting = np.zeros(self.size, bool)

    def value(self, name: str, width: int) -> np.ndarray:
        """Returns a register as unsigned integers, or booleans for a predicate."""
        if name not in self.registers:
            bits = self.kernel.entry.width(name)
            self.registers[name] = np.array([False]) if bits == 0 else np.array([-1]).astype(RAW[bits // 8])
            self.undefined[name] = np.array([True])
        value = self.registers[name]
        return value if width == 0 or value.dtype.itemsize == width else value.astype(RAW[width])

    def put(self, name: str, value: np.ndarray, undefined: np.ndarray | None = None) -> None:
        """Writes a register in the lanes whose guard holds; booleans stay such, others become unsigned integers."""
        if name == "_":
            return
        bits = self.kernel.entry.width(name)
        if value.dtype != bool:
            if bits and value.dtype.kind == "i":
                value = value.astype(f"i{bits // 8}")
            value = np.ascontiguousarray(value).view(RAW[value.dtype.itemsize])
            if bits and value.dtype.itemsize * 8 != bits:
                value = value.astype(RAW[bits // 8])
        lanes = self.guarded
        if lanes is not None:
            value = np.where(lanes, value, self.value(name, value.dtype.itemsize if bits else 0))
            before = self.undefined.get(name)
            if before is not None or undefined is not None:
                now = np.array([False]) if undefined is None else undefined
                undefined = np.where(lanes, now, np.array([False]) if before is None else before)
        self.registers[name] = value
        if undefined is not None and undefined.any():
            self.undefined[name] = undefined
        else:
            self.undefined.pop(name, None)

    def undefined_in(self, names: Sequence[str]) -> np.ndarray | None:
        """Returns where any of the registers is undefined."""
        if not self.undefined:
            return None
        found = [self.undefined[name] for name in names if name in self.undefined]
        return np.logical_or.reduce(np.broadcast_arrays(*found)) if found else None

    def chosen(self) -> np.ndarray:
        """Returns the positions of the lanes that execute the instruction."""
        return np.arange(self.size) if self.guarded is None else np.nonzero(self.guarded)[0]

    def spread(self, value: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Returns the value of the lanes `at`."""
        return np.broadcast_to(value, self.size)[at]

    def lanes(self, at: np.ndarray) -> Lanes:
        return Lanes(self.lane[at], self.epoch[at], self.warp_epoch[at], self.per_block)

    def refuse_undefined(self, names: Sequence[str], at: np.ndarray, what: str) -> None:
        undefined = self.undefined_in(names)
        if undefined is not None:
            bad = self.spread(undefined, at)
            if bad.any():
                raise AccessError(f"{what} of a value that was never written", int(np.argmax(bad)))

    def where(self, position: int) -> str:
        """Names the lane at a position among those that execute the instruction."""
        lane = int(self.chosen()[position])
        return f"block {int(self.block[lane])} thread {int(self.thread[lane])}"

    def run(self) -> None:
        """Executes all lanes: always the earliest basic block that a lane is at, for all lanes that are there."""
        blocks, end = self.kernel.blocks, len(self.kernel.blocks)
        while True:
            ready = ~self.waiting & (self.target < end)
            if not ready.any():
                if (self.target == end).all():
                    return
                self._pass_barrier(end)
                continue
            number = int(self.target[ready].min())
            active = ready & (self.target == number)
            self.active = None if active.all() else active
            self.target[active] = number + 1
            for instruction, guard, execute in blocks[number]:
                self._step(instruction, guard, execute)

    def _step(self, instruction: Instruction, guard: str | None, execute: Execute) -> None:
        self.guarded = self.active
        try:
            if guard is not None:
                holds = self.value(guard, 0)
                self.refuse_undefined([guard], self.chosen(), "guard")
                holds = ~holds if instruction.negated else holds
                if not holds.all():
                    self.guarded = np.broadcast_to(holds, self.size) & (True if self.active is None else self.active)
                    if not self.guarded.any():
                        return
                elif self.active is None:
                    self.guarded = None
            self.counters.instructions += self.size if self.guarded is None else int(self.guarded.sum())
            execute(self)
        except AccessError as fault:
            raise PtxError(f"{self.kernel.name}, {self.where(fault.position)}: {fault}: {instruction}") from None

    def _pass_barrier(self, end: int) -> None:
        waiting = self.waiting.reshape(-1, self.threads)
        at = self.target.reshape(-1, self.threads)
        arrived = (waiting | (at == end)).all(axis=1) & waiting.any(axis=1)
        if not arrived.any():
            raise PtxError(f"{self.kernel.name}: deadlock")
        first, last = np.where(waiting, at, end).min(axis=1), np.where(waiting, at, -1).max(axis=1)
        if (first != last)[arrived].any():
            raise PtxError(f"{self.kernel.name}: threads of a block wait at different barriers")
        released = np.repeat(arrived, self.threads) & self.waiting
        self.waiting[released] = False
        self.epoch[released] += 1
        self.warp_epoch[released] += 1
        self.counters.barriers += 1


def _special_registers(
    thread: np.ndarray, block: np.ndarray, threads: tuple[int, ...], grid: tuple[int, ...]
) -> dict[str, np.ndarray]:
    registers = {"%laneid": thread % 32, "%warpid": thread // 32}
    for name, index, shape in (("%tid", thread, threads), ("%ctaid", block, grid)):
        registers[f"{name}.x"] = index % shape[0]
        registers[f"{name}.y"] = index // shape[0] % shape[1]
        registers[f"{name}.z"] = index // (shape[0] * shape[1])
    for name, shape in (("%ntid", threads), ("%nctaid", grid)):
        registers |= {f"{name}.{axis}": np.array([extent]) for axis, extent in zip("xyz", shape, strict=True)}
    return {name: value.astype(np.uint32) for name, value in registers.items()}
