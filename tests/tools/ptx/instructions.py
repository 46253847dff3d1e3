"""From an instruction's text to a function that executes it on a machine. What is not known here raises PtxError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arithmetic import elementwise
from .formats import BITS, PLAIN, encode, raw_type
from .machine import Execute, Machine
from .memory import RAW, AccessError
from .moves import compile_load, compile_matrix, compile_store
from .operands import Operand, read_operand
from .text import Entry, Instruction, PtxError, parts_of

Compile = Callable[[Instruction, Entry], Execute]
IGNORED = {"membar", "fence", "nop", "prefetch", "griddepcontrol"}
ENDS_BLOCK = {"bra", "ret", "exit", "bar", "barrier"}


def compile_instruction(instruction: Instruction, entry: Entry) -> Execute:
    """Returns what executes an instruction for the lanes whose guard holds."""
    name = instruction.opcode[0]
    if name in IGNORED:
        return lambda machine: None
    try:
        if name in _COMPILERS:
            return _COMPILERS[name](instruction, entry)
        operation = elementwise(instruction.opcode)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise PtxError(f"not implemented: {instruction} ({error!r})") from error
    except PtxError as error:
        raise PtxError(f"{error}: {instruction}") from error
    if operation is None:
        raise PtxError(f"not implemented: {instruction}")
    return _compile_elementwise(instruction, entry, operation.result, operation.operands, operation.function)


def _compile_elementwise(
    instruction: Instruction, entry: Entry, result: str, kinds: tuple[str, ...], function: Callable[..., np.ndarray]
) -> Execute:
    destinations = [name for name in instruction.operands[0].split("|") if name != "_"]
    if len(instruction.operands) != len(kinds) + 1:
        raise PtxError(f"expected {len(kinds)} operands: {instruction}")
    operands = [read_operand(text, kind, entry) for text, kind in zip(instruction.operands[1:], kinds, strict=True)]
    names = [name for operand in operands for name in operand.registers]
    is_selection, is_conversion = (instruction.opcode[0] == name for name in ("selp", "cvt"))

    def execute(machine: Machine) -> None:
        value = function(*(operand.read(machine) for operand in operands))
        undefined = machine.undefined_in(names)
        if undefined is not None and is_selection:
            undefined = _undefined_selection(machine, operands)
        if result != "pred":
            encoded = encode(value, result)
            if is_conversion and result[0] == "s":  # which a wider register takes with their sign
                encoded = encoded.view(PLAIN[result])
            machine.put(destinations[0], encoded, undefined)
            return
        machine.put(destinations[0], value, undefined)
        if len(destinations) > 1:
            machine.put(destinations[1], ~value, undefined)

    return execute


def _undefined_selection(machine: Machine, operands: list[Operand]) -> np.ndarray:
    nowhere = np.array([False])
    first, second, choice = (
        nowhere if found is None else found for found in (machine.undefined_in(o.registers) for o in operands)
    )
    return choice | np.where(operands[2].read(machine), first, second)


def _compile_move(instruction: Instruction, entry: Entry) -> Execute:
    kind = instruction.opcode[-1]
    target, source = instruction.operands
    if target.startswith("{"):
        return _compile_unpacking(target, read_operand(source, kind, entry), kind)
    if source.startswith("{"):
        return _compile_packing(target, source, kind, entry)
    operand = read_operand(source, kind, entry)
    return lambda machine: machine.put(target, operand.read(machine), machine.undefined_in(operand.registers))


def _compile_unpacking(target: str, source: Operand, kind: str) -> Execute:
    names = parts_of(target)
    bits = BITS[kind] // len(names)

    def execute(machine: Machine) -> None:
        value, undefined = encode(source.read(machine), kind), machine.undefined_in(source.registers)
        for position, name in enumerate(names):
            part = (value >> value.dtype.type(bits * position)).astype(RAW[bits // 8])
            machine.put(name, part, undefined)

    return execute


def _compile_packing(target: str, source: str, kind: str, entry: Entry) -> Execute:
    texts = parts_of(source)
    bits = BITS[kind] // len(texts)
    operands = [read_operand(text, f"b{bits}", entry) for text in texts]
    whole = raw_type(kind)

    def execute(machine: Machine) -> None:
        value = np.zeros(1, whole)
        for position, operand in enumerate(operands):
            value = value | (operand.read(machine).astype(whole) << whole(bits * position))
        machine.put(target, value, machine.undefined_in([name for o in operands for name in o.registers]))

    return execute


def _compile_address_conversion(instruction: Instruction, entry: Entry) -> Execute:
    if "shared" in instruction.opcode:
        raise PtxError("generic addresses of shared memory are not implemented")
    target, source = instruction.operands
    operand = read_operand(source, "u64", entry)
    return lambda machine: machine.put(target, operand.read(machine), machine.undefined_in(operand.registers))


@dataclass(frozen=True)
class _Shuffle:
    """Where each lane of a warp takes its value from, as the PTX manual defines it."""

    mode: str

    def source(self, lane: np.ndarray, by: np.ndarray, clamp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the source lane and whether it is in range."""
        segment, limit = (clamp >> 8) & 31, clamp & 31
        last = (lane & segment) | (limit & ~segment)
        source = {
            "up": lambda: lane - by, "down": lambda: lane + by, "bfly": lambda: lane ^ by,
            "idx": lambda: (lane & segment) | (by & ~segment & 31),
        }[self.mode]()  # fmt: skip
        inside = source >= last if self.mode == "up" else source <= last
        return np.where(inside, source, lane), inside


def _compile_shuffle(instruction: Instruction, entry: Entry) -> Execute:
    _, sync, mode, kind = instruction.opcode
    if sync != "sync" or kind != "b32":
        raise PtxError(f"not implemented: {instruction}")
    targets = instruction.operands[0].split("|")
    value, by, clamp, mask = (read_operand(text, "b32", entry) for text in instruction.operands[1:])
    shuffle = _Shuffle(mode)

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        lane = (machine.thread % 32).astype(np.int64)
        source, inside = shuffle.source(lane, by.read(machine).astype(np.int64), clamp.read(machine).astype(np.int64))
        _refuse_absent_lanes(machine, at, mask.read(machine))
        start = np.arange(machine.size) - lane
        takes = start + source
        executing = np.zeros(machine.size, bool)
        executing[at] = True
        absent = takes >= np.minimum(start + 32, machine.size)
        if (absent | ~executing[np.where(absent, 0, takes)])[at].any():
            raise AccessError("shfl.sync takes from a lane that does not execute it", 0)
        takes = np.where(absent, 0, takes)
        undefined = machine.undefined_in(value.registers)
        moved = None if undefined is None else np.broadcast_to(undefined, machine.size)[takes]
        machine.put(targets[0], np.broadcast_to(value.read(machine), machine.size)[takes], moved)
        if len(targets) > 1:
            machine.put(targets[1], np.broadcast_to(inside, machine.size))

    return execute


def _refuse_absent_lanes(machine: Machine, at: np.ndarray, mask: np.ndarray) -> None:
    """All lanes that a warp instruction's mask names must execute it, with one mask, the lane's own among them."""
    mask = machine.spread(mask, at).astype(np.uint64)
    lane = (machine.thread[at] % 32).astype(np.uint64)
    warp = machine.lane[at] // 32
    in_block = np.minimum(32, machine.threads - machine.thread[at] // 32 * 32).astype(np.uint64)
    wanted = mask & ((np.uint64(1) << in_block) - np.uint64(1))
    order = np.nonzero(np.diff(warp, prepend=-1))[0]
    present = np.bitwise_or.reduceat(np.uint64(1) << lane, order)
    bad = np.repeat(present, np.diff(np.append(order, len(warp)))) != wanted
    if bad.any():
        raise AccessError("a warp instruction that not all lanes of its mask execute", int(np.argmax(bad)))


def _compile_barrier(instruction: Instruction, entry: Entry) -> Execute:
    opcode, operands = instruction.opcode, instruction.operands
    if opcode[:3] == ("bar", "warp", "sync"):
        mask = read_operand(operands[0], "b32", entry)

        def warp_barrier(machine: Machine) -> None:
            at = machine.chosen()
            _refuse_absent_lanes(machine, at, mask.read(machine))
            machine.warp_epoch[at] += 1

        return warp_barrier
    if "sync" not in opcode or operands != ("0",):
        raise PtxError(f"not implemented: {instruction}")

    def block_barrier(machine: Machine) -> None:
        machine.waiting[machine.chosen()] = True

    return block_barrier


def _compile_branch(instruction: Instruction, entry: Entry) -> Execute:
    label = instruction.operands[0]

    def execute(machine: Machine) -> None:
        machine.target[machine.chosen()] = machine.kernel.block_of_label[label]

    return execute


def _compile_return(instruction: Instruction, entry: Entry) -> Execute:
    def execute(machine: Machine) -> None:
        machine.target[machine.chosen()] = len(machine.kernel.blocks)

    return execute


def _compile_vote(instruction: Instruction, entry: Entry) -> Execute:
    if instruction.opcode[1] != "sync":
        raise PtxError(f"not implemented: {instruction}")
    mode = instruction.opcode[2]
    target, *texts = instruction.operands
    predicate, mask = read_operand(texts[0], "pred", entry), read_operand(texts[1], "b32", entry)

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        _refuse_absent_lanes(machine, at, mask.read(machine))
        machine.refuse_undefined(predicate.registers, at, "vote")
        holds = machine.spread(predicate.read(machine), at)
        start = machine.lane[at] // 32
        votes = np.zeros(int(start.max()) + 1, np.uint32)
        np.bitwise_or.at(votes, start, holds.astype(np.uint32) << (machine.thread[at] % 32))
        present = np.zeros_like(votes)
        np.bitwise_or.at(present, start, np.uint32(1) << (machine.thread[at] % 32))
        results = {"ballot": votes, "any": votes != 0, "all": votes == present}[mode]
        out = np.zeros(machine.size, results.dtype)
        out[at] = results[start]
        machine.put(target, out)

    return execute


def _compile_warp_reduction(instruction: Instruction, entry: Entry) -> Execute:
    _, sync, mode, kind = instruction.opcode
    reduce = {"max": np.maximum, "min": np.minimum, "add": np.add}.get(mode)
    if sync != "sync" or kind not in ("s32", "u32") or reduce is None:
        raise PtxError(f"not implemented: {instruction}")
    target, *texts = instruction.operands
    value, mask = read_operand(texts[0], kind, entry), read_operand(texts[1], "b32", entry)

    def execute(machine: Machine) -> None:
        at = machine.chosen()
        _refuse_absent_lanes(machine, at, mask.read(machine))
        machine.refuse_undefined(value.registers, at, "redux")
        values = machine.spread(value.read(machine), at)
        warp = machine.lane[at] // 32
        starts = np.nonzero(np.diff(warp, prepend=-1))[0]
        out = np.zeros(machine.size, values.dtype)
        out[at] = np.repeat(reduce.reduceat(values, starts), np.diff(np.append(starts, len(warp))))
        machine.put(target, out)

    return execute


_COMPILERS: dict[str, Compile] = {
    "mov": _compile_move,
    "cvta": _compile_address_conversion,
    "ld": compile_load,
    "ldu": compile_load,
    "st": compile_store,
    "ldmatrix": compile_matrix,
    "stmatrix": compile_matrix,
    "shfl": _compile_shuffle,
    "vote": _compile_vote,
    "redux": _compile_warp_reduction,
    "bar": _compile_barrier,
    "barrier": _compile_barrier,
    "bra": _compile_branch,
    "ret": _compile_return,
    "exit": _compile_return,
}
