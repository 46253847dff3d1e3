"""Table of the testbeds' numbers beside those of the published code: `python tests/parity.py [SEED...]`.

With `--arithmetic published` the runs round as the published code does, which shows what other seeds do to its numbers.
Needs the golden arrays of tests/conftest.py. Generator: PSNR as mean over the evaluations at 1100, …, 1500, bands at
1500 (with the log-spectrum loss the mean as well); discriminator: step 600, raw pixels. Exits with 1 where a number is
out of tolerance.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from conftest import GOLDEN

HERE = Path(__file__).parent

BANDS = ("low", "mid", "high", "corner")
GENERATORS = {  # mean PSNR at 1100…1500 of the published code, tolerance; bands at 1500; tolerance of the corner
    "bilinear": (24.30, 1.0, (-0.10, -0.70, -0.91, -0.988), 0.05),
    "nearest": (26.65, 1.0, (0.02, -0.24, -0.53, -0.82), 0.05),
    "zeros": (28.83, 1.5, (-0.04, -0.09, -0.01, 0.62), 0.15),
    "shuffle": (28.69, 1.5, (-0.07, -0.20, -0.13, 0.67), 0.15),
    "zeros+log-spectrum": (25.90, 1.5, (None, None, None, 0.19), 0.15),
}
DISCRIMINATORS = {  # PSNR at step 600 of the published code, and bands where they were measured
    "avg": (22.47, {}),
    "stride": (19.76, {}),
    "schwarz_blur": (21.44, {}),
    "stride+spectrum": (22.83, {}),
    "schwarz_blur+highpass": (18.93, {"low": 0.88, "high": 0.13}),
}
PSNR_TOLERANCE, BAND_TOLERANCE = 1.5, 0.05


# With which torch's kernels round as those did that made the published numbers.
PUBLISHED_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def train(testbed: str, mode: str, arithmetic: str, steps: int, seed: int) -> list[dict[str, float]]:
    """Evaluations of a run."""
    kernels = PUBLISHED_KERNELS if arithmetic == "published" else {}
    path = os.pathsep.join([str(HERE.parent / "examples"), str(HERE.parent), *sys.path])
    program = [sys.executable, "-W", "ignore", HERE / "golden_run.py", GOLDEN / "schwarz_part.npz"]
    finished = subprocess.run(
        [*program, testbed, arithmetic, mode, str(steps), str(seed)],
        env={**os.environ, **kernels, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    evaluations: list[dict[str, float]] = json.loads(finished.stdout)["evaluations"]
    return evaluations


def judged(job: tuple[str, str, str, int]) -> tuple[str, bool]:
    """A row of the table, and whether it is within tolerance."""
    testbed, mode, arithmetic, seed = job
    wanted: dict[str, tuple[float, float]] = {}
    if testbed == "generator":
        psnr, tolerance, bands, corner = GENERATORS[mode]
        rows = [row for row in train(testbed, mode, arithmetic, 1500, seed) if row["step"] > 1000]
        wanted = {
            f"e_{band}": (value, corner if band == "corner" else BAND_TOLERANCE)
            for band, value in zip(BANDS, bands, strict=True)
            if value is not None
        }
    else:
        psnr, published = DISCRIMINATORS[mode]
        tolerance = PSNR_TOLERANCE
        rows = train(testbed, mode, arithmetic, 600, seed)
        wanted = {f"e_{band}": (value, 0.15) for band, value in published.items()}
    wanted["psnr"] = (psnr, tolerance)
    last = rows if mode == "zeros+log-spectrum" else rows[-1:]
    found: dict[str, Any] = {name: float(np.mean([row[name] for row in last])) for name in _columns()}
    found["psnr"] = float(np.mean([row["psnr"] for row in rows]))
    missed = [name for name, (value, allowed) in wanted.items() if abs(found[name] - value) > allowed]
    cells = [mode, str(seed), f"{found['psnr']:.2f}", f"{psnr:.2f}", *(f"{found[name]:+.2f}" for name in _columns())]
    return f"| {' | '.join([*cells, ', '.join(missed) or 'within'])} |", not missed


def _columns() -> list[str]:
    return [f"e_{band}" for band in BANDS]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="parity.py", description=__doc__)
    parser.add_argument("seeds", metavar="SEED", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--arithmetic", choices=("fast", "published"), default="fast")
    options = parser.parse_args(arguments)
    if not (GOLDEN / "schwarz_part.npz").exists():
        print(f"parity.py: error: the published numbers are not at {GOLDEN}", file=sys.stderr)
        return 2
    runs = [("generator", mode) for mode in GENERATORS] + [("discriminator", mode) for mode in DISCRIMINATORS]
    jobs = [(testbed, mode, options.arithmetic, seed) for seed in options.seeds for testbed, mode in runs]
    print(f"| run | seed | PSNR / dB | published | {' | '.join(_columns())} | out of tolerance |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    with ThreadPoolExecutor(2) as pool:
        for row, within in pool.map(judged, jobs):
            print(row, flush=True)
            good = good and within
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
