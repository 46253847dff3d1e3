"""Seeded defects: each is reported, and the same kernel without it is not."""

from __future__ import annotations

import numpy as np
import pytest
from ptx import PtxError
from tiny_ptx import run

MINE = "mov.u32 %r1, memory; mad.lo.u32 %r2, %r0, 4, %r1;"
OUT = "mad.wide.u32 %rd9, %r0, 4, %rd0; st.global.u32 [%rd9], %r5;"


def other(offset: int, threads: int) -> str:
    """The address in %r3 of what another thread stored."""
    return f"add.u32 %r4, %r0, {offset}; rem.u32 %r4, %r4, {threads}; mad.lo.u32 %r3, %r4, 4, %r1;"


def exchange(barrier: str, offset: int, threads: int = 64) -> np.ndarray:
    out = np.zeros(threads, np.uint32)
    body = f"{MINE}{other(offset, threads)} st.shared.u32 [%r2], %r0; {barrier} ld.shared.u32 %r5, [%r3]; {OUT}"
    run(body, {"out": out}, threads, shared=4 * threads)
    return out


def test_a_missing_barrier_between_warps() -> None:
    np.testing.assert_array_equal(exchange("bar.sync 0;", 32), (np.arange(64) + 32) % 64)
    for barrier in ("", "bar.warp.sync -1;"):
        with pytest.raises(PtxError, match="read after an unordered write"):
            exchange(barrier, 32)


def test_a_missing_barrier_within_a_warp() -> None:
    for barrier in ("bar.sync 0;", "bar.warp.sync -1;"):
        np.testing.assert_array_equal(exchange(barrier, 1, 32), (np.arange(32) + 1) % 32)
    with pytest.raises(PtxError, match="read after an unordered write"):
        exchange("", 1, 32)


@pytest.mark.parametrize("readers", [1, 2, 3])
@pytest.mark.parametrize("barrier", ["bar.sync 0;", ""])
def test_writing_what_others_still_read(readers: int, barrier: str) -> None:
    """All threads of `readers` warps read a word; then thread 0 writes it."""
    out = np.zeros(96, np.uint32)
    body = f"""{MINE} setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [%r2], 5; bar.sync 0;
    setp.ge.u32 %p2, %r0, {96 - 32 * readers}; mov.u32 %r5, 0; @%p2 ld.shared.u32 %r5, [%r1];
    {barrier} @%p1 st.shared.u32 [%r1], 6; {OUT}"""
    if barrier:
        run(body, {"out": out}, 96, shared=4)
        assert (out[96 - 32 * readers :] == 5).all()
        return
    with pytest.raises(PtxError, match="write after an unordered read"):
        run(body, {"out": out}, 96, shared=4)


def test_two_writers_of_one_word() -> None:
    body = "mov.u32 %r1, memory; setp.eq.u32 %p1, %r0, {0}; @%p1 st.shared.u32 [%r1], %r0;"
    with pytest.raises(PtxError, match="write after an unordered write"):
        run(body.format(0) + body.format(40), {}, 64, shared=4)
    run(body.format(0) + "bar.sync 0;" + body.format(40), {}, 64, shared=4)
    with pytest.raises(PtxError, match="different values at one shared address"):
        run("mov.u32 %r1, memory; st.shared.u32 [%r1], %r0;", {}, 32, shared=4)
    run("mov.u32 %r1, memory; st.shared.u32 [%r1], 7;", {}, 64, shared=4)  # all the same


def test_halves_of_a_word_are_apart() -> None:
    body = "mov.u32 %r1, memory; mad.lo.u32 %r2, %r0, 2, %r1; cvt.u16.u32 %h1, %r0; st.shared.u16 [%r2], %h1;"
    run(body, {}, 64, shared=128)


@pytest.mark.parametrize(("shared", "threads"), [(124, 32), (256, 65)])
def test_shared_memory_out_of_bounds(shared: int, threads: int) -> None:
    with pytest.raises(PtxError, match=f"thread {threads - 1}: shared memory access out of bounds"):
        run(f"{MINE} st.shared.u32 [%r2], %r0;", {}, threads, shared=shared)


def test_global_memory_out_of_bounds() -> None:
    out = np.zeros(40, np.uint32)
    body = "mov.u32 %r5, 1; mov.u32 %r6, %ctaid.x; mad.lo.u32 %r7, %r6, 32, %r0; mad.wide.u32 %rd9, %r7, 4, %rd0;"
    guarded = body + "setp.lt.u32 %p1, %r7, 40; @%p1 st.global.u32 [%rd9], %r5;"
    run(guarded, {"out": out}, 32, blocks=2)
    assert out.all()
    with pytest.raises(PtxError, match="block 1 thread 8: global memory access out of bounds"):
        run(body + "st.global.u32 [%rd9], %r5;", {"out": out}, 32, blocks=2)
    with pytest.raises(PtxError, match="block 0 thread 0: global memory access out of bounds"):
        run("st.global.u32 [%rd0+-4], %r0;", {"out": out}, 1)


def test_misaligned_accesses() -> None:
    out = np.zeros(64, np.uint32)
    with pytest.raises(PtxError, match="misaligned 16-byte access to global memory"):
        run("ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd0+8];", {"out": out}, 1)
    with pytest.raises(PtxError, match="misaligned 8-byte access to shared memory"):
        run("mov.u32 %r1, memory; ld.shared.u64 %rd1, [%r1+4];", {"out": out}, 1, shared=64)


@pytest.mark.parametrize("blocks", [1, 2])
def test_unordered_accesses_to_global_memory(blocks: int) -> None:
    """Every thread stores a word of its own and reads the next one's; no barrier orders blocks."""
    out = np.zeros(33 * blocks, np.uint32)
    body = """mov.u32 %r6, %ctaid.x; mad.lo.u32 %r7, %r6, 32, %r0; mad.wide.u32 %rd9, %r7, 4, %rd0;
    add.u32 %r5, %r7, 1; st.global.u32 [%rd9], %r5; bar.sync 0; ld.global.u32 %r5, [%rd9+4];"""
    if blocks == 1:
        run(body, {"out": out})
        return
    with pytest.raises(PtxError, match="global memory: read after an unordered write"):
        run(body, {"out": out}, blocks=blocks)


def test_writing_what_another_block_reads() -> None:
    out = np.ones(32, np.uint32)
    body = """mov.u32 %r6, %ctaid.x; mad.wide.u32 %rd9, %r0, 4, %rd0; ld.global.u32 %r5, [%rd9];
    setp.eq.u32 %p1, %r6, 1; add.u32 %r5, %r5, 1; @%p1 st.global.u32 [%rd9], %r5;"""
    with pytest.raises(PtxError, match="global memory: write after an unordered read"):
        run(body, {"out": out}, blocks=3)


def test_values_never_written() -> None:
    out = np.zeros(32, np.uint32)
    with pytest.raises(PtxError, match="store of a value that was never written"):
        run(OUT, {"out": out})
    with pytest.raises(PtxError, match="store of a value that was never written"):  # of shared memory, through a sum
        run(f"{MINE} ld.shared.u32 %r5, [%r2]; add.u32 %r5, %r5, %r0; {OUT}", {"out": out}, shared=128)
    with pytest.raises(PtxError, match="guard of a value that was never written"):
        run(f"mov.u32 %r5, 0; setp.eq.u32 %p1, %r8, 0; @%p1 mov.u32 %r5, 1; {OUT}", {"out": out})
    with pytest.raises(PtxError, match="address of a value that was never written"):
        run("ld.global.u32 %r5, [%rd8];", {"out": out})
    masked = f"setp.lt.u32 %p1, %r0, 16; @%p1 mov.u32 %r5, 4; selp.u32 %r5, %r5, 3, {{}}; {OUT}"
    run(masked.format("%p1"), {"out": out})
    np.testing.assert_array_equal(out, np.where(np.arange(32) < 16, 4, 3))
    with pytest.raises(PtxError, match="thread 16: store of a value that was never written"):
        run(masked.format("!%p1"), {"out": out})


def test_undefined_shared_memory_is_not_a_number() -> None:
    body = f"{MINE} ld.shared.f32 %r5, [%r2]; setp.nan.f32 %p1, %r5, %r5; mov.u32 %r5, 0;"
    with pytest.raises(PtxError, match="guard of a value"):
        run(body + f"@%p1 mov.u32 %r5, 1; {OUT}", {"out": np.zeros(32, np.uint32)}, shared=128)


def test_barriers_that_not_all_reach() -> None:
    half = "setp.lt.u32 %p1, %r0, {}; @%p1 bra FIRST; bar.sync 0; bra END; FIRST: {} END:"
    with pytest.raises(PtxError, match="different barriers"):
        run(half.format(32, "bar.sync 0;"), {}, 64)
    with pytest.raises(PtxError, match="not all lanes of its mask"):
        run("setp.lt.u32 %p1, %r0, 7; @%p1 bra END; bar.warp.sync -1; END:", {}, 32)
    with pytest.raises(PtxError, match="not all lanes of its mask"):
        run("setp.lt.u32 %p1, %r0, 7; @%p1 bra END; shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; END:", {}, 32)


def test_launches_that_no_device_takes() -> None:
    with pytest.raises(PtxError, match="1025 threads"):
        run("", {}, 1025)
    with pytest.raises(PtxError, match="shared memory"):
        run("", {}, 32, shared=228 << 10)
