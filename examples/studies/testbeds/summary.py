"""Tables of final numbers: a row per run, and the mean over runs that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specops.geometry import BANDS
from specops.report.tables import aligned, cell
from studies.core.record.results import RunResult, by_group, mean_and_deviation


@dataclass(frozen=True)
class GroupSummary:
    """Mean and standard deviation (of the sample) of the final numbers of runs that differ in the seed alone."""

    name: str
    count: int
    psnr: tuple[float, float]
    average_psnr: tuple[float, float] | None
    errors: dict[str, tuple[float, float]]


def summarise(results: Sequence[RunResult]) -> list[GroupSummary]:
    """A summary per group of at least two runs, in order."""
    summaries = []
    groups = {name: members for name, members in by_group(results).items() if len(members) > 1}
    for name, members in groups.items():
        averages = [member.average_psnr for member in members if member.average_psnr is not None]
        psnr = mean_and_deviation([member.psnr for member in members])
        average_psnr = mean_and_deviation(averages) if len(averages) == len(members) else None
        errors = {band: mean_and_deviation([member.errors[band] for member in members]) for band in BANDS}
        summaries.append(GroupSummary(name, len(members), psnr, average_psnr, errors))
    return summaries


def format_table(results: Sequence[RunResult]) -> str:
    """Final numbers of all runs as aligned text; the PSNR of the moving average stands where testbeds keep one."""
    averaged = ("average_PSNR",) if None not in [result.average_psnr for result in results] else ()
    head = ("mode", "PSNR", *averaged, *(f"e_{band}" for band in BANDS), "checkerboard")
    body = [
        (
            result.mode,
            f"{result.psnr:.2f}",
            *(f"{result.average_psnr:.2f}" for _ in averaged),
            *(cell(error, "+.3f") for error in result.errors.values()),
            f"{result.checkerboard:+.3g}",
        )
        for result in results
    ]
    return aligned([head, *body])
