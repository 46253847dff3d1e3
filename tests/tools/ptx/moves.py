"""Loads and stores, of single lanes, of vectors, and of whole matrices of a warp."""

from __future__ import annotations

import numpy as np

from .counters import Traffic, count_global, shared_wavefronts
from .formats import BITS, PLAIN, raw_type
from .machine import Execute, Machine
from .memory import RAW
from .operands import Address, read_address, read_operand
from .text import Entry, Instruction, PtxError, parts_of

# How loads and stores treat caches and order does not matter where lanes run in turn.
QUALIFIERS = {"nc", "ca", "cg", "cs", "volatile", "relaxed", "weak", "gpu", "cta", "L1:evict_last", "L1:evict_first"}
QUALIFIERS |= {"L1:no_allocate", "L2:128B", "L2:256B"}


def _form(instruction: Instruction) -> tuple[str, int, str]:
    """Returns the state space, the number of elements and the type of a load or store."""
    _, *modifiers, kind = instruction.opcode
    space, count = "generic", 1
    for modifier in modifiers:
        if modifier in ("global", "param", "shared", "shared:cta"):
            space = modifier.split(":")[0]
        elif modifier in ("v2", "v4", "v8"):
            count = int(modifier[1])
        elif modifier not in QUALIFIERS:
            raise PtxError(f"modifier .{modifier} is not implemented: {instruction}")
    if space == "generic":
        raise PtxError(f"memory other than .global, .shared and .param is not implemented: {instruction}")
    return space, count, kind


def compile_load(instruction: Instruction, entry: Entry) -> Execute:
    """`ld.space{.v}.type {d, ...}, [address]`."""
    space, count, kind = _form(instruction)
    names, address = parts_of(instruction.operands[0]), read_address(instruction.operands[1], entry)
    size = BITS[kind] // 8
    if space == "param":
        return _load_parameter(names, address, size)
    signed = kind[0] == "s" and size < 4

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        places = machine.spread(address.read(machine), at)
        machine.refuse_undefined(address.registers, at, "address")
        undefined = None
        if space == "global":
            values = machine.memory.load(places, size, count, machine.lanes(at))
            _count_global(machine, machine.counters.loads, places, size * count, at)
        else:
            rows = machine.row[at]
            values, undefined = machine.shared.load(places, size, count, machine.lanes(at), rows)
            _count_shared(machine, instruction, places, size * count, at)
        if signed:
            values = values.view(PLAIN[kind]).astype(np.int32).view(np.uint32)
        for position, name in enumerate(names):
            missing = None if undefined is None else undefined[:, position]
            _put_at(machine, name, values[:, position], missing, at)

    return execute


def _put_at(machine: Machine, name: str, values: np.ndarray, undefined: np.ndarray | None, at: np.ndarray) -> None:
    """Writes the values of the lanes `at`."""
    if len(at) < machine.size:
        spread = np.zeros(machine.size, values.dtype)
        spread[at] = values
        values = spread
        if undefined is not None and undefined.any():
            missing = np.zeros(machine.size, bool)
            missing[at] = undefined
            undefined = missing
        elif undefined is not None:
            undefined = None
    machine.put(name, values, undefined)


def _load_parameter(names: list[str], address: Address, size: int) -> Execute:
    def execute(machine: Machine) -> None:
        assert isinstance(address.base, str)
        content = machine.parameters[address.base]
        for position, name in enumerate(names):
            start = address.offset + position * size
            if start + size > len(content):
                raise PtxError(f"{address.base} has {len(content)} bytes; {size} at {start} are read")
            machine.put(name, np.frombuffer(content[start : start + size], RAW[size]))

    return execute


def compile_store(instruction: Instruction, entry: Entry) -> Execute:
    """`st.space{.v}.type [address], {s, ...}`."""
    space, count, kind = _form(instruction)
    address = read_address(instruction.operands[0], entry)
    operands = [read_operand(text, "b" + str(BITS[kind]), entry) for text in parts_of(instruction.operands[1])]
    raw = raw_type(kind)

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        places = machine.spread(address.read(machine), at)
        machine.refuse_undefined(address.registers, at, "address")
        values = np.stack([machine.spread(operand.read(machine), at).view(raw) for operand in operands], axis=1)
        if space == "global":
            for operand in operands:
                machine.refuse_undefined(operand.registers, at, "store")
            machine.memory.store(places, values, machine.lanes(at))
            _count_global(machine, machine.counters.stores, places, values.itemsize * count, at)
            return
        undefined = np.zeros(values.shape, bool)
        for position, operand in enumerate(operands):
            missing = machine.undefined_in(operand.registers)
            if missing is not None:
                undefined[:, position] = machine.spread(missing, at)
        machine.shared.store(places, values, undefined, machine.lanes(at), machine.row[at])
        _count_shared(machine, instruction, places, values.itemsize * count, at)

    if space == "param" or len(operands) != count:
        raise PtxError(f"not implemented: {instruction}")
    return execute


def _count_global(machine: Machine, traffic: dict[int, Traffic], places: np.ndarray, size: int, at: np.ndarray) -> None:
    if not machine.counting:
        return
    for number, positions, offsets in machine.memory.groups(places, size):
        counted = traffic.setdefault(number, Traffic())
        base = int(machine.memory.bases[number]) % 32
        count_global(counted, offsets + base, size, machine.lane[at[positions]] // 32, machine.per_block // 32)


def _count_shared(machine: Machine, instruction: Instruction, places: np.ndarray, size: int, at: np.ndarray) -> None:
    if not machine.counting:
        return
    number = machine.kernel.position[id(instruction)]
    made, ideal = shared_wavefronts(places.astype(np.int64), size, machine.lane[at])
    before = machine.counters.wavefronts.get(number, (0, 0))
    machine.counters.wavefronts[number] = before[0] + made, before[1] + ideal


def compile_matrix(instruction: Instruction, entry: Entry) -> Execute:
    """ldmatrix and stmatrix of 8 by 8 matrices of 2-byte elements.

    Lane i gives the address of row i % 8 of matrix i / 8. Lane i of a register holds elements 2 (i % 4) and the next
    of row i / 4, or, transposed, of that column.
    """
    expected = {"sync", "aligned", "m8n8", "shared", "shared:cta", "b16", "x1", "x2", "x4", "trans"}
    if set(instruction.opcode[1:]) - expected or "m8n8" not in instruction.opcode:
        raise PtxError(f"not implemented: {instruction}")
    loads, transposed = instruction.opcode[0] == "ldmatrix", "trans" in instruction.opcode
    registers, place = instruction.operands if loads else instruction.operands[::-1]
    names, address = parts_of(registers), read_address(place, entry)
    lane = np.arange(32)
    row, column = lane // 4, 2 * (lane % 4)

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        if len(at) % 32:
            raise PtxError(f"not all lanes of a warp execute {instruction}")
        giving = at.reshape(-1, 32)[:, : 8 * len(names)].ravel()
        places = machine.spread(address.read(machine), giving)
        machine.refuse_undefined(address.registers, giving, "address")
        who, rows = machine.lanes(giving), machine.row[giving]
        _count_shared(machine, instruction, places, 16, giving)
        shape = (len(at) // 32, len(names), 8, 8)
        if loads:
            values, undefined = machine.shared.load(places, 2, 8, who, rows)
            for k, name in enumerate(names):
                parts = []
                for bits in (values.reshape(shape)[:, k], undefined.reshape(shape)[:, k]):
                    bits = bits.swapaxes(1, 2) if transposed else bits
                    parts.append((bits[:, row, column], bits[:, row, column + 1]))
                (low, high), (no_low, no_high) = parts
                packed = low.astype(np.uint32) | (high.astype(np.uint32) << np.uint32(16))
                _put_at(machine, name, packed.ravel(), (no_low | no_high).ravel(), at)
            return
        values, undefined = np.zeros(shape, np.uint16), np.zeros(shape, bool)
        for k, name in enumerate(names):
            held = machine.spread(machine.value(name, 4), at).reshape(-1, 32)
            missing = machine.undefined_in([name])
            missing = machine.spread(np.array([False]) if missing is None else missing, at).reshape(-1, 32)
            for step in (0, 1):
                first, second = (column + step, row) if transposed else (row, column + step)
                values[:, k, first, second] = (held >> np.uint32(16 * step)).astype(np.uint16)
                undefined[:, k, first, second] = missing
        pairs, missing_pairs = values.reshape(-1, 8).view(np.uint32), undefined.reshape(-1, 4, 2).any(axis=2)
        machine.shared.store(places, pairs, missing_pairs, who, rows)

    return execute
