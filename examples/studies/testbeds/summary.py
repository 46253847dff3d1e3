"""Tables of final numbers: a row per run, and the mean over runs that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specops.geometry import BANDS
from specops.report.pages import percent
from studies.core.record.results import RunResult, by_group, mean_and_deviation
from studies.core.report.numbers import band_numbers, table


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
    """Final numbers of all runs as aligned text, in the units of the page."""
    return table({result.title: _numbers(result) for result in results})


def _numbers(result: RunResult) -> dict[str, str]:
    average = {} if result.average_psnr is None else {"PSNR of average / dB": f"{result.average_psnr:.2f}"}
    return {
        "PSNR / dB": f"{result.psnr:.2f}",
        **average,
        **band_numbers(result.errors),
        "Checkerboard": percent(result.checkerboard),
    }
