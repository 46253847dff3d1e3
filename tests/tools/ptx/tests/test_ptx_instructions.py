"""Each family of instructions against NumPy or exact arithmetic, and what is unknown refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from ptx import Module, PtxError
from tiny_ptx import apply, module, run, stored_as

LANES = 128
INTEGERS = ("s32", "u32", "s64", "u64", "u16", "s16")
FLOATS = ("f32", "f64", "f16")


def values(kind: str, seed: int) -> np.ndarray:
    """Random values of a type, among them the ones at its edges."""
    generator = np.random.default_rng(seed)
    if kind == "pred":
        return generator.integers(0, 2, LANES).astype(np.uint32)
    if kind == "bf16":
        return (values("f32", seed).view(np.uint32) >> 16).astype(np.uint16)
    kept = stored_as(kind)
    if np.issubdtype(kept, np.integer):
        limits = np.iinfo(kept)
        drawn = generator.integers(limits.min, limits.max, LANES, dtype=kept, endpoint=True)
        drawn[::3] = drawn[::3] % 40
        drawn[:4] = [limits.min, limits.max, 0, 1]
        return generator.permutation(drawn)
    drawn = (generator.standard_normal(LANES) * 10.0 ** generator.integers(-3, 4, LANES)).astype(kept)
    drawn[:6] = [0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]
    return generator.permutation(drawn)


def check(instruction: str, kinds: tuple[str, ...], result: str, expected: Callable[..., np.ndarray]) -> None:
    inputs = [values(kind, seed) for seed, kind in enumerate(kinds)]
    with np.errstate(all="ignore"):
        wanted = np.asarray(expected(*inputs)).astype(np.uint32 if result == "pred" else stored_as(result))
    got = apply(instruction, list(zip(kinds, inputs, strict=True)), result)
    np.testing.assert_array_equal(got, wanted)


def wrapped(exact: Callable[..., int], kind: str) -> Callable[..., np.ndarray]:
    """An integer function of Python integers, its result cut to the type's bits."""
    kept = stored_as(kind)
    bits = np.dtype(kept).itemsize * 8

    def function(*arrays: np.ndarray) -> np.ndarray:
        out = [exact(*map(int, row)) & (2**bits - 1) for row in zip(*arrays, strict=True)]
        return np.array(out, f"u{bits // 8}").view(kept)

    return function


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


@pytest.mark.parametrize("source", ["f32", "f64", "f16", "s32", "u32", "s64", "u16"])
@pytest.mark.parametrize("to", ["f32", "f64", "f16"])
def test_conversions_to_float(source: str, to: str) -> None:
    if source != to:
        rounding = "" if source[0] == "f" and int(to[1:]) > int(source[1:]) else ".rn"
        check(f"cvt{rounding}.{to}.{source}", (source,), to, lambda x: x.astype(stored_as(to)))


@pytest.mark.parametrize("mode", ["rni", "rzi", "rmi", "rpi"])
def test_conversions_to_integers_saturate(mode: str) -> None:
    function = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}[mode]
    x = np.resize(np.array([-2.5, -0.5, 0.5, 1.5, 1e20, -1e20, np.nan, np.inf, 2147483520.0], np.float32), LANES)
    limited = np.clip(np.nan_to_num(function(x.astype(np.float64)), posinf=1e30), -(2.0**31), 2.0**31 - 1)
    np.testing.assert_array_equal(apply(f"cvt.{mode}.s32.f32", [("f32", x)], "s32"), limited.astype(np.int32))
    np.testing.assert_array_equal(apply(f"cvt.{mode}.f32.f32", [("f32", x)], "f32"), function(x))


def test_conversions_of_bfloat16() -> None:
    x = values("f32", 0)
    bits = torch.from_numpy(x).bfloat16().view(torch.int16).numpy().view(np.uint16)
    got = apply("cvt.rn.bf16.f32", [("f32", x)], "bf16")
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(got[numbers], bits[numbers])
    widened = apply("cvt.f32.bf16", [("bf16", got)], "f32")
    np.testing.assert_array_equal(widened, torch.from_numpy(x).bfloat16().float().numpy())
    packed = apply("cvt.rn.f16x2.f32", [("f32", x), ("f32", -x)], "f16x2").view(np.float16).reshape(-1, 2)
    np.testing.assert_array_equal(packed, np.stack([-x, x], axis=1).astype(np.float16))
    packed = apply("cvt.rn.bf16x2.f32", [("f32", x), ("f32", x)], "bf16x2").view(np.uint16).reshape(-1, 2)
    np.testing.assert_array_equal(packed[:, 0], packed[:, 1])
    np.testing.assert_array_equal(packed[numbers, 0], bits[numbers])


@pytest.mark.parametrize(
    ("to", "source"), [("s64", "s32"), ("u64", "u32"), ("u16", "u32"), ("s32", "s16"), ("u32", "u16")]
)
def test_conversions_between_integers(to: str, source: str) -> None:
    check(f"cvt.{to}.{source}", (source,), to, lambda x: x.astype(stored_as(to)))


COMPARED = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("name", COMPARED)
def test_comparisons_and_selection(name: str) -> None:
    function = COMPARED[name]
    for kind in ("s32", "u64", "f32", "f64"):
        check(f"setp.{name}.{kind}", (kind, kind), "pred", lambda x, y: function(x, y) & ~(np.isnan(x) | np.isnan(y)))
    check(f"setp.{name}u.f32", ("f32", "f32"), "pred", lambda x, y: function(x, y) | np.isnan(x) | np.isnan(y))
    check(f"setp.{name}.and.s32", ("s32", "s32", "pred"), "pred", lambda x, y, p: function(x, y) & (p != 0))
    check("setp.nan.f32", ("f32", "f32"), "pred", lambda x, y: np.isnan(x) | np.isnan(y))
    check("selp.b64", ("b64", "b64", "pred"), "b64", lambda x, y, p: np.where(p, x, y))


@pytest.mark.parametrize("mode", ["bfly", "down", "up", "idx"])
@pytest.mark.parametrize("width", [32, 8])
def test_shuffles(mode: str, width: int) -> None:
    x = np.arange(64, dtype=np.uint32) * 3
    out, inside = np.zeros(64, np.uint32), np.zeros(64, np.uint32)
    clamp = ((32 - width) << 8) | (0 if mode == "up" else 31)
    lines = [
        "mad.wide.u32 %rd10, %r0, 4, %rd0;",
        "mad.wide.u32 %rd11, %r0, 4, %rd1;",
        "mad.wide.u32 %rd12, %r0, 4, %rd2;",
    ]
    lines += ["ld.global.u32 %r1, [%rd10];", f"shfl.sync.{mode}.b32 %r2|%p1, %r1, 5, {clamp}, -1;"]
    lines += ["selp.u32 %r3, 1, 0, %p1;", "st.global.u32 [%rd11], %r2;", "st.global.u32 [%rd12], %r3;"]
    run("\n".join(lines), {"x": x, "out": out, "inside": inside}, 64)
    for lane in range(64):
        start = lane // width * width
        place = {"bfly": lane ^ 5, "down": lane + 5, "up": lane - 5, "idx": start + 5 % width}[mode]
        valid = place <= start + width - 1 if mode != "up" else place >= start
        assert inside[lane] == valid
        assert out[lane] == 3 * (place if valid else lane)


def test_votes() -> None:
    out = np.zeros(64, np.uint32)
    lines = ["and.b32 %r1, %r0, 1;", "setp.eq.u32 %p1, %r1, 1;", "vote.sync.ballot.b32 %r2, %p1, -1;"]
    lines += ["mad.wide.u32 %rd1, %r0, 4, %rd0;", "st.global.u32 [%rd1], %r2;"]
    run("\n".join(lines), {"out": out}, 64)
    assert (out == 0xAAAAAAAA).all()


@pytest.mark.parametrize(("mode", "expected"), [("max", (30, 62)), ("min", (-1, -1)), ("add", (224, 736))])
def test_reductions_of_warps(mode: str, expected: tuple[int, int]) -> None:
    """Of every second lane's number and -1."""
    out = np.zeros(64, np.int32)
    lines = ["and.b32 %r1, %r0, 1;", "setp.eq.u32 %p1, %r1, 1;", "selp.s32 %r1, -1, %r0, %p1;"]
    lines += [f"redux.sync.{mode}.s32 %r2, %r1, -1;", "mad.wide.u32 %rd1, %r0, 4, %rd0;"]
    run("\n".join([*lines, "st.global.u32 [%rd1], %r2;"]), {"out": out}, 64)
    assert out.tolist() == 32 * [expected[0]] + 32 * [expected[1]]


def test_moves_pack_and_unpack() -> None:
    out = np.zeros(32, np.uint64)
    lines = [
        "mov.b64 %rd5, {%r0, 7};",
        "mov.b64 {%r1, %r2}, %rd5;",
        "mov.b32 {%h1, %h2}, %r2;",
        "cvt.u32.u16 %r3, %h1;",
    ]
    lines += ["mov.b64 %rd6, {%r3, %r1};", "mad.wide.u32 %rd7, %r0, 8, %rd0;", "st.global.b64 [%rd7], %rd6;"]
    run("\n".join(lines), {"out": out})
    np.testing.assert_array_equal(out, (np.arange(32, dtype=np.uint64) << np.uint64(32)) | np.uint64(7))


def test_loops_and_divergent_branches() -> None:
    """Each lane adds 3 as often as its number says; odd lanes leave early."""
    out = np.full(64, 99, np.uint32)
    body = """
    and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1; @%p1 bra DONE;
    mov.u32 %r2, 0; mov.u32 %r3, 0;
    AGAIN:
    setp.ge.u32 %p2, %r3, %r0; @%p2 bra STORE;
    add.u32 %r2, %r2, 3; add.u32 %r3, %r3, 1; bra.uni AGAIN;
    STORE:
    mad.wide.u32 %rd1, %r0, 4, %rd0; st.global.u32 [%rd1], %r2;
    DONE:
    """
    run(body, {"out": out}, 64)
    lane = np.arange(64)
    np.testing.assert_array_equal(out, np.where(lane % 2, 99, 3 * lane))


def test_vectors_signs_and_struct_parameters() -> None:
    x = np.arange(-64, 64).astype(np.int16)
    out = np.zeros(64, np.int32)
    text = """
    .version 8.0
    .visible .entry k(.param .u64 x, .param .u64 out, .param .align 8 .b8 s[16])
    { .reg .b64 %rd<9>; .reg .b32 %r<9>;
    ld.param.u64 %rd0, [x]; ld.param.u64 %rd1, [out]; ld.param.v2.u32 {%r5, %r6}, [s+8];
    mov.u32 %r0, %tid.x; mad.wide.u32 %rd2, %r0, 4, %rd0; ld.global.v2.s16 {%r1, %r2}, [%rd2];
    add.s32 %r3, %r1, %r2; mad.lo.s32 %r3, %r3, %r5, %r6;
    mad.wide.u32 %rd3, %r0, 4, %rd1; st.global.u32 [%rd3], %r3; ret; }"""
    Module(text).kernel("k").launch(1, 64, [x, out, np.array([0, 0, 10, -1], np.int32).tobytes()])
    np.testing.assert_array_equal(out, x.reshape(-1, 2).sum(axis=1) * 10 - 1)


@pytest.mark.parametrize("transposed", [False, True])
def test_matrices(transposed: bool) -> None:
    """stmatrix lays registers down as ldmatrix picks them up: rows of 8, or columns."""
    out = np.zeros(128, np.uint16)
    trans = ".trans" if transposed else ""
    body = f"""
    mul.lo.u32 %r1, %r0, 2; add.u32 %r2, %r1, 1; shl.b32 %r3, %r2, 16; or.b32 %r4, %r1, %r3;
    add.u32 %r5, %r4, 0x00400040;
    mov.u32 %r6, memory; mad.lo.u32 %r7, %r0, 16, %r6;
    stmatrix.sync.aligned.m8n8.x2{trans}.shared.b16 [%r7], {{%r4, %r5}};
    bar.sync 0;
    ldmatrix.sync.aligned.m8n8.x2{trans}.shared.b16 {{%r8, %r9}}, [%r7];
    setp.ne.u32 %p1, %r8, %r4; @%p1 bra BAD; setp.ne.u32 %p1, %r9, %r5; @%p1 bra BAD;
    shr.u32 %r10, %r0, 2; and.b32 %r11, %r0, 3; mad.lo.u32 %r12, %r0, 8, %r6;
    ld.shared.v2.u32 {{%r13, %r14}}, [%r12]; mad.wide.u32 %rd1, %r0, 8, %rd0; st.global.v2.u32 [%rd1], {{%r13, %r14}};
    BAD:
    """
    run(body, {"out": out}, 32, shared=512)
    expected = np.arange(64).reshape(8, 8)
    expected = np.stack([expected, expected + 64])
    expected = expected.swapaxes(1, 2) if transposed else expected
    np.testing.assert_array_equal(out, expected.ravel())


@pytest.mark.parametrize(
    "instruction",
    [
        "frobnicate.b32 %r1, %r0;",
        "add.rz.f32 %r1, %r0, %r0;",
        "add.sat.s32 %r1, %r0, %r0;",
        "atom.global.add.f32 %r1, [%rd0], %r0;",
        "red.global.add.f32 [%rd0], %r0;",
        "ld.local.u32 %r1, [%rd0];",
        "ld.u32 %r1, [%rd0];",
        "bar.sync 1, 64;",
        "mad.f32 %r1, %r0, %r0, %r0;",
        "cp.async.ca.shared.global [%r0], [%rd0], 16;",
    ],
)
def test_what_is_unknown_is_refused(instruction: str) -> None:
    with pytest.raises(PtxError, match="not implemented"):
        module(instruction).kernel("k")
