"""What `specops spectrum` costs: seconds and memory of sets of pictures, and how much of it is not decoding."""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bench import ROOT
from bench.registry import Entry, Figure
from bench.sets.processes import run_of

TESTS = ("spectra/test_runs.py", "spectra/test_command.py")
MEMORY = 400e6  # bytes beyond those of a process that has imported torch
NOT_DECODING = 0.1  # share of a processor's time
WORKERS = 2


class Case(NamedTuple):
    """A folder of pictures, and the seconds that it may take."""

    pictures: int
    side: int
    suffix: str
    allowed: float

    @property
    def name(self) -> str:
        return f"{self.pictures:,} x {self.side}² {self.suffix}"


CASES = (Case(10_000, 64, "png", 40), Case(1_000, 1024, "jpg", 90))


def write_pictures(folder: Path, case: Case) -> None:
    """Writes pictures with the power law of photographs, some noise and shifts that make each another."""
    from PIL import Image

    random = np.random.default_rng(0)
    cycles = np.hypot(np.fft.fftfreq(case.side)[:, None], np.fft.rfftfreq(case.side)[None])
    cycles[0, 0] = 1
    spectra = np.fft.rfft2(random.standard_normal((3, case.side, case.side))) / cycles
    picture = np.fft.irfft2(spectra, (case.side, case.side)).transpose(1, 2, 0)
    picture = 128 + 45 * picture / picture.std() + 2 * random.standard_normal(picture.shape)
    pixels = np.rint(picture).clip(0, 255).astype(np.uint8)
    for number in range(case.pictures):
        shifted = np.roll(pixels, (7 * number, 11 * number), (0, 1))
        Image.fromarray(shifted).save(folder / f"{number:06}.{case.suffix}", quality=90)


@functools.cache
def cost(case: Case) -> tuple[float, int, float]:
    """Returns the seconds and bytes of the command on a set, and the share of its time that is not decoding."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "set"
        folder.mkdir()
        write_pictures(folder, case)
        command = ["-m", "specops", "spectrum", str(folder), "--out", f"{name}/out", "--workers", str(WORKERS)]
        idle = run_of(["-c", "import time, torch; time.sleep(1)"])[1]
        seconds, peak = run_of(command)
        share = subprocess.run(
            [sys.executable, "-c", f"from bench.sets import print_share; print_share({str(folder)!r}, {case.side})"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return seconds, peak - idle, float(share.stdout)


def print_share(folder: str, side: int) -> None:
    """Prints the share of one thread's time, decoding and sums of a set, that the sums take."""
    from specops.spectra.loading import Chunk, Framing, Part, chunks
    from specops.spectra.sources import source_of
    from specops.spectra.sums import Measure, blocks

    torch.set_num_threads(1)
    size, limit = (side, side), 2_000_000 // side**2 + 64
    decoding = 0.0

    def used() -> float:
        own = resource.getrusage(resource.RUSAGE_SELF)
        return own.ru_utime + own.ru_stime

    def timed(read: Iterator[Chunk]) -> Iterator[Chunk]:
        nonlocal decoding
        while True:
            start = used()
            chunk = next(read, None)
            decoding += used() - start
            if chunk is None:
                return
            yield chunk

    for _ in range(2):  # first to fill caches
        start, decoding = used(), 0.0
        list(blocks(Measure(size), timed(chunks(source_of(Path(folder)), Framing(), size, Part(limit=limit), 0))))
    print(1 - decoding / (used() - start))


FIGURES = ("seconds", "bytes beyond torch", "share that is not decoding")  # of `cost`


def entries() -> Iterator[Entry]:
    """Yields three entries for each set, of one run."""
    for case in CASES:
        for place, (claim, allowed) in enumerate(zip(FIGURES, (case.allowed, MEMORY, NOT_DECODING), strict=True)):
            setup = functools.partial(figure, case, place, allowed)
            yield Entry(f"spectrum of a set: {claim}", case.name, TESTS, setup, quick=False)


def figure(case: Case, place: int, allowed: float, device: torch.device) -> Figure:
    return Figure(round(cost(case)[place], 3), allowed)
