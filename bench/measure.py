"""Times in turn, so that a drift of the machine meets all sides; peak memory from the kernel's own count."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from bench.registry import MemoryEntry, Timed, Timings

REPEATS = 9
SECONDS_PER_REPEAT = 0.02


def seconds(timed: Timed, calls: int) -> float:
    """Returns the mean time of `calls` calls."""
    torch.set_num_threads(timed.threads)
    start = time.perf_counter()
    for _ in range(calls):
        timed.run()
    return (time.perf_counter() - start) / calls


def times(all_timed: Sequence[Timed], repeats: int = REPEATS) -> list[list[float]]:
    """Returns the times of each, repeats taken in turn after a warm-up."""
    before = torch.get_num_threads()
    calls = []
    for timed in all_timed:
        seconds(timed, 2)
        calls.append(max(1, round(SECONDS_PER_REPEAT / seconds(timed, 1))))
    found: list[list[float]] = [[] for _ in all_timed]
    for _ in range(repeats):
        for timed, count, into in zip(all_timed, calls, found, strict=True):
            into.append(seconds(timed, count))
    torch.set_num_threads(before)
    return found


def compare(timings: Timings) -> dict[str, float]:
    """Returns minimum and median of ours and of each peer, and the ratios of minima and of medians."""
    names = ["ours", *timings.peers]
    found = dict(zip(names, times([timings.ours, *timings.peers.values()]), strict=True))
    result = {f"{name} min": min(values) for name, values in found.items()}
    result |= {f"{name} median": statistics.median(values) for name, values in found.items()}
    for statistic in ("min", "median"):
        peer = timings.combine([result[f"{name} {statistic}"] for name in timings.against])
        result[f"ratio {statistic}"] = result[f"ours {statistic}"] / peer
    return result


PEAK = """
import gc, torch
torch.set_num_threads(1)
def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
{prepare}
run()  # plans, caches, the allocator's own
gc.collect()
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
result = run()
print(status("VmHWM") - before - held)
"""


def peak_bytes(entry: MemoryEntry) -> int:
    """Returns the growth of resident memory during one call beyond what is held afterwards, in a fresh process."""
    script = PEAK.format(prepare=entry.prepare)
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory goes back at once
    finished = subprocess.run([sys.executable, "-c", script], env=exact, capture_output=True, text=True, check=True)
    return int(finished.stdout)
