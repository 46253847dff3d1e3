"""The instructions that act on each lane by itself: opcode -> types of the operands, and a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .formats import BITS, PAIRS, PLAIN, fused_multiply_add
from .text import PtxError

Function = Callable[..., np.ndarray]
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal,
}  # fmt: skip
LOGIC = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
ROUNDINGS = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}
HARMLESS = {"rn", "approx", "full", "ftz"}  # accuracy and denormals of approximations are not modelled


@dataclass(frozen=True)
class Elementwise:
    """result type, operand types (`pred` for predicates), function of the decoded operands."""

    result: str
    operands: tuple[str, ...]
    function: Function


def elementwise(opcode: tuple[str, ...]) -> Elementwise | None:
    """Returns what an opcode does to each lane, or None where it is no such instruction.

    Raises PtxError for modifiers that are not implemented.
    """
    name, *modifiers = opcode
    if name not in _BUILDERS:
        return None
    kind = modifiers.pop()
    built = _BUILDERS[name](name, kind, modifiers)
    left = set(modifiers) - (HARMLESS if is_float(kind) else set())
    if left:
        raise PtxError(f"modifier .{'.'.join(sorted(left))} of {'.'.join(opcode)} is not implemented")
    return built


def is_float(kind: str) -> bool:
    return kind[0] == "f" or kind[:2] == "bf"


def _take(modifiers: list[str], *wanted: str) -> str | None:
    """Removes and returns the one of `wanted` that is among the modifiers."""
    for modifier in modifiers:
        if modifier in wanted:
            modifiers.remove(modifier)
            return modifier
    return None


def _widened(kind: str) -> str:
    return kind[0] + str(2 * BITS[kind])


def _binary(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    functions: dict[str, Function] = {"add": np.add, "sub": np.subtract, **LOGIC}
    if name in ("min", "max"):
        nan = _take(modifiers, "NaN")
        pair = (np.minimum, np.maximum) if nan or not is_float(kind) else (np.fmin, np.fmax)
        functions[name] = pair[name == "max"]
    wide = _mixed(kind, modifiers)
    return Elementwise(wide, (kind, wide), functions[name])


def _mixed(kind: str, modifiers: list[str]) -> str:
    """The type of the result and the last operand: f32 before a half type makes it f32."""
    return (_take(modifiers, "f32") if is_float(kind) else None) or kind


def _unary(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    functions: dict[str, Function] = {
        "neg": np.negative, "abs": np.abs, "not": np.invert, "sqrt": np.sqrt, "rcp": np.reciprocal,
        "rsqrt": lambda x: 1 / np.sqrt(x), "sin": np.sin, "cos": np.cos, "ex2": np.exp2, "lg2": np.log2,
        "tanh": np.tanh,
    }  # fmt: skip
    return Elementwise(kind, (kind,), functions[name])


def _multiply(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    part = _take(modifiers, "lo", "hi", "wide")
    result = _widened(kind) if part == "wide" else kind

    def multiply(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if part == "wide":
            return x.astype(PLAIN[result]) * y.astype(PLAIN[result])
        if part == "hi":
            return _high_product(x, y, kind)
        return x * y

    if name == "mul":
        return Elementwise(result, (kind, kind), multiply)
    if part is None:
        raise PtxError("mad of floating-point numbers is not implemented")
    return Elementwise(result, (kind, kind, result), lambda x, y, z: multiply(x, y) + z)


def _high_product(x: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    bits = BITS[kind]
    if bits <= 32:
        wide = PLAIN[_widened(kind)]
        return ((x.astype(wide) * y.astype(wide)) >> wide(bits)).astype(PLAIN[kind])
    exact = (x.astype(object) * y.astype(object)) >> bits
    return np.array([value & (2**64 - 1) for value in exact], np.uint64).view(PLAIN[kind])


def _fused(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    wide = _mixed(kind, modifiers)
    return Elementwise(wide, (kind, kind, wide), fused_multiply_add)


def _divide(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    if is_float(kind):
        return Elementwise(kind, (kind, kind), np.divide)

    def divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        y = np.where(y == 0, PLAIN[kind](1), y)
        remainder = np.fmod(x, y)
        return remainder if name == "rem" else (x - remainder) // y

    return Elementwise(kind, (kind, kind), divide)


def _shift(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    bits = BITS[kind]
    kind = kind.replace("b", "u")

    def shift(x: np.ndarray, by: np.ndarray) -> np.ndarray:
        within = np.minimum(by, bits - 1).astype(x.dtype)
        if name == "shl":
            return np.where(by >= bits, x.dtype.type(0), x << within)
        return x >> within if kind[0] == "s" else np.where(by >= bits, x.dtype.type(0), x >> within)

    return Elementwise(kind, (kind, "u32"), shift)


def _funnel(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    left, clamp = _take(modifiers, "l", "r") == "l", _take(modifiers, "wrap", "clamp") == "clamp"

    def funnel(low: np.ndarray, high: np.ndarray, by: np.ndarray) -> np.ndarray:
        by = (np.minimum(by, np.uint32(32)) if clamp else by & np.uint32(31)).astype(np.uint64)
        both = (high.astype(np.uint64) << np.uint64(32)) | low
        if left:
            return ((both << by) >> np.uint64(32)).astype(np.uint32)
        return (both >> by).astype(np.uint32)

    return Elementwise("u32", ("u32",) * 3, funnel)


def _extract(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    bits = BITS[kind]

    def extract(x: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        start, length = (start & np.uint32(255)).astype(np.int64), (length & np.uint32(255)).astype(np.int64)
        value = x.astype(object if bits == 64 else np.int64)
        field = np.array((value >> start) & ((1 << length.astype(value.dtype)) - 1))
        if kind[0] == "s":
            top = (value >> np.minimum(start + length - 1, bits - 1)) & 1
            field = field - np.where(top == 1, 1 << length.astype(value.dtype), 0)
            field = np.where(length == 0, 0, field)
        return field.astype(PLAIN[kind])

    return Elementwise(kind, (kind, "u32", "u32"), extract)


def _insert(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    if kind != "b32":
        raise PtxError(f"bfi.{kind} is not implemented")

    def insert(x: np.ndarray, into: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        start, length = (np.minimum(v & np.uint32(255), 32).astype(np.uint64) for v in (start, length))
        mask = ((np.uint64(1) << length) - np.uint64(1)) << start
        return ((into & ~mask) | ((x.astype(np.uint64) << start) & mask)).astype(np.uint32)

    return Elementwise("u32", ("u32",) * 4, insert)


def _permute(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    def permute(x: np.ndarray, y: np.ndarray, selector: np.ndarray) -> np.ndarray:
        both = (y.astype(np.uint64) << np.uint64(32)) | x
        out = np.zeros(np.broadcast_shapes(both.shape, selector.shape), np.uint32)
        for position in range(4):
            nibble = (selector >> np.uint32(4 * position)) & np.uint32(15)
            byte = (both >> ((nibble & np.uint32(7)) * np.uint32(8)).astype(np.uint64)).astype(np.uint32) & np.uint32(
                255
            )
            sign = np.where(byte & np.uint32(128), np.uint32(255), np.uint32(0))
            out |= np.where(nibble & np.uint32(8), sign, byte) << np.uint32(8 * position)
        return out

    return Elementwise("u32", ("u32",) * 3, permute)


def _three_input_logic(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    def logic(x: np.ndarray, y: np.ndarray, z: np.ndarray, table: np.ndarray) -> np.ndarray:
        out = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint32)
        for row in range(8):
            if int(table[0]) >> row & 1:
                terms = (v if row & bit else ~v for v, bit in ((x, 4), (y, 2), (z, 1)))
                out |= np.bitwise_and.reduce(np.broadcast_arrays(*terms))
        return out

    return Elementwise("u32", ("u32",) * 4, logic)


def _count(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    kind, bits = "u" + kind[1:], BITS[kind]

    def leading_zeros(x: np.ndarray) -> np.ndarray:
        return np.array([bits - int(value).bit_length() for value in x], np.uint32)

    def reversed_bits(x: np.ndarray) -> np.ndarray:
        return np.array([int(format(int(value), f"0{bits}b")[::-1], 2) for value in x], x.dtype)

    functions: dict[str, Function] = {"popc": np.bitwise_count, "clz": leading_zeros, "brev": reversed_bits}
    return Elementwise(kind if name == "brev" else "u32", (kind,), functions[name])


def _select(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    raw = "u" + str(BITS[kind])
    return Elementwise(raw, (raw, raw, "pred"), lambda x, y, first: np.where(first, x, y))


def _compare(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    logic = _take(modifiers, *LOGIC)
    how = modifiers.pop(0)
    unordered = is_float(kind) and how[-1] == "u" and how[:-1] in COMPARISONS

    def compare(x: np.ndarray, y: np.ndarray, *other: np.ndarray) -> np.ndarray:
        nan = np.isnan(x) | np.isnan(y) if is_float(kind) else np.array([False])
        if how in ("num", "nan"):
            holds = ~nan if how == "num" else nan
        else:
            holds = COMPARISONS[how[:-1] if unordered else how](x, y)
            holds = holds | nan if unordered else holds & ~nan
        return LOGIC[logic](holds, other[0]) if logic else holds

    return Elementwise("pred", (kind, kind) + (("pred",) if logic else ()), compare)


def _convert(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    source, to = kind, modifiers.pop()
    rounding = _take(modifiers, *ROUNDINGS)
    saturated = _take(modifiers, "sat")
    for harmless in ("rn", "ftz"):
        _take(modifiers, harmless)

    def convert(x: np.ndarray) -> np.ndarray:
        if rounding:
            x = ROUNDINGS[rounding](x.astype(np.float64))
        if saturated and is_float(to):
            return np.clip(np.nan_to_num(x, nan=0.0), 0, 1)
        if is_float(source) and not is_float(to):
            limits = np.iinfo(PLAIN[to])
            x = np.nan_to_num(x, nan=0.0)
            inside = np.clip(x, float(limits.min), float(limits.max)).astype(np.float64)
            whole = np.where(inside >= float(limits.max), limits.max, inside.astype(np.int64).astype(PLAIN[to]))
            return whole.astype(PLAIN[to])
        if saturated:
            limits = np.iinfo(PLAIN[to])
            return np.clip(x.astype(object), limits.min, limits.max).astype(PLAIN[to])
        return x.astype(PLAIN[to]) if to in PLAIN and not is_float(to) else x

    if to in PAIRS:  # cvt.rn.f16x2.f32 d, high, low
        return Elementwise(to, (source, source), lambda high, low: np.stack(np.broadcast_arrays(low, high), axis=-1))
    if is_float(source) and not is_float(to) and not rounding:
        raise PtxError("cvt to an integer needs a rounding")
    return Elementwise(to, (source,), convert)


def _copy_sign(name: str, kind: str, modifiers: list[str]) -> Elementwise:
    return Elementwise(kind, (kind, kind), lambda sign, x: np.copysign(x, sign))


_BUILDERS: dict[str, Callable[[str, str, list[str]], Elementwise]] = {
    **dict.fromkeys(("add", "sub", "and", "or", "xor", "min", "max"), _binary),
    **dict.fromkeys(("neg", "abs", "not", "sqrt", "rcp", "rsqrt", "sin", "cos", "ex2", "lg2", "tanh"), _unary),
    **dict.fromkeys(("mul", "mad"), _multiply),
    "fma": _fused,
    **dict.fromkeys(("div", "rem"), _divide),
    **dict.fromkeys(("shl", "shr"), _shift),
    "shf": _funnel,
    "bfe": _extract,
    "bfi": _insert,
    "prmt": _permute,
    "lop3": _three_input_logic,
    **dict.fromkeys(("popc", "clz", "brev"), _count),
    "selp": _select,
    "setp": _compare,
    "cvt": _convert,
    "copysign": _copy_sign,
}
