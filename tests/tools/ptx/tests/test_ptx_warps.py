"""What lanes of a warp do together, how they branch, and what is unknown refused."""

from __future__ import annotations

import numpy as np
import pytest
from ptx import Module, PtxError
from tiny_ptx import module, run


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


@pytest.mark.parametrize(("mode", "expected"), [("max", (30, 62)), ("min", (-1, -1)), ("add", (224, 736))], ids=str)
def test_reductions_of_warps(mode: str, expected: tuple[int, int]) -> None:
    """Of every second lane's number and -1."""
    out = np.zeros(64, np.int32)
    lines = ["and.b32 %r1, %r0, 1;", "setp.eq.u32 %p1, %r1, 1;", "selp.s32 %r1, -1, %r0, %p1;"]
    lines += [f"redux.sync.{mode}.s32 %r2, %r1, -1;", "mad.wide.u32 %rd1, %r0, 4, %rd0;"]
    run("\n".join([*lines, "st.global.u32 [%rd1], %r2;"]), {"out": out}, 64)
    assert out.tolist() == 32 * [expected[0]] + 32 * [expected[1]]


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


@pytest.mark.parametrize("transposed", [False, True], ids=["rows", "columns"])
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
