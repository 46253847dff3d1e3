"""Table of the testbeds' numbers beside those of the published code: `python tests/parity.py [SEED...]`.

The published code has numbers for seed 0; another seed moves them. So each run is made twice, with our arithmetic and
with the published code's, which on a processor like its own gives its losses to the last bit. Needs the golden arrays
of tests/conftest.py. Generator: means over the evaluations at 1100, …, 1500, since single ones jitter; discriminator:
step 600, raw pixels. Exits with 1 where two numbers differ by more than the tolerance.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from conftest import GOLDEN

HERE = Path(__file__).parent

BANDS = ("low", "mid", "high", "corner")
COLUMNS = ("psnr", *(f"e_{band}" for band in BANDS))
GENERATORS = {  # tolerance of PSNR and corner, and PSNR of the published code at seed 0
    "bilinear": (1.0, 0.05, 24.30),
    "nearest": (1.0, 0.05, 26.65),
    "zeros": (1.5, 0.15, 28.83),
    "shuffle": (1.5, 0.15, 28.69),
    "zeros+log-spectrum": (1.5, 0.15, 25.90),
}
DISCRIMINATORS = {  # PSNR of the published code at seed 0
    "avg": 22.47,
    "stride": 19.76,
    "schwarz_blur": 21.44,
    "stride+spectrum": 22.83,
    "schwarz_blur+highpass": 18.93,
}
BAND_TOLERANCE = 0.05
# Of a discriminator's image, which is nowhere near its goal at step 600.
EARLY_PSNR, EARLY_BAND = 1.5, 0.15

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


def measured(testbed: str, mode: str, arithmetic: str, seed: int) -> dict[str, float]:
    if testbed == "generator":
        rows = [row for row in train(testbed, mode, arithmetic, 1500, seed) if row["step"] > 1000]
    else:
        rows = train(testbed, mode, arithmetic, 600, seed)[-1:]
    return {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS}


def tolerances(testbed: str, mode: str) -> dict[str, float]:
    if testbed == "discriminator":
        judged_bands = ("e_low", "e_high") if mode.endswith("highpass") else ()
        return {"psnr": EARLY_PSNR} | dict.fromkeys(judged_bands, EARLY_BAND)
    psnr, corner, _ = GENERATORS[mode]
    return {"psnr": psnr, "e_corner": corner} | dict.fromkeys(("e_low", "e_mid", "e_high"), BAND_TOLERANCE)


def judged(job: tuple[str, str, int]) -> tuple[str, bool]:
    """A row of the table, and whether it is within tolerance."""
    testbed, mode, seed = job
    ours, theirs = (measured(testbed, mode, arithmetic, seed) for arithmetic in ("fast", "published"))
    missed = [name for name, allowed in tolerances(testbed, mode).items() if abs(ours[name] - theirs[name]) > allowed]
    known = (GENERATORS[mode][-1] if testbed == "generator" else DISCRIMINATORS[mode]) if seed == 0 else None
    pairs = [f"{ours[name]:+.3f} / {theirs[name]:+.3f}" for name in COLUMNS[1:]]
    cells = [mode, str(seed), f"{ours['psnr']:.2f} / {theirs['psnr']:.2f}", f"{known or ''}", *pairs]
    return f"| {' | '.join([*cells, ', '.join(missed) or 'within'])} |", not missed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="parity.py", description=__doc__)
    parser.add_argument("seeds", metavar="SEED", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args(arguments)
    if not (GOLDEN / "schwarz_part.npz").exists():
        print(f"parity.py: error: the published numbers are not at {GOLDEN}", file=sys.stderr)
        return 2
    runs = [("generator", mode) for mode in GENERATORS] + [("discriminator", mode) for mode in DISCRIMINATORS]
    jobs = [(testbed, mode, seed) for seed in options.seeds for testbed, mode in runs]
    print("each: our arithmetic / the published code's")
    print(f"| run | seed | PSNR / dB | published code | {' | '.join(COLUMNS[1:])} | out of tolerance |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    with ThreadPoolExecutor(2) as pool:
        for row, within in pool.map(judged, jobs):
            print(row, flush=True)
            good = good and within
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
