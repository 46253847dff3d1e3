"""Runs over sets as `specops spectrum` does, and prints digests of sums; started by tests, alone or by torchrun."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from specops.spectra import run
from specops.spectra.loading import Framing
from specops.spectra.run import Job, processes
from specops.spectra.sources import source_of
from specops.spectra.sums import Measure, Sums


def digest(sums: Sums) -> str:
    """Returns one of all that is summed and kept."""
    made = hashlib.sha256()
    for name, array in sorted(sums.arrays().items()):
        made.update(name.encode() + array.tobytes())
    return made.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--workers", nargs="+", type=int, default=[0])
    parser.add_argument("--batches", nargs="+", type=int, default=[7])
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    run.SECONDS_BETWEEN_STATES = 0.0
    names, sources = [path.name for path in options.sets], [source_of(path) for path in options.sets]
    with processes() as team:
        for workers in options.workers:
            for batch in options.batches:
                job = Job(names, sources, Framing(side=16), Measure((16, 16)), None, workers, batch)
                sets = job.run(team, options.state, options.resume)
                if team.rank == 0:
                    print(workers, batch, *map(digest, sets), flush=True)


if __name__ == "__main__":
    main()
