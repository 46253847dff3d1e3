"""What a launch asked of memory: sectors, requests and bytes per buffer, wavefronts per instruction."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field

import numpy as np

SECTOR = 32
BANKS = 32
PHASE = 128  # bytes that shared memory serves at a time
CACHED = 4 * 1024 // SECTOR  # sectors of the first-level cache that a block has to itself, were there 32 of them


@dataclass
class Traffic:
    """Accesses to one buffer in one direction. A request is one instruction of one warp.

    Attributes:
        sectors: 32-byte sectors requested, each once per request.
        bytes: bytes that active lanes asked for.
        widths: bytes per lane, of all accesses.
        missed: sectors requested that were none of the last CACHED ones of the block.
        kept: these, by block, the one that was used last at the end.
    """

    sectors: int = 0
    requests: int = 0
    bytes: int = 0
    widths: set[int] = field(default_factory=set)
    missed: int = 0
    kept: defaultdict[int, OrderedDict[int, None]] = field(default_factory=lambda: defaultdict(OrderedDict))

    @property
    def excess(self) -> float:
        """Returns sectors requested over the fewest that hold as many bytes."""
        return self.sectors * SECTOR / self.bytes if self.bytes else 1.0


@dataclass
class Counters:
    """Sums over a launch.

    Attributes:
        instructions: lane instructions executed.
        loads, stores: global memory, by position among the launch's buffers.
        wavefronts: by instruction position: wavefronts of shared memory and the fewest for as many bytes.
    """

    instructions: int = 0
    barriers: int = 0
    loads: dict[int, Traffic] = field(default_factory=dict)
    stores: dict[int, Traffic] = field(default_factory=dict)
    wavefronts: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def total_wavefronts(self) -> tuple[int, int]:
        """Returns the wavefronts of all instructions and the fewest for as many bytes."""
        return sum(made for made, _ in self.wavefronts.values()), sum(ideal for _, ideal in self.wavefronts.values())


def count_global(traffic: Traffic, addresses: np.ndarray, size: int, warps: np.ndarray, warps_per_block: int) -> None:
    """Adds one instruction's accesses of `size` bytes, given active lanes' addresses and warps (ascending)."""
    first, last = addresses // SECTOR, (addresses + size - 1) // SECTOR
    base = int(first.min())
    span = int(last.max()) - base + 1
    keys = [warps * span + (first - base) + step for step in range(int((last - first).max()) + 1)]
    requested = np.unique(np.concatenate(keys))
    traffic.sectors += len(requested)
    traffic.requests += int(np.count_nonzero(np.diff(warps, prepend=-1)))
    traffic.bytes += size * len(addresses)
    traffic.widths.add(size)
    for block, sector in zip(
        (requested // span // warps_per_block).tolist(), (requested % span + base).tolist(), strict=True
    ):
        kept = traffic.kept[block]
        traffic.missed += sector not in kept
        kept[sector] = None
        kept.move_to_end(sector)
        if len(kept) > CACHED:
            kept.popitem(last=False)


def shared_wavefronts(addresses: np.ndarray, size: int, lanes: np.ndarray) -> tuple[int, int]:
    """Returns (wavefronts, the fewest possible) of one shared-memory instruction.

    A warp's lanes are served in groups of 128 bytes; within a group each bank gives one 4-byte word per wavefront,
    which any number of lanes may read. `lanes` are positions in the launch, 32 to a warp.
    """
    size = max(size, 4)
    groups = lanes // (PHASE // size)
    words = (addresses // 4)[:, None] + np.arange(size // 4)
    _, groups = np.unique(groups, return_inverse=True)
    span = int(words.max()) + 1
    distinct = np.unique((groups[:, None] * span + words).ravel())
    per_bank = np.bincount(distinct // span * BANKS + distinct % span % BANKS)
    per_bank = np.pad(per_bank, (0, -len(per_bank) % BANKS)).reshape(-1, BANKS)
    return int(per_bank.max(axis=1).sum()), len(per_bank)
