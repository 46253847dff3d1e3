"""The four claims of Schwarz et al. 2021, as conditions on runs of the testbeds with several seeds each.

A run counts by the mean over the evaluations in the last fifth of its training, which jitters less than the last one,
or over all of them, which also tells how fast it got there.
One group of runs exceeds another where its mean does by more than the sum of both standard deviations over the seeds.
Training signals jitter from seed to seed; they are judged on twice as many seeds, none of them among the first three,
on which their criterion was chosen (grass, the mean over all of the training).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studies.core.evaluation import checkerboard_error
from studies.core.record.results import RunResult, mean_and_deviation
from studies.core.report.figures import settled_spectra

Groups = Mapping[str, Sequence[RunResult]]
"""Runs by name of the group, one per seed."""

_LAST_BIN = "shown, not judged: density of the last bin, the corner coefficient alone, over the real one"


@dataclass(frozen=True)
class Measured:
    """A quantity of a group of runs: `values`, one per seed."""

    name: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        mean, deviation = mean_and_deviation(self.values)
        return f"{self.name} \N{EN DASH}" if np.isnan(mean) else f"{self.name} {mean:.3g} ± {deviation:.2g}"


@dataclass(frozen=True)
class Condition:
    """An ordering that a claim asks for, what was measured of both sides, and whether it holds; None: not judged."""

    criterion: str
    measured: tuple[Measured, ...]
    holds: bool | None


@dataclass(frozen=True)
class Claim:
    """A statement, the groups that it is about, and its conditions given their runs."""

    statement: str
    groups: tuple[str, ...]
    judge: Callable[[Groups], list[Condition]]


def exceeds(larger: Measured, smaller: Measured) -> bool:
    """Whether the means differ by more than the sum of both standard deviations."""
    (high, high_spread), (low, low_spread) = (mean_and_deviation(side.values) for side in (larger, smaller))
    return high - low > high_spread + low_spread


def settled(results: Sequence[RunResult], column: str, name: str) -> Measured:
    """A column of metrics.csv over the last fifth of each run."""
    return Measured(name, tuple(float(_tail(result, column).mean()) for result in results))


def throughout(results: Sequence[RunResult], column: str, name: str) -> Measured:
    """A column of metrics.csv over the whole of each run."""
    return Measured(name, tuple(float(result.history.column(column).mean()) for result in results))


def sizes(results: Sequence[RunResult], band: str, name: str) -> Measured:
    """How far a band is off, |e|, over the last fifth of each run."""
    return Measured(name, tuple(float(np.abs(_tail(result, f"e_{band}")).mean()) for result in results))


def unevenness(results: Sequence[RunResult], name: str) -> Measured:
    """Largest less smallest error of the bands low, mid and high, over the last fifth of each run."""
    spans = [np.ptp([_tail(result, f"e_{band}") for band in ("low", "mid", "high")], axis=0) for result in results]
    return Measured(name, tuple(float(span.mean()) for span in spans))


def peak(results: Sequence[RunResult], name: str) -> Measured:
    """Density of the last bin, the checkerboard, as a multiple of the real one: geometric mean over the last fifth."""
    densities = [1 + np.array([checkerboard_error(f, r.real) for f in settled_spectra(r)]) for r in results]
    return Measured(name, tuple(float(np.exp(np.log(np.maximum(each, 1e-12)).mean())) for each in densities))


def _tail(result: RunResult, column: str) -> np.ndarray:
    return result.history.column(column)[-len(settled_spectra(result)) :]


def _ordered(criterion: str, larger: Measured, smaller: Measured) -> Condition:
    is_there = not np.isnan([*larger.values, *smaller.values]).any()  # a band without frequencies has no error
    return Condition(criterion, (larger, smaller), exceeds(larger, smaller) if is_there else None)


def _upsampling(groups: Groups) -> list[Condition]:
    smooth, nails = groups["bilinear"], groups["zeros"]
    high = [settled(runs, "e_high", f"{name} e_high") for name, runs in (("zeros", nails), ("bilinear", smooth))]
    spans = [unevenness(runs, f"{name} span") for name, runs in (("bilinear", smooth), ("zeros", nails))]
    peaks = [peak(runs, f"{name} last bin") for name, runs in (("zeros", nails), ("bilinear", smooth))]
    return [
        _ordered("e_high: zeros above bilinear", *high),
        _ordered("span of e over low, mid and high: bilinear above zeros", *spans),
        _ordered(
            "zeros: e_corner above e_high", settled(nails, "e_corner", "e_corner"), settled(nails, "e_high", "e_high")
        ),
        Condition(_LAST_BIN, tuple(peaks), None),
    ]


def _loss(groups: Groups) -> list[Condition]:
    names = ("zeros", "zeros with log-spectrum")
    corners = [sizes(groups[name], "corner", f"{name} |e_corner|") for name in names]
    peaks = [peak(groups[name], f"{name} last bin") for name in names]
    return [
        _ordered("|e_corner|: with the mean squared error alone above with the log-spectrum loss", *corners),
        Condition(f"{_LAST_BIN}; it is in no band, and may grow where the band is mended", tuple(peaks), None),
    ]


def _magnitude(groups: Groups) -> list[Condition]:
    conditions = []
    for group, worst in (("average", "high"), ("average, high-pass image", "low")):
        others = [band for band in ("low", "mid", "high") if band != worst]
        measured = [sizes(groups[group], band, f"|e_{band}|") for band in (worst, *others)]
        holds = all(exceeds(measured[0], other) for other in measured[1:])
        conditions.append(Condition(f"{group}: |e_{worst}| above the other two", tuple(measured), holds))
    return conditions


def _signal(groups: Groups) -> list[Condition]:
    names = ("stride", "average", "MLP")

    def shown(criterion: str, measure: Callable[..., Measured], suffix: str) -> Condition:
        measured = tuple(measure(groups[f"{name}{suffix}"], "psnr", f"{name} dB") for name in names)
        return Condition(f"shown, not judged: PSNR {criterion}", measured, None)

    stride, average, mlp = (throughout(groups[f"{name}, grass"], "psnr", f"{name} dB") for name in names)
    return [
        _ordered("PSNR on grass, over the whole training: average above stride", average, stride),
        _ordered("PSNR on grass, over the whole training: MLP above stride", mlp, stride),
        _ordered("PSNR on grass, over the whole training: MLP above average", mlp, average),
        shown("on grass, in the last fifth", settled, ", grass"),
        shown("on the photo, over the whole training", throughout, ""),
        shown("on the photo, in the last fifth", settled, ""),
    ]


CLAIMS = (
    Claim(
        "Upsampling biases the generator: with bilinear upsampling high frequencies stay too weak; with bed of nails "
        "(zeros) all are learned about equally well, with a peak at the highest, the checkerboard.",
        ("bilinear", "zeros"),
        _upsampling,
    ),
    Claim(
        "A loss that sees the checkerboard lets the generator remove it.",
        ("zeros", "zeros with log-spectrum"),
        _loss,
    ),
    Claim(
        "The discriminator struggles with low magnitude, not with high frequency: on a photo its high band is worst, "
        "on the photo's high-pass version the low band.",
        ("average", "average, high-pass image"),
        _magnitude,
    ),
    Claim(
        "Downsampling impairs the training signal: stride is worst, an MLP, which does not downsample, best. Judged on "
        "a texture: of a smooth photo an MLP gives little for its first thousand steps.",
        ("stride, grass", "average, grass", "MLP, grass", "stride", "average", "MLP"),
        _signal,
    ),
)
