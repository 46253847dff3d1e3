"""Counters on access patterns whose sectors and wavefronts are known."""

from __future__ import annotations

import numpy as np
import pytest
from ptx import Traffic
from tiny_ptx import run


def loads(address: str, threads: int = 32, width: int = 4, blocks: int = 1) -> Traffic:
    """The traffic of one load per lane at %rd0 + `address` (bytes, in terms of %r0) of an aligned buffer."""
    buffer = np.zeros(1 << 16, np.uint8)
    start = -buffer.ctypes.data % 128
    registers = {4: "%r1", 8: "{%r1, %r2}", 16: "{%r1, %r2, %r3, %r4}"}[width]
    vector = {4: "", 8: ".v2", 16: ".v4"}[width]
    body = (
        f"{address} cvt.u64.u32 %rd8, %r9; add.u64 %rd9, %rd0, %rd8; ld.global{vector}.u32 {registers}, [%rd9+{start}];"
    )
    counters = run(body, {"x": buffer}, threads, blocks)
    return counters.loads[0]


@pytest.mark.parametrize(
    ("address", "width", "sectors"),
    [
        ("mul.lo.u32 %r9, %r0, 4;", 4, 4),
        ("mul.lo.u32 %r9, %r0, 8;", 4, 8),
        ("mul.lo.u32 %r9, %r0, 32;", 4, 32),
        ("mad.lo.u32 %r9, %r0, 4, 4;", 4, 5),
        ("mov.u32 %r9, 64;", 4, 1),
        ("mul.lo.u32 %r9, %r0, 8;", 8, 8),
        ("mul.lo.u32 %r9, %r0, 16;", 16, 16),
        ("mul.lo.u32 %r9, %r0, 64;", 16, 32),
    ],
)
def test_sectors_of_a_warp(address: str, width: int, sectors: int) -> None:
    traffic = loads(address, width=width)
    assert (traffic.sectors, traffic.requests, traffic.bytes, traffic.widths) == (sectors, 1, 32 * width, {width})
    assert traffic.excess == sectors / width


def test_warps_and_blocks_count_apart() -> None:
    traffic = loads("mul.lo.u32 %r9, %r0, 4;", threads=96, blocks=3)
    assert (traffic.sectors, traffic.requests, traffic.bytes) == (36, 9, 9 * 128)
    traffic = loads("mul.lo.u32 %r9, %r0, 4;", threads=40)
    assert (traffic.sectors, traffic.requests, traffic.bytes) == (5, 2, 160)


def test_only_active_lanes_count() -> None:
    x, out = np.zeros(64, np.uint32), np.zeros(64, np.uint32)
    body = """setp.lt.u32 %p1, %r0, 8; mad.wide.u32 %rd8, %r0, 4, %rd0; mad.wide.u32 %rd9, %r0, 4, %rd1;
    mov.u32 %r1, 3; @%p1 ld.global.u32 %r1, [%rd8]; @!%p1 st.global.u32 [%rd9], %r1;"""
    counters = run(body, {"x": x, "out": out})
    aligned = (x.ctypes.data % 32 == 0, out.ctypes.data % 32 == 0)
    assert counters.loads[0].sectors == (1 if aligned[0] else 2)
    assert counters.loads[0].bytes == 32
    assert counters.stores[1].sectors == (3 if aligned[1] else 4)
    assert (out == np.where((np.arange(64) >= 8) & (np.arange(64) < 32), 3, 0)).all()


@pytest.mark.parametrize(
    ("address", "width", "wavefronts"),
    [
        ("mul.lo.u32 %r9, %r0, 4;", 4, (1, 1)),
        ("mul.lo.u32 %r9, %r0, 8;", 4, (2, 1)),
        ("mul.lo.u32 %r9, %r0, 132;", 4, (1, 1)),
        ("mul.lo.u32 %r9, %r0, 128;", 4, (32, 1)),
        ("mov.u32 %r9, 8;", 4, (1, 1)),
        ("and.b32 %r9, %r0, 1; mul.lo.u32 %r9, %r9, 128;", 4, (2, 1)),
        ("mul.lo.u32 %r9, %r0, 8;", 8, (2, 2)),
        ("mul.lo.u32 %r9, %r0, 16;", 16, (4, 4)),
        ("mul.lo.u32 %r9, %r0, 32;", 16, (8, 4)),
    ],
)
def test_wavefronts_of_a_warp(address: str, width: int, wavefronts: tuple[int, int]) -> None:
    registers = {4: "%r1", 8: "{%r1, %r2}", 16: "{%r1, %r2, %r3, %r4}"}[width]
    vector = {4: "", 8: ".v2", 16: ".v4"}[width]
    body = f"{address} mov.u32 %r8, memory; add.u32 %r8, %r8, %r9; ld.shared{vector}.u32 {registers}, [%r8];"
    counters = run(body, {}, 32, shared=8192)
    assert counters.total_wavefronts == wavefronts
    both = run(body, {}, 64, blocks=2, shared=16384)
    if "and" not in address and "mov.u32 %r9, 8" not in address:
        assert both.total_wavefronts == (4 * wavefronts[0], 4 * wavefronts[1])


def test_instructions_and_barriers() -> None:
    counters = run("setp.lt.u32 %p1, %r0, 8; @%p1 add.u32 %r1, %r0, 1; bar.sync 0; bar.sync 0;", {}, 64)
    assert counters.instructions == 64 * 5 + 8  # mov, setp, add by 8 lanes, two barriers, ret
    assert counters.barriers == 2
