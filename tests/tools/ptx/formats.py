"""PTX types as NumPy arrays of raw bits, and back."""

from __future__ import annotations

import numpy as np

from .text import BITS, PtxError

PLAIN = {
    "u8": np.uint8, "b8": np.uint8, "s8": np.int8, "u16": np.uint16, "b16": np.uint16, "s16": np.int16,
    "u32": np.uint32, "b32": np.uint32, "s32": np.int32, "u64": np.uint64, "b64": np.uint64, "s64": np.int64,
    "f16": np.float16, "f32": np.float32, "f64": np.float64,
}  # fmt: skip
PAIRS = {"f16x2": "f16", "bf16x2": "bf16", "f32x2": "f32", "s16x2": "s16", "u16x2": "u16"}
RAW_OF_BITS = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


def raw_type(kind: str) -> type:
    """Returns the unsigned type as wide as a PTX type."""
    return RAW_OF_BITS[BITS[kind]]


def decode(bits: np.ndarray, kind: str) -> np.ndarray:
    """Returns the numbers that raw bits [L] stand for: [L], or [L, 2] for a packed type; bf16 as float32."""
    if kind in PAIRS:
        halves = np.ascontiguousarray(bits).view(raw_type(PAIRS[kind])).reshape(-1, 2)
        return decode(halves, PAIRS[kind])
    if kind == "bf16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if kind not in PLAIN:
        raise PtxError(f"type {kind} is not implemented")
    return bits if bits.dtype == PLAIN[kind] else bits.view(PLAIN[kind])


def encode(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Returns the raw bits of numbers, rounded to nearest even where the type is narrower."""
    if kind in PAIRS:
        halves = np.ascontiguousarray(encode(numbers, PAIRS[kind]))
        return halves.view(raw_type(kind)).reshape(-1)
    if kind == "bf16":
        return _bfloat16_bits(numbers)
    return np.ascontiguousarray(numbers.astype(PLAIN[kind], copy=False)).view(raw_type(kind))


def _bfloat16_bits(numbers: np.ndarray) -> np.ndarray:
    """From float32, or from float64 by way of a float32 rounded to odd, which makes the second rounding exact."""
    narrow = numbers.astype(np.float32)
    bits = narrow.view(np.uint32)
    if numbers.dtype == np.float64:
        inexact = (narrow.astype(np.float64) != numbers) & np.isfinite(narrow)
        beyond = np.abs(narrow.astype(np.float64)) > np.abs(numbers)
        bits = np.where(inexact, (bits - beyond.astype(np.uint32)) | np.uint32(1), bits)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(numbers), np.uint32(0x7FFF), rounded).astype(np.uint16)


def fused_multiply_add(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Returns a b + c with one rounding, of float64 up to one in 2^50 cases; narrower types by way of float64."""
    if a.dtype != np.float64:
        return a.astype(np.float64) * b + c
    high = a * b
    low = _product_error(a, b, high)
    total = high + c
    back = total - high
    error = (high - (total - back)) + (c - back)
    fused = total + (error + low)
    return np.where(np.isfinite(fused), fused, total)


def _product_error(a: np.ndarray, b: np.ndarray, product: np.ndarray) -> np.ndarray:
    """a b - product, exactly (Veltkamp and Dekker); NaN where the splitting overflows."""
    split = float(2**27 + 1)
    a_high = split * a - (split * a - a)
    b_high = split * b - (split * b - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
