"""Times by the device's own clock, over inputs of which no cache still holds one when its turn comes again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

REPEATS = 9
CACHES = 4  # sets of inputs together are so many times the last cache
LEAST_SECONDS = 5e-3  # of a timing: the first of its calls has the host's time to itself
COPIED_BYTES = 2**28

Clock = Callable[[Callable[[], Any]], float]
Work = Callable[..., Any]


def device_seconds(work: Callable[[], Any]) -> float:
    """Returns the seconds between two events of the current CUDA stream, around the work."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def host_seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def clock_of(device: torch.device) -> Clock:
    return device_seconds if device.type == "cuda" else host_seconds


def sets_of_inputs(bytes_of_one: int, device: torch.device) -> int:
    """Returns how many sets of inputs to take turns with."""
    cache = torch.cuda.get_device_properties(device).L2_cache_size if device.type == "cuda" else 0
    return max(2, -(-CACHES * cache // bytes_of_one))


def seconds_per_call(works: Mapping[str, Work], inputs: Sequence[Sequence[Tensor]], clock: Clock) -> dict[str, float]:
    """Returns the least mean time of a call of each, after one for each set; repeats are taken in turn."""

    def seconds(work: Work, rounds: int) -> float:
        def called() -> None:
            for _ in range(rounds):
                for each in inputs:
                    work(*each)

        return clock(called) / rounds

    found: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        seconds(work, 1)
    rounds = {name: math.ceil(LEAST_SECONDS / max(1e-9, seconds(work, 1))) for name, work in works.items()}
    for _ in range(REPEATS):
        for name, work in works.items():
            found[name].append(seconds(work, rounds[name]) / len(inputs))
    return {name: min(times) for name, times in found.items()}


def copy_bandwidth(device: torch.device, clock: Clock) -> float:
    """Returns bytes per second, read and written, of the device's own copy."""
    pairs = [[torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device) for _ in range(2)] for _ in range(2)]
    return 2 * COPIED_BYTES / seconds_per_call({"copy": torch.Tensor.copy_}, pairs, clock)["copy"]
