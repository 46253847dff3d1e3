"""Operands: registers, special registers, numbers, symbols, and addresses in brackets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .formats import decode, raw_type
from .machine import Machine
from .text import BITS, Entry, PtxError


@dataclass(frozen=True)
class Operand:
    """What reads a value, as numbers of its type (booleans for a predicate), and the registers that it reads."""

    read: Callable[[Machine], np.ndarray]
    registers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Address:
    """`[base + offset]`: base is a register, or a symbol."""

    base: Operand | str
    offset: int

    def read(self, machine: Machine) -> np.ndarray:
        """Returns addresses as uint64; those in 32-bit registers wrap at 2^32."""
        if isinstance(self.base, str):
            return np.array([self.offset], np.uint64)
        base = self.base.read(machine)
        if base.dtype == np.uint32:
            return (base + np.uint32(self.offset & 0xFFFFFFFF)).astype(np.uint64)
        return base + np.uint64(self.offset & (2**64 - 1))

    @property
    def registers(self) -> tuple[str, ...]:
        return () if isinstance(self.base, str) else self.base.registers


def read_operand(text: str, kind: str, entry: Entry) -> Operand:
    """Returns the operand of that text, read as `kind` (`pred` for a predicate)."""
    if kind == "pred":
        return _predicate(text)
    if text.startswith("%") and text.split(".")[0] in SPECIAL:
        return _special(text, kind)
    if re.match(r"%|[a-zA-Z_$]", text):
        if text in entry.shared or text in entry.dynamic:
            return _shared_symbol(text, kind, entry)
        width = BITS[kind] // 8
        return Operand(lambda machine: decode(machine.value(text, width), kind), (text,))
    value = decode(_number(text, kind), kind)
    return Operand(lambda machine: value)


SPECIAL = {"%tid", "%ntid", "%ctaid", "%nctaid", "%laneid", "%warpid"}


def _special(text: str, kind: str) -> Operand:
    raw = raw_type(kind)
    return Operand(lambda machine: decode(machine.special[text].astype(raw), kind))


def _shared_symbol(text: str, kind: str, entry: Entry) -> Operand:
    raw = raw_type(kind)

    def read(machine: Machine) -> np.ndarray:
        at = machine.shared.dynamic_start if text in entry.dynamic else entry.shared[text]
        return decode(np.array([at], raw), kind)

    return Operand(read)


def _predicate(text: str) -> Operand:
    if text.startswith("!"):
        return Operand(lambda machine: ~machine.value(text[1:], 0), (text[1:],))
    if re.fullmatch(r"-?\d+", text):
        constant = np.array([int(text) != 0])
        return Operand(lambda machine: constant)
    return Operand(lambda machine: machine.value(text, 0), (text,))


def _number(text: str, kind: str) -> np.ndarray:
    """Returns the raw bits of a literal: 0f and 0d give bits, others are integers, or decimals for a float type."""
    raw = raw_type(kind)
    if re.fullmatch(r"0[fFdD][0-9a-fA-F]+", text):
        bits = int(text[2:], 16)
        if (text[1] in "dD") != (BITS[kind] == 64):
            raise PtxError(f"{text} is no {kind}")
        return np.array([bits], raw)
    if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|\d+)U?", text):
        return np.array([int(text.rstrip("U"), 0) & (2 ** BITS[kind] - 1)], raw)
    raise PtxError(f"operand {text} is not understood")


def read_address(text: str, entry: Entry) -> Address:
    """Returns the address that `[...]` stands for; its base is a str where that names a parameter."""
    match = re.fullmatch(r"\[\s*([%\w$]+)\s*(?:\+?\s*(-?\s*\d+))?\s*\]", text)
    if not match:
        raise PtxError(f"address {text} is not understood")
    base, offset = match[1], int((match[2] or "0").replace(" ", ""))
    if base in {parameter.name for parameter in entry.parameters}:
        return Address(base, offset)
    if base in entry.shared or base in entry.dynamic:
        return Address(_shared_symbol(base, "u32", entry), offset)
    width = entry.width(base)
    return Address(read_operand(base, f"u{width}", entry), offset)
