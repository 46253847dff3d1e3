"""Resident warps as CUDA's occupancy calculator has them; bounds of launches whose cost is known."""

from __future__ import annotations

import pytest
from kernel_resources import CLOCKS_PER_SECOND, MEMORY_PER_SECOND, modelled_seconds, resident_warps
from ptx import Counters, Traffic


@pytest.mark.parametrize(
    ("arch", "threads", "registers", "shared", "warps"),
    [
        (80, 256, 32, 0, 64),  # as many as there can be
        (80, 32, 16, 0, 32),  # blocks
        (90, 256, 72, 0, 24),  # registers, in steps of 256: 28 warps, 3 blocks
        (90, 256, 128, 0, 16),
        (100, 128, 255, 0, 8),
        (80, 96, 40, 0, 48),  # 51 warps, in steps of 4
        (80, 256, 32, 48 << 10, 24),  # shared memory: 3 blocks of 49 KiB
        (90, 256, 32, 48 << 10, 32),
        (80, 256, 32, 163 << 10, 8),
        (80, 256, 32, 164 << 10, 0),  # no such launch
    ],
)
def test_resident_warps(arch: int, threads: int, registers: int, shared: int, warps: int) -> None:
    assert resident_warps(arch, threads, registers, shared) == warps


def test_modelled_seconds() -> None:
    counters = Counters(instructions=128 * 7, wavefronts={3: (5, 4), 9: (6, 6)})
    counters.loads[0], counters.stores[1] = Traffic(sectors=8), Traffic(sectors=4)
    seconds = modelled_seconds(counters, bytes_moved=1000)
    assert seconds["memory"] == pytest.approx(1000 / MEMORY_PER_SECOND)
    assert seconds["L1 + shared"] == pytest.approx((3 + 11) / CLOCKS_PER_SECOND)
    assert seconds["issue"] == pytest.approx(7 / CLOCKS_PER_SECOND)
