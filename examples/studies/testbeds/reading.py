"""What the numbers of the testbeds' runs say, in plain language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from specops.report.pages import clamped_percent
from studies.core.record.results import RunResult
from studies.core.report.reading import read_bands

_LEARNED = 0.5


@dataclass(frozen=True)
class Wording:
    """What a report calls the parts of a testbed."""

    question: str
    lead: str
    subject: str
    varied: str


WORDINGS = {
    "generator": Wording(
        question="Which frequencies does a generator learn, and how fast?",
        lead="A generator is given a fixed noise input and must reproduce a fixed image. Nothing is random or "
        "adversarial about the task, so what goes wrong in the spectrum is the network's own bias.",
        subject="the generator",
        varied="upsampling",
    ),
    "discriminator": Wording(
        question="Which frequencies does a discriminator teach?",
        lead="The generator is nothing but the pixels of an image, which the discriminator alone has to lead to the "
        "real one. What goes wrong in the spectrum is the discriminator's own bias. Numbers are of the raw "
        "pixels unless said to be of their moving average over training, which published figures show.",
        subject="the training signal",
        varied="discriminator",
    ),
}
"""By name of the testbed."""


def learned_at(result: RunResult, band: str) -> int | None:
    """First step from which on the band's error stays within ±50 %, or None."""
    within = np.abs(result.history.column(f"e_{band}")) <= _LEARNED
    if not within[-1]:
        return None
    outside = np.flatnonzero(~within)
    return result.history.steps[outside[-1] + 1 if len(outside) else 0]


def read_run(result: RunResult) -> list[str]:
    """Sentences on one run."""
    average = "" if result.average_psnr is None else f", its moving average at {result.average_psnr:.1f} dB"
    return [
        f"It ends at {result.psnr:.1f} dB{average}. Frequencies: {read_bands(result.errors)}.",
        _read_speed(result),
        _read_checkerboard(result),
    ]


def read_comparison(results: Sequence[RunResult]) -> list[str]:
    """Sentences on how several runs differ; nothing for one run."""
    if len(results) < 2:
        return []
    weakest = min(results, key=lambda result: result.errors["high"])
    closest = min(results, key=lambda result: abs(result.errors["high"]))
    peak = max(results, key=lambda result: result.checkerboard)
    sharpest = max(results, key=lambda result: result.psnr)
    sentences = [
        f"{sharpest.title} has the highest PSNR, {sharpest.psnr:.1f} dB.",
        f"In the high band, {weakest.title} is lowest ({clamped_percent(weakest.errors['high'])}) and {closest.title} "
        f"is nearest to the real image ({clamped_percent(closest.errors['high'])}).",
    ]
    if peak.checkerboard > 1:
        density = _times(1 + peak.checkerboard)
        sentences.append(f"{peak.title} has the strongest checkerboard: {density} the real density in the last bin.")
    return sentences


def _read_speed(result: RunResult) -> str:
    steps = {band: learned_at(result, band) for band, error in result.errors.items() if not math.isnan(error)}
    learned = [f"{band} from step {step}" for band, step in steps.items() if step is not None]
    missing = [band for band, step in steps.items() if step is None]
    parts = []
    if learned:
        parts.append(f"Within 50 % of the real density: {', '.join(learned)}.")
    if missing:
        parts.append(f"Off by more than 50 % at the end: {', '.join(missing)}.")
    return " ".join(parts)


def _read_checkerboard(result: RunResult) -> str:
    density = 1 + result.checkerboard
    where = "The very last bin, a pixel checkerboard,"
    if density > 2:
        return f"{where} peaks at {_times(density)} the real density."
    if density < 0.5:
        return f"{where} holds {_times(density)} the real density: no checkerboard."
    return f"{where} is about as strong as in the real image ({_times(density)})."


def _times(density: float) -> str:
    if not math.isfinite(density):
        return "infinitely many times"
    return (
        f"{density:,.0f} times" if density >= 10 else f"{density:.1f} times" if density >= 1 else f"{density:.2g} times"
    )
