"""Conversions, comparisons and selections against NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_ptx import LANES, apply, check, run, stored_as, values


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


@pytest.mark.parametrize(("to", "sign"), [("s8", -1), ("u8", 1)])
def test_a_register_is_wider_than_a_byte(to: str, sign: int) -> None:
    """A byte of either kind is extended as its type says."""
    x = np.resize(np.array([0x1FF, 0x80, 0x7F, -1], np.int32), LANES)
    for register, name in (("s16", "%h"), ("s32", "%r")):
        read = f"cvt.s32.{register} %r9, {name}8;"
        out = np.zeros(LANES, np.int32)
        run(
            f"mad.wide.u32 %rd8, %r0, 4, %rd0; ld.global.b32 %r7, [%rd8]; cvt.{to}.s32 {name}8, %r7; {read}"
            "mad.wide.u32 %rd9, %r0, 4, %rd1; st.global.b32 [%rd9], %r9;",
            {"x": x, "out": out},
            LANES,
        )
        np.testing.assert_array_equal(out, x.astype(np.int8 if sign < 0 else np.uint8))


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
