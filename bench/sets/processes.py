"""The time and memory of a process with its children."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench import ROOT

SECONDS_BETWEEN_SAMPLES = 0.1


def run_of(arguments: list[str]) -> tuple[float, int]:
    """Returns the seconds that Python takes for something, and the most memory of it and its children, in bytes."""
    start, peak = time.monotonic(), 0
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(resident, family(process.pid))))
            time.sleep(SECONDS_BETWEEN_SAMPLES)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
    return time.monotonic() - start, peak


def family(pid: int) -> list[int]:
    """Returns a process and all its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [pid, *(each for child in children for each in family(int(child)))]


def resident(pid: int) -> int:
    """Returns the bytes of a process's memory; pages that several share are counted once among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
