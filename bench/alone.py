"""Times one entry in a process of its own: `python -m bench.alone CLAIM CASE` prints the times as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.measure import compare
from bench.registry import REGISTRY, Entry


def compare_alone(entry: Entry) -> dict[str, float]:
    """Returns what `compare` does, with the allocator as a user's process has it: not as other entries left it."""
    command = [sys.executable, "-m", "bench.alone", entry.claim, entry.case]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(finished.stdout)


def main() -> None:
    import bench.spectral  # noqa: F401  (fills the registry)

    [entry] = [entry for entry in REGISTRY.entries if [entry.claim, entry.case] == sys.argv[1:]]
    print(json.dumps(compare(entry.setup())))


if __name__ == "__main__":
    main()
