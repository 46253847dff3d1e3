"""Times one entry in a process of its own: `python -m bench.alone CLAIM CASE` prints the times as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from bench.measure import compare
from bench.registry import REGISTRY, Entry

# glibc's allocator keeps what is freed; else it may give back each large temporary, or not, by luck.
RECYCLING = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}


def compare_alone(entry: Entry) -> dict[str, float]:
    """Returns what `compare` does, of a process in which both sides find their memory mapped."""
    command = [sys.executable, "-m", "bench.alone", entry.claim, entry.case]
    recycling = {**os.environ, **RECYCLING}
    finished = subprocess.run(command, env=recycling, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(finished.stdout)


def main() -> None:
    import bench.spectral  # noqa: F401  (fills the registry)

    [entry] = [entry for entry in REGISTRY.entries if [entry.claim, entry.case] == sys.argv[1:]]
    print(json.dumps(compare(entry.setup())))


if __name__ == "__main__":
    main()
