"""Table of the testbeds' numbers beside those of the published code: `python tests/parity.py [SEED...]`.

Needs the golden arrays of tests/conftest.py. Each run is made twice, with our arithmetic and with the published code's,
which on a processor like its own gives its losses to the last bit, and judged twice. Ours against the published
numbers, which are of seed 0: PSNR as mean over the evaluations at 1100, …, 1500 of a generator, bands at 1500 (with the
log-spectrum loss the mean as well); a discriminator at step 600, raw pixels. And ours against the published arithmetic
with the same seed, all as means, since another seed and single evaluations move the numbers too. Exits with 1 where
one is out of tolerance.
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
GENERATORS = {  # published PSNR and bands, tolerance of PSNR and of the corner
    "bilinear": ((24.30, -0.10, -0.70, -0.91, -0.988), 1.0, 0.05),
    "nearest": ((26.65, 0.02, -0.24, -0.53, -0.82), 1.0, 0.05),
    "zeros": ((28.83, -0.04, -0.09, -0.01, 0.62), 1.5, 0.15),
    "shuffle": ((28.69, -0.07, -0.20, -0.13, 0.67), 1.5, 0.15),
    "zeros+log-spectrum": ((25.90, None, None, None, 0.19), 1.5, 0.15),
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


def measured(testbed: str, mode: str, arithmetic: str, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Means over the evaluations that count, and the last of them."""
    if testbed == "generator":
        rows = [row for row in train(testbed, mode, arithmetic, 1500, seed) if row["step"] > 1000]
    else:
        rows = train(testbed, mode, arithmetic, 600, seed)[-1:]
    means = {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS}
    return means, rows[-1]


def tolerances(testbed: str, mode: str) -> dict[str, float]:
    if testbed == "discriminator":
        judged_bands = ("e_low", "e_high") if mode.endswith("highpass") else ()
        return {"psnr": EARLY_PSNR} | dict.fromkeys(judged_bands, EARLY_BAND)
    _, psnr, corner = GENERATORS[mode]
    return {"psnr": psnr, "e_corner": corner} | dict.fromkeys(("e_low", "e_mid", "e_high"), BAND_TOLERANCE)


def missed(found: dict[str, float], wanted: dict[str, float | None], allowed: dict[str, float]) -> list[str]:
    pairs = [(name, found[name], wanted[name], bound) for name, bound in allowed.items()]
    return [name for name, value, aim, bound in pairs if aim is not None and abs(value - aim) > bound]


def judged(job: tuple[str, str, int]) -> tuple[str, bool]:
    """A row of the table, and whether it is within tolerance of both."""
    testbed, mode, seed = job
    (ours, last), (theirs, _) = (measured(testbed, mode, arithmetic, seed) for arithmetic in ("fast", "published"))
    numbers = GENERATORS[mode][0] if testbed == "generator" else DISCRIMINATORS[mode]
    published: dict[str, float | None] = dict(zip(COLUMNS, numbers, strict=True))
    allowed = tolerances(testbed, mode)
    single = ours if mode == "zeros+log-spectrum" else last | {"psnr": ours["psnr"]}
    off = [missed(single, published, allowed), missed(ours, dict(theirs), allowed)]
    pairs = [f"{ours[name]:+.3f} / {theirs[name]:+.3f}" for name in COLUMNS[1:]]
    cells = [mode, str(seed), f"{ours['psnr']:.2f} / {theirs['psnr']:.2f}", f"{published['psnr']:.2f}", *pairs]
    return f"| {' | '.join([*cells, *(', '.join(each) or 'within' for each in off)])} |", not any(off)


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
    columns = (
        "run",
        "seed",
        "PSNR / dB",
        "published code",
        *COLUMNS[1:],
        "off from published",
        "off from its arithmetic",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    good = True
    with ThreadPoolExecutor(2) as pool:
        for row, within in pool.map(judged, jobs):
            print(row, flush=True)
            good = good and within
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
