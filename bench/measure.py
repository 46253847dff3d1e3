"""Measures an entry by the device's own clock; its sides take turns, so that a drift of the machine meets them all."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bench import ROOT
from bench.registry import Entry, Figure, PeerError, Run, Side, Sides
from specops import backends

REPEATS = 9
CACHES = 4  # all sets of inputs together are this many times as large as the last cache of a GPU
COPIED_BYTES = 2**28

Row = dict[str, Any]


class WrongResultError(Exception):
    """Says which of the sides that are to be timed computes something else."""


def host_seconds(work: Callable[[], Any]) -> float:
    """Returns the seconds that the work takes on the host."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def device_seconds(work: Callable[[], Any]) -> float:
    """Returns the seconds between two events of the current CUDA stream, around the work."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


class Clock(NamedTuple):
    """A way to take the seconds of some work, and the least seconds of a timing.

    On a GPU the first call of a timing includes the host's time, so that a timing of one call would count it in full.
    """

    seconds: Callable[[Callable[[], Any]], float]
    least: float


CLOCKS = {"cpu": Clock(host_seconds, 0.02), "cuda": Clock(device_seconds, 0.005)}


def times(sides: Mapping[str, Side], inputs: Sequence[Sequence[Tensor]], clock: Clock) -> dict[str, list[float]]:
    """Returns the seconds of a call of each side, a mean over all sets of inputs for each of the repeats."""

    def seconds(side: Side, rounds: int) -> float:
        def work() -> None:
            for _ in range(rounds):
                for arguments in inputs:
                    side.run(*arguments)

        torch.set_num_threads(side.threads)
        return clock.seconds(work) / rounds / len(inputs)

    before = torch.get_num_threads()
    rounds = {}
    for name, side in sides.items():
        seconds(side, 2)
        rounds[name] = math.ceil(clock.least / max(1e-9, len(inputs) * seconds(side, 1)))
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(REPEATS):
        for name, side in sides.items():
            found[name].append(seconds(side, rounds[name]))
    torch.set_num_threads(before)
    return found


def sets_of_images(
    shape: Sequence[int],
    device: torch.device,
    count: int = 1,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
    gradient: bool = False,
) -> list[tuple[Tensor, ...]]:
    """Returns sets of `count` normal images; the last image of a set is a leaf where its gradient is wanted.

    A CPU gets one set. A GPU gets so many that no cache still holds a set when its turn comes again.
    """
    generator = torch.Generator(device).manual_seed(0)
    cache = torch.cuda.get_device_properties(device).L2_cache_size if device.type == "cuda" else 0
    bytes_of_one = count * dtype.itemsize * torch.Size(shape).numel()

    def images() -> tuple[Tensor, ...]:
        made = (torch.randn(*shape, generator=generator, device=device).to(dtype) for _ in range(count))
        *others, last = (image.contiguous(memory_format=memory_format) for image in made)
        return (*others, last.requires_grad_(gradient))

    return [images() for _ in range(max(2, -(-CACHES * cache // bytes_of_one)) if cache else 1)]


def with_backward(function: Run, example: Sequence[Tensor]) -> Run:
    """Returns a function for the gradient in the last image, a leaf; all sides have the same cotangent."""
    out = function(*example)
    generator = torch.Generator(out.device).manual_seed(1)
    cotangent = torch.randn(out.shape, generator=generator, device=out.device).to(out.dtype)

    def gradient(*images: Tensor) -> Any:
        return torch.autograd.grad(function(*images), images[-1], cotangent)[0]

    return gradient


def copy_bandwidth(device: torch.device) -> float:
    """Returns bytes per second, read and written, of the device's own copy."""
    pairs = [[torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device) for _ in range(2)] for _ in range(2)]
    return 2 * COPIED_BYTES / min(times({"copy": Side(Tensor.copy_)}, pairs, CLOCKS[device.type])["copy"])


def by_backend(op: str, ours: Side, device: torch.device) -> dict[str, Side]:
    """Returns our side on each backend that has a kernel for the op on the device."""

    def on(backend: str) -> Side:
        def forced(*arguments: Tensor) -> Any:
            with backends.use(backend):
                return ours.run(*arguments)

        return ours._replace(run=forced)

    names = (name for name in backends.ORDER[device.type] if name != "reference")
    found = {name: on(name) for name in names if backends.why_not(name, op, device.type) is None}
    if not found:
        raise PeerError(f"no kernel of {op} runs on {device.type}")
    return found


def compare_results(sides: Mapping[str, Side], of_peer: str, arguments: Sequence[Tensor], allowed: float) -> None:
    """Raises WrongResultError where a result differs from the peer's by more than allowed, in relative L2."""
    expected = sides[of_peer].run(*arguments).detach().float()
    for name, side in sides.items():
        off = float((side.run(*arguments).detach().float() - expected).norm() / expected.norm())
        if not off <= allowed:
            raise WrongResultError(f"{name or 'ours'} is off from {of_peer} by {off:.2g}")


def measured(entry: Entry, device: torch.device, bandwidth: float = 0) -> list[Row]:
    """Returns a row for each backend that is timed; raises PeerError and WrongResultError.

    Args:
        bandwidth: bytes per second of the device's copy, of which a rate is a share; 0 for no share.
    """
    if entry.alone:
        return measured_alone(entry)
    found = entry.setup(device)
    about = {"claim": entry.claim, "case": entry.case}
    if isinstance(found, Figure):
        verdict = "met" if found.value <= found.allowed else "missed"
        return [about | {"value": found.value, "allowed": found.allowed, "verdict": verdict}]
    ours = by_backend(entry.op, found.ours, device) if entry.op else {"": found.ours}
    sides = {**ours, **found.peers}
    if found.error is not None:
        compare_results(sides, next(iter(found.peers)), found.inputs[0], found.error)
    taken = times(sides, found.inputs, CLOCKS[device.type])
    return [about | {"backend": backend} | speed_of(entry, found, taken, backend, bandwidth) for backend in ours]


def speed_of(entry: Entry, sides: Sides, taken: dict[str, list[float]], backend: str, bandwidth: float) -> Row:
    """Returns the columns of a backend's speed: its time, the ratios to the peers, the verdict and the rates."""
    against = sides.against or tuple(sides.peers)
    ratio, of_medians = (
        statistic(taken[backend]) / sides.combine([statistic(taken[name]) for name in against])
        for statistic in (min, statistics.median)
    )
    verdict = "" if entry.must is None else "missed" if ratio > entry.must else "met"
    if verdict == "met" and entry.aim is not None and ratio <= entry.aim:
        verdict = "aim"
    seconds = min(taken[backend])
    rate = entry.moved / seconds
    return {
        "us": round(1e6 * seconds, 2),
        "peers us": "; ".join(f"{name} {1e6 * min(taken[name]):.2f}" for name in sides.peers),
        "ratio": round(ratio, 4),
        "ratio of medians": round(of_medians, 4),
        "must": entry.must,
        "aim": entry.aim,
        "verdict": verdict,
        "ns per pixel": round(1e9 * seconds / entry.pixels, 4) if entry.pixels else "",
        "GB/s": round(rate / 1e9, 1) if rate else "",
        "share of copy": round(rate / bandwidth, 3) if rate and bandwidth else "",
    }


# Makes glibc's allocator keep what is freed. By default it may give back each large temporary, or not, by luck.
RECYCLING = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}


def measured_alone(entry: Entry) -> list[Row]:
    """Returns the rows of an entry that is measured in a process of its own, whose memory stays mapped."""
    script = "from bench.__main__ import measure_here; measure_here()"
    command = [sys.executable, "-c", script, entry.claim, entry.case]
    environment = {**os.environ, **RECYCLING}
    finished = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(finished.stdout)


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


def peak_bytes(prepare: str, bound: int, device: torch.device) -> Figure:
    """Returns how far resident memory grows during a call beyond what is held afterwards, in a process of its own.

    Args:
        prepare: source text that defines `run`, and `held`, the bytes of outputs and gradients.
        bound: bytes allowed beyond those.
        device: the CPU; the operating system counts its memory.
    """
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory goes back at once
    command = [sys.executable, "-c", PEAK.format(prepare=prepare)]
    finished = subprocess.run(command, cwd=ROOT, env=exact, capture_output=True, text=True, check=True)
    return Figure(int(finished.stdout), bound)
