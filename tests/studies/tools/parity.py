"""Table of the testbeds' numbers beside those of the published code: `make parity`.

Needs the golden arrays of tests/conftest.py. What was published is of seed 0, which is judged by it: a generator by
its PSNR as mean over the evaluations at 1100, …, 1500, a discriminator by its raw pixels at step 600. A generator's
bands were published for one evaluation, which jitters by more than their tolerance (but for the corner with the
log-spectrum loss, a mean). They, and all numbers of any other seed, are judged by the published code's arithmetic with
the same seed, means against means. A training that is finished is kept; a call goes on where another was stopped.

Exits with 0 where all runs are within tolerance, with 1 where one is not, with 2 where they cannot be made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import golden_run
import numpy as np
import torch
from published import GOLDEN

from specops.geometry import BANDS

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
IMAGE = GOLDEN / "schwarz_part.npz"

PUBLISHED_SEED = 0
COLUMNS = ("psnr", *(f"e_{band}" for band in BANDS))
# Published mean PSNR and corner, tolerance of both. Published corners count the last bin too, ours do not: where it is
# +1, they are higher by (1 - e_corner) / 13.
GENERATORS = {
    "bilinear": ((24.30, None), 1.0, 0.05),
    "nearest": ((26.65, None), 1.0, 0.05),
    "zeros": ((28.83, None), 1.5, 0.15),
    "shuffle": ((28.69, None), 1.5, 0.15),
    "zeros+log-spectrum": ((25.90, 0.19), 1.5, 0.15),
}
DISCRIMINATORS = {  # published PSNR, and bands where they were measured
    "avg": (22.47, None, None, None, None),
    "stride": (19.76, None, None, None, None),
    "schwarz_blur": (21.44, None, None, None, None),
    "stride+spectrum": (22.83, None, None, None, None),
    "schwarz_blur+highpass": (18.93, 0.88, None, 0.13, None),
}
BAND_TOLERANCE = 0.05
# Of a discriminator's image, which is nowhere near its goal at step 600.
EARLY_PSNR, EARLY_BAND = 1.5, 0.15

# With which torch's kernels round as those did that made the published numbers.
PUBLISHED_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


class Run(NamedTuple):
    """A training."""

    testbed: str
    mode: str
    seed: int

    def __str__(self) -> str:
        return f"{self.mode}, seed {self.seed}"


Evaluations = list[dict[str, float]]
Measure = Callable[[Run, str], Evaluations]
"""Evaluations of a run in an arithmetic, "fast" or "published"."""


def train(run: Run, arithmetic: str) -> Evaluations:
    """Train in a process of its own, which the rounding of torch's kernels needs."""
    kernels = PUBLISHED_KERNELS if arithmetic == "published" else {}
    steps = 1500 if run.testbed == "generator" else 600
    report = golden_run.train(run.testbed, arithmetic, run.mode, steps, run.seed, kernels=kernels)
    evaluations: Evaluations = report["evaluations"]
    return evaluations


def kept(folder: Path, sources: str, measure: Measure) -> Measure:
    """`measure`, whose results stay in `folder` and are read from there while they are of the same `sources`."""
    folder.mkdir(parents=True, exist_ok=True)

    def measure_once(run: Run, arithmetic: str) -> Evaluations:
        path = folder / f"{run.testbed}-{run.mode}-{run.seed}-{arithmetic}.json"
        if path.exists():
            record = json.loads(path.read_text())
            if record["sources"] == sources:
                evaluations: Evaluations = record["evaluations"]
                return evaluations
        evaluations = measure(run, arithmetic)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"sources": sources, "evaluations": evaluations}))
        partial.replace(path)
        return evaluations

    return measure_once


def sources_digest() -> str:
    """Digest of all that the numbers come from, but for the processor."""
    files = [HERE / "golden_run.py", IMAGE, *(ROOT / "examples" / "studies").rglob("*.py")]
    files += [*(ROOT / "specops").rglob("*.py"), *(ROOT / "specops").glob("_native*.so")]
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def means(run: Run, evaluations: Evaluations) -> dict[str, float]:
    """Means over the evaluations that count: of a discriminator, the last alone."""
    counted = [row for row in evaluations if row["step"] > 1000] if run.testbed == "generator" else evaluations[-1:]
    return {name: float(np.mean([row[name] for row in counted])) for name in COLUMNS}


def sides(run: Run, measure: Measure) -> tuple[dict[str, float], dict[str, float | None]]:
    """Our numbers, and those they are held against."""
    ours = means(run, measure(run, "fast"))
    published: dict[str, float | None] = {}
    if run.seed == PUBLISHED_SEED and run.testbed == "discriminator":
        return ours, dict(zip(COLUMNS, DISCRIMINATORS[run.mode], strict=True))
    if run.seed == PUBLISHED_SEED:
        pairs = zip(("psnr", "e_corner"), GENERATORS[run.mode][0], strict=True)
        published = {name: number for name, number in pairs if number is not None}
    return ours, {**means(run, measure(run, "published")), **published}


def tolerances(run: Run) -> dict[str, float]:
    """By the name of each number that is judged."""
    if run.testbed == "discriminator":
        judged_bands = ("e_low", "e_high") if run.mode.endswith("highpass") else ()
        return {"psnr": EARLY_PSNR} | dict.fromkeys(judged_bands, EARLY_BAND)
    _, psnr, corner = GENERATORS[run.mode]
    return {"psnr": psnr, "e_corner": corner} | dict.fromkeys(("e_low", "e_mid", "e_high"), BAND_TOLERANCE)


def missed(found: dict[str, float], wanted: dict[str, float | None], allowed: dict[str, float]) -> list[str]:
    """Names of the numbers that are out of tolerance; NaN always is."""
    pairs = [(name, found[name], wanted[name], bound) for name, bound in allowed.items()]
    return [name for name, value, aim, bound in pairs if aim is not None and not abs(value - aim) <= bound]


def judged(run: Run, measure: Measure) -> tuple[str, list[str]]:
    """A row of the table, and the names of what is out of tolerance."""
    ours, theirs = sides(run, measure)
    off = missed(ours, theirs, tolerances(run))
    published = "published code" if run.testbed == "discriminator" else "published PSNR, its arithmetic"
    cells = [run.mode, str(run.seed), published if run.seed == PUBLISHED_SEED else "its arithmetic"]
    for name, form in zip(COLUMNS, (".2f", "+.3f", "+.3f", "+.3f", "+.3f"), strict=True):
        aim = theirs[name]
        cells.append(f"{ours[name]:{form}} / {'' if aim is None else format(aim, form)}".rstrip(" /"))
    return f"| {' | '.join([*cells, ', '.join(off) or 'none'])} |", off


def compare(seeds: Sequence[int], measure: Measure, *, at_once: int = 2) -> int:
    """Print the table and which runs are out of tolerance; returns 1 where one is, else 0."""
    modes = [("generator", mode) for mode in GENERATORS] + [("discriminator", mode) for mode in DISCRIMINATORS]
    runs = [Run(testbed, mode, seed) for seed in seeds for testbed, mode in modes]
    headings = ("run", "seed", "held against", "PSNR / dB", *COLUMNS[1:], "out of tolerance")
    print("each: ours / what it is held against")
    print(f"| {' | '.join(headings)} |")
    print("|---" * len(headings) + "|")
    found = {}
    with ThreadPoolExecutor(at_once) as pool:
        for run, (row, off) in zip(runs, pool.map(lambda run: judged(run, measure), runs), strict=True):
            print(row, flush=True)
            found[run] = off
    out = [f"{run} ({', '.join(off)})" for run, off in found.items() if off]
    print(f"out of tolerance: {'; '.join(out)}" if out else f"all {len(runs)} runs are within tolerance")
    return 1 if out else 0


def main(arguments: list[str] | None = None) -> int:
    """Make the table that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="parity.py", description=__doc__)
    parser.add_argument("seeds", metavar="SEED", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--at-once", metavar="N", type=int, default=2, help="trainings at a time, a thread each")
    folder = ROOT / "output" / "parity"
    parser.add_argument("--out", metavar="DIR", type=Path, default=folder, help=f"for what is trained ({folder})")
    options = parser.parse_args(arguments)
    if not IMAGE.exists():
        print(f"parity.py: error: the published numbers are not at {GOLDEN}", file=sys.stderr)
        return 2
    try:
        return compare(options.seeds, kept(options.out, sources_digest(), train), at_once=options.at_once)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        print(f"parity.py: error: a training failed: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
