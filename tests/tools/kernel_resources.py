"""What a compiled kernel takes of a multiprocessor: registers and the like, resident warps, and a bound of its time."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptx import SECTOR, Counters

MOST_WARPS, MOST_BLOCKS = 64, 32  # of a multiprocessor, here and below for sm_80, sm_90 and sm_100
REGISTERS, REGISTERS_AT_ONCE, WARPS_AT_ONCE = 1 << 16, 256, 4  # those of a warp and warps, in steps of
SHARED_KIB = {80: 164, 90: 228, 100: 228}
SHARED_AT_ONCE, SHARED_OF_SYSTEM = 128, 1 << 10  # bytes: in steps of, and what each block has beside its own
SHARED_LISTED = {90: SHARED_OF_SYSTEM, 100: SHARED_OF_SYSTEM}  # of that, by cuobjdump too

# An H100 SXM, per second: bytes of memory, and clocks of all multiprocessors. Per clock, one of them moves 128 bytes of
# its first-level cache and shared memory together, and issues the instructions of 128 lanes.
MEMORY_PER_SECOND = 3.35e12
CLOCKS_PER_SECOND = 132 * 1.7e9
PER_CLOCK = 128


@dataclass(frozen=True)
class Resources:
    """Registers of a thread; bytes of its stack, spilled registers included, and of static shared memory of a block."""

    registers: int
    stack: int
    shared: int


def resources_of(binary: bytes, cuobjdump: Path, arch: int = 0) -> dict[tuple[str, int], Resources]:
    """Returns what the kernels in an object file, or in a cubin for `arch`, take, by mangled name and architecture."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(binary)
        file.flush()
        command = [str(cuobjdump), "-res-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in re.finditer(r"arch = sm_(\d+)|Function (\S+):\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", said):
        if line[1]:
            arch = int(line[1])
        else:
            registers, stack, shared, local = map(int, line.groups()[2:])
            found[line[2], arch] = Resources(registers, stack + local, max(0, shared - SHARED_LISTED.get(arch, 0)))
    return found


def resident_warps(arch: int, threads: int, registers: int, shared: int) -> int:
    """Returns how many warps of blocks of `threads` are on a multiprocessor at once; `shared` in bytes per block."""
    warps = -(-threads // 32)
    by_registers = REGISTERS // _in_steps(32 * registers, REGISTERS_AT_ONCE)
    blocks = min(
        MOST_BLOCKS,
        MOST_WARPS // warps,
        by_registers // WARPS_AT_ONCE * WARPS_AT_ONCE // warps,
        (SHARED_KIB[arch] << 10) // _in_steps(shared + SHARED_OF_SYSTEM, SHARED_AT_ONCE),
    )
    return blocks * warps


def _in_steps(n: int, step: int) -> int:
    return -(-n // step) * step


def modelled_seconds(counters: Counters, bytes_moved: int) -> Mapping[str, float]:
    """Returns what each part of an H100 takes for a launch at least; the largest bounds its time if all overlap.

    Instructions are those of PTX, by lanes. Latencies, the second-level cache and what follows a launch are left out.
    """
    through_cache = sum(each.sectors for each in (*counters.loads.values(), *counters.stores.values())) * SECTOR
    in_shared_memory = counters.total_wavefronts[0] * PER_CLOCK
    return {
        "memory": bytes_moved / MEMORY_PER_SECOND,
        "L1 + shared": (through_cache + in_shared_memory) / PER_CLOCK / CLOCKS_PER_SECOND,
        "issue": counters.instructions / PER_CLOCK / CLOCKS_PER_SECOND,
    }
