"""Compiled PTX executed with NumPy, the whole grid as lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .counters import Counters
from .formats import PLAIN
from .instructions import ENDS_BLOCK, compile_instruction
from .machine import Execute, Machine
from .memory import GlobalMemory
from .text import BITS, Entry, Instruction, Parameter, PtxError, parse_entries

MOST_LANES = 1 << 18  # at a time
MOST_SHARED = 227 << 10
ALL = slice(None)

Buffer = np.ndarray


class Module:
    """The kernels of a PTX text."""

    def __init__(self, text: str) -> None:
        self.entries = {entry.name: entry for entry in parse_entries(text)}
        self._kernels: dict[str, Kernel] = {}

    def kernel(self, name: str = "") -> Kernel:
        """Returns the kernel of that name, or the only one whose name contains it."""
        names = [name] if name in self.entries else [known for known in self.entries if name in known]
        if len(names) != 1:
            raise KeyError(f"{name!r} names {len(names)} of the kernels {', '.join(self.entries)}")
        if names[0] not in self._kernels:
            self._kernels[names[0]] = Kernel(self.entries[names[0]])
        return self._kernels[names[0]]


class Kernel:
    """An entry, its instructions compiled to functions and grouped in basic blocks."""

    def __init__(self, entry: Entry) -> None:
        self.entry, self.name = entry, entry.name
        self.position = {id(instruction): i for i, instruction in enumerate(entry.instructions)}
        leaders = {0, *entry.labels.values()}
        leaders |= {i + 1 for i, each in enumerate(entry.instructions) if each.opcode[0] in ENDS_BLOCK}
        starts = sorted(leader for leader in leaders if leader < len(entry.instructions))
        ends = [*starts[1:], len(entry.instructions)]
        self.blocks: list[list[tuple[Instruction, str | None, Execute]]] = [
            [(each, each.guard, compile_instruction(each, entry)) for each in entry.instructions[start:end]]
            for start, end in zip(starts, ends, strict=True)
        ]
        number = {start: i for i, start in enumerate(starts)}
        self.block_of_label = {label: number.get(at, len(starts)) for label, at in entry.labels.items()}
        self.granule = min([4, *(BITS[each.opcode[-1]] // 8 for each in entry.instructions if each.opcode[0] == "st")])

    def launch(
        self,
        grid: Sequence[int] | int,
        block: Sequence[int] | int,
        arguments: Sequence[Any],
        shared_bytes: int = 0,
        buffers: Sequence[Buffer] = (),
        counting: bool = True,
        races: bool = True,
        blocks: slice = ALL,
    ) -> Counters:
        """Executes a launch and returns its counters; arrays are written in place.

        Args:
            grid, block: extents.
            arguments: one per parameter: an array (passed as its address, and known as a buffer), an int or float,
                an (array, bytes) pair for an address inside an array, or the parameter's bytes.
            shared_bytes: dynamic shared memory.
            buffers: further arrays that addresses among the arguments point into.
            counting: whether sectors and wavefronts are counted.
            races: whether unordered accesses to global memory are looked for; those to shared memory always are.
            blocks: which of the grid's, by their linear index, are executed.

        Raises:
            PtxError: out of bounds, misaligned, undefined or unordered accesses, deadlock, or an unknown instruction.
        """
        grid_shape, block_shape = _extents(grid), _extents(block)
        threads = block_shape[0] * block_shape[1] * block_shape[2]
        if not 1 <= threads <= 1024 or self.entry.static_bytes + shared_bytes > MOST_SHARED:
            raise PtxError(f"{self.name}: {threads} threads, {shared_bytes} bytes of shared memory: no such launch")
        if len(arguments) != len(self.entry.parameters):
            raise PtxError(f"{self.name} has {len(self.entry.parameters)} parameters; got {len(arguments)} arguments")
        parameters, arrays = {}, list(buffers)
        for parameter, argument in zip(self.entry.parameters, arguments, strict=True):
            array = argument[0] if isinstance(argument, tuple) else argument
            if isinstance(array, np.ndarray) and not any(array is known for known in arrays):
                arrays.append(array)
            parameters[parameter.name] = _parameter_bytes(parameter, argument)
        memory = GlobalMemory(arrays, self.granule, races)
        counters = Counters()
        chosen = range(grid_shape[0] * grid_shape[1] * grid_shape[2])[blocks]
        step = max(1, MOST_LANES // threads)
        with np.errstate(all="ignore"):
            for first in range(0, len(chosen), step):
                shape = (grid_shape, block_shape)
                chunk = chosen[first : first + step]
                Machine(self, shape, chunk, parameters, memory, shared_bytes, counters, counting).run()
        return counters


def _extents(shape: Sequence[int] | int) -> tuple[int, int, int]:
    values = (shape,) if isinstance(shape, int) else tuple(int(extent) for extent in shape)
    values += (1,) * (3 - len(values))
    if min(values) < 1:
        raise PtxError(f"a launch of shape {values}")
    return values


def _parameter_bytes(parameter: Parameter, argument: Any) -> bytes:
    if isinstance(argument, bytes):
        content = argument
    elif isinstance(argument, np.ndarray):
        content = argument.ctypes.data.to_bytes(8, "little")
    elif isinstance(argument, tuple):
        content = (argument[0].ctypes.data + argument[1]).to_bytes(8, "little")
    elif parameter.type[0] == "f":
        content = np.array(argument, PLAIN[parameter.type]).tobytes()
    else:
        content = (int(argument) & (2 ** (8 * parameter.bytes) - 1)).to_bytes(parameter.bytes, "little")
    if len(content) != parameter.bytes:
        raise PtxError(f"parameter {parameter.name} has {parameter.bytes} bytes; got {len(content)}")
    return content
