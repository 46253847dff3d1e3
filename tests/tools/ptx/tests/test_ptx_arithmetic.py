"""Arithmetic of each type against NumPy or exact numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from tiny_ptx import LANES, apply, check, run, stored_as, values, wrapped

INTEGERS = ("s32", "u32", "s64", "u64", "u16", "s16")


FLOATS = ("f32", "f64", "f16")


def truncated(x: int, y: int) -> int:
    quotient = abs(x) // max(1, abs(y))
    return quotient if (x < 0) == (y < 0) else -quotient


@pytest.mark.parametrize("kind", INTEGERS)
def test_integer_arithmetic(kind: str) -> None:
    two = (kind, kind)
    check(f"add.{kind}", two, kind, wrapped(lambda x, y: x + y, kind))
    check(f"sub.{kind}", two, kind, wrapped(lambda x, y: x - y, kind))
    check(f"mul.lo.{kind}", two, kind, wrapped(lambda x, y: x * y, kind))
    bits = int(kind[1:])
    check(f"mul.hi.{kind}", two, kind, wrapped(lambda x, y: (x * y) >> bits, kind))
    check(f"mad.lo.{kind}", (*two, kind), kind, wrapped(lambda x, y, z: x * y + z, kind))
    check(f"min.{kind}", two, kind, np.minimum)
    check(f"max.{kind}", two, kind, np.maximum)
    if bits < 64:
        wide = f"{kind[0]}{2 * bits}"
        check(f"mul.wide.{kind}", two, wide, wrapped(lambda x, y: x * y, wide))
        check(f"mad.wide.{kind}", (*two, wide), wide, wrapped(lambda x, y, z: x * y + z, wide))
    if kind[0] == "s":
        check(f"neg.{kind}", (kind,), kind, wrapped(lambda x: -x, kind))
        check(f"abs.{kind}", (kind,), kind, wrapped(abs, kind))


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64"])
def test_integer_division_truncates(kind: str) -> None:
    x, y = values(kind, 0), values(kind, 1)
    y[y == 0] = 3
    x[x == np.iinfo(x.dtype).min] = 5
    quotient = wrapped(truncated, kind)(x, y)
    np.testing.assert_array_equal(apply(f"div.{kind}", [(kind, x), (kind, y)], kind), quotient)
    np.testing.assert_array_equal(apply(f"rem.{kind}", [(kind, x), (kind, y)], kind), x - quotient * y)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_bits(bits: int) -> None:
    kind = f"b{bits}"
    for name, function in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
        check(f"{name}.{kind}", (kind, kind), kind, function)
    check(f"not.{kind}", (kind,), kind, np.invert)
    by = wrapped(lambda x, k: x << k if k < bits else 0, kind)
    shift_by = np.arange(LANES).astype(np.uint32) % 80
    x = values(kind, 0)
    np.testing.assert_array_equal(apply(f"shl.{kind}", [(kind, x), ("u32", shift_by)], kind), by(x, shift_by))
    for sign in "us":
        signed = values(f"{sign}{bits}", 0)
        shifted = wrapped(lambda x, k: x >> min(k, bits), f"{sign}{bits}")(signed, shift_by)
        got = apply(f"shr.{sign}{bits}", [(f"{sign}{bits}", signed), ("u32", shift_by)], f"{sign}{bits}")
        np.testing.assert_array_equal(got, shifted)
    for name in ("and", "or", "xor"):
        check(f"{name}.pred", ("pred", "pred"), "pred", getattr(np, f"bitwise_{name}"))


def test_bit_fields() -> None:
    x, y = values("u32", 0), values("u32", 1)
    start, length = np.arange(LANES).astype(np.uint32) % 32, (np.arange(LANES) * 7 % 33).astype(np.uint32)
    field = wrapped(lambda x, s, n: (x >> s) & (2**n - 1), "u32")
    at = [("u32", start), ("u32", length)]
    np.testing.assert_array_equal(apply("bfe.u32", [("u32", x), *at], "u32"), field(x, start, length))

    def signed(x: int, s: int, n: int) -> int:
        bits = "".join(str(x >> min(i, 31) & 1) for i in range(s, s + n))
        return int(bits[::-1], 2) - (2**n if bits[-1] == "1" else 0) if n else 0

    expected = wrapped(signed, "s32")(x.view(np.int32), start, length)
    np.testing.assert_array_equal(apply("bfe.s32", [("s32", x.view(np.int32)), *at], "s32"), expected)
    inserted = wrapped(lambda x, y, s, n: (y & ~((2**n - 1) << s)) | ((x & (2**n - 1)) << s), "u32")
    got = apply("bfi.b32", [("b32", x), ("b32", y), *at], "u32")
    np.testing.assert_array_equal(got, inserted(x, y, start, length))
    check("popc.b32", ("b32",), "u32", wrapped(lambda x: x.bit_count(), "u32"))
    check("clz.b64", ("b64",), "u32", wrapped(lambda x: 64 - x.bit_length(), "u32"))
    check("brev.b32", ("b32",), "b32", wrapped(lambda x: int(f"{x:032b}"[::-1], 2), "b32"))
    check(
        "shf.l.wrap.b32", ("b32",) * 3, "b32", wrapped(lambda low, high, k: ((high << 32 | low) << k % 32) >> 32, "b32")
    )
    check("shf.r.clamp.b32", ("b32",) * 3, "b32", wrapped(lambda low, high, k: (high << 32 | low) >> min(k, 32), "b32"))

    def permuted(x: int, y: int, selector: int) -> int:
        both = (y << 32 | x).to_bytes(8, "little")
        picked = [(both[selector >> 4 * i & 7], selector >> 4 * i & 8) for i in range(4)]
        return int.from_bytes(bytes(255 * (byte >> 7) if sign else byte for byte, sign in picked), "little")

    check("prmt.b32", ("b32",) * 3, "b32", wrapped(permuted, "b32"))


def test_three_input_logic() -> None:
    x, y, z, out = (*(values("u32", seed) for seed in range(3)), np.zeros(LANES, np.uint32))
    lines = [f"mad.wide.u32 %rd{10 + i}, %r0, 4, %rd{i};" for i in range(4)]
    lines += [f"ld.global.u32 %r{1 + i}, [%rd{10 + i}];" for i in range(3)]
    lines += ["lop3.b32 %r5, %r1, %r2, %r3, 0x6a;", "st.global.u32 [%rd13], %r5;"]
    run("\n".join(lines), {"x": x, "y": y, "z": z, "out": out}, LANES)
    a, b, c = 0xF0, 0xCC, 0xAA
    assert (a & b) ^ c == 0x6A
    np.testing.assert_array_equal(out, (x & y) ^ z)


@pytest.mark.parametrize("kind", FLOATS)
def test_float_arithmetic(kind: str) -> None:
    for name, function in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply)):
        check(f"{name}.rn.{kind}", (kind, kind), kind, function)
    check(f"neg.{kind}", (kind,), kind, np.negative)
    check(f"abs.{kind}", (kind,), kind, np.abs)
    check(f"min.{kind}", (kind, kind), kind, np.fmin)
    check(f"max.{kind}", (kind, kind), kind, np.fmax)
    check(f"max.NaN.{kind}", (kind, kind), kind, np.maximum)
    if kind != "f16":
        check(f"div.rn.{kind}", (kind, kind), kind, np.divide)
        check(f"sqrt.rn.{kind}", (kind,), kind, np.sqrt)
        check(f"rcp.rn.{kind}", (kind,), kind, np.reciprocal)
        check(f"copysign.{kind}", (kind, kind), kind, lambda sign, x: np.copysign(x, sign))


def test_approximations() -> None:
    for name, function in (("rsqrt", lambda x: 1 / np.sqrt(x)), ("ex2", np.exp2), ("lg2", np.log2), ("sin", np.sin)):
        check(f"{name}.approx.f32", ("f32",), "f32", function)


@pytest.mark.parametrize("kind", FLOATS)
def test_fused_multiply_add_rounds_once(kind: str) -> None:
    x, y, z = (values(kind, seed) for seed in range(3))
    for array in (x, y, z):
        array[~(np.abs(array) < 100)] = 0.7
    z[::2] = -(x * y)[::2]  # what is left is the rounding error of the product
    got = apply(f"fma.rn.{kind}", [(kind, x), (kind, y), (kind, z)], kind)
    exact = [Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)) for a, b, c in zip(x, y, z, strict=True)]
    np.testing.assert_array_equal(got, np.array([float(value) for value in exact]).astype(got.dtype))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_a_half_beside_float32(kind: str) -> None:
    """Of sm_100: the halves are made float32 exactly, the result is float32."""

    def wide(half: np.ndarray) -> np.ndarray:
        return half.astype(np.float32) if kind == "f16" else (half.astype(np.uint32) << 16).view(np.float32)

    check(f"add.rn.f32.{kind}", (kind, "f32"), "f32", lambda a, c: wide(a) + c)
    check(f"sub.rn.f32.{kind}", (kind, "f32"), "f32", lambda a, c: wide(a) - c)
    exact = (kind, kind, "f32"), "f32", lambda a, b, c: wide(a).astype(np.float64) * wide(b) + c
    check(f"fma.rn.f32.{kind}", *exact)


def test_packed_integers_wrap_by_themselves() -> None:
    a, b = (np.array([[3, -32768], [-1, 7]], np.int16), np.array([[4, -1], [1, -9]], np.int16))
    packed = [np.ascontiguousarray(each).view(np.uint32).reshape(-1) for each in (a, b)]
    found = apply("add.s16x2", [("s16x2", each) for each in packed], "s16x2")
    assert found.view(np.int16).reshape(-1, 2).tolist() == [[7, 32767], [0, -2]]


@pytest.mark.parametrize("name", ["add", "mul"])
@pytest.mark.parametrize("kind", ["bf16", "f16x2", "bf16x2", "f32x2"])
def test_packed_and_bfloat16_arithmetic(kind: str, name: str) -> None:
    part = {"bf16": torch.bfloat16, "bf16x2": torch.bfloat16, "f16x2": torch.float16, "f32x2": torch.float32}[kind]
    count = 2 if kind.endswith("x2") else 1
    x, y = (torch.randn(LANES * count, generator=torch.Generator().manual_seed(s)).to(part) for s in (1, 2))
    raw = [t.view(torch.int16 if part.itemsize == 2 else torch.int32).numpy().view(stored_as(kind)) for t in (x, y)]
    expected = x + y if name == "add" else x * y
    got = apply(f"{name}.rn.{kind}", [(kind, raw[0]), (kind, raw[1])], kind)
    kept = expected.view(torch.int16 if part.itemsize == 2 else torch.int32).numpy()
    np.testing.assert_array_equal(got, kept.view(stored_as(kind)))
