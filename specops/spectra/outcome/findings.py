"""What was found, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specops import geometry
from specops.spectra.bands import FloatArray
from specops.spectra.outcome.comparison import Difference, Spectrum
from specops.spectra.sums import Measure

FEWEST_BINS = 3  # in a run; of one or two, a few lie beyond their bands by chance
LEAST = 0.02  # of a relative difference in words; smaller ones are not worth them
PEAK = 2.0  # of the ratio of a bin over that of the bins beside it, at the lower end of its band
LONG = 48  # letters of a name
FEWEST_PICTURES = 8  # of a set; the bootstrap of fewer is no measure


@dataclass(frozen=True)
class Run:
    """Consecutive bins in which a set has too little or too much power, beyond the bootstrap's band.

    Attributes:
        first, last: bins.
        share: of the reference's power there that is too little (< 0) or too much.
    """

    first: int
    last: int
    share: float


def longest_run(difference: Difference, spectra: tuple[Spectrum, Spectrum], measure: Measure) -> Run | None:
    """Returns the run of bins of one sign with the most bins; None where it has fewer than FEWEST_BINS.

    Args:
        spectra: of the reference and of the set.
    """
    sign = np.where(difference.high < 1, -1, np.where(difference.low > 1, 1, 0))
    sign[0] = 0  # the mean is no frequency
    best: tuple[int, int] | None = None
    first = 1
    for k in range(1, len(sign) + 1):
        if k == len(sign) or sign[k] != sign[first]:
            if sign[first] != 0 and (best is None or k - first > best[1] - best[0]):
                best = first, k
            first = k
    if best is None or best[1] - best[0] < FEWEST_BINS:
        return None
    bins = slice(*best)
    counts = geometry.radial_bins(measure.size, convention=measure.convention).count.double().numpy()[bins]
    powers = [float((each.mean[bins] * counts).sum()) for each in spectra]
    return Run(best[0], best[1] - 1, powers[1] / powers[0] - 1 if powers[0] > 0 else float("inf"))


def sentence(
    name: str, reference: str, difference: Difference, spectra: tuple[Spectrum, Spectrum], measure: Measure
) -> str:
    """Returns a sentence on a set: where its power is wrong and by how much, a peak, and what a classifier sees."""
    name, reference = short(name), short(reference)
    if difference.pictures < FEWEST_PICTURES:
        return f"{name} and {reference} have too few pictures to tell, {FEWEST_PICTURES} of each are the least."
    run, peak = longest_run(difference, spectra, measure), highest_peak(difference)
    if run is None or abs(run.share) < LEAST:
        within = "" if difference.told_apart else ", within what chance gives"
        if run is not None:
            within = f", within {100 * LEAST:.0f} %"
        text = f"{name} has the power of {reference} at {'other' if peak else 'all'} frequencies{within}"
    else:
        text = f"{name} has {amount(run.share)} {where(run, spectra[0].frequency)}"
    if peak is not None and not (run and run.first <= peak <= run.last):
        place = f"{spectra[0].frequency[peak]:.2g} cycles per pixel"
        text += f", and {difference.ratio[peak]:.3g} times it at {place}, as a grid has"
    return f"{text}{classifier(difference)}."


def highest_peak(difference: Difference) -> int | None:
    """Returns the bin, not of the first three, whose ratio is most above that of those beside it; None below PEAK."""
    low = np.where(np.isfinite(difference.low), difference.low, 0.0)
    around = np.array([np.median(difference.ratio[max(1, k - 3) : k + 4]) for k in range(len(low))])
    height = np.where(around > 0, low / np.maximum(around, 1e-30), 0.0)
    height[:3] = 0
    return int(height.argmax()) if height.max() > PEAK else None


def short(name: str) -> str:
    """Returns a name with its middle left out where it is long."""
    return name if len(name) <= LONG else f"{name[: LONG // 2]}…{name[-LONG // 2 + 1 :]}"


def amount(share: float) -> str:
    """Returns a relative difference of power in words."""
    if share > 1:
        return f"{share + 1:.3g} times the power" if np.isfinite(share) else "power that the reference does not have"
    return f"{abs(share):.0%} too {'little' if share < 0 else 'much'} power".replace("%", " %")


def where(run: Run, frequency: FloatArray) -> str:
    """Returns the frequencies of a run in words."""
    low, high = frequency[run.first], frequency[run.last]
    if run.first <= 1 and run.last >= len(frequency) - 2:
        return "at all frequencies"
    if run.last >= len(frequency) - 2:
        return f"above {low:.2g} cycles per pixel"
    if run.first <= 1:
        return f"below {high:.2g} cycles per pixel"
    return f"between {low:.2g} and {high:.2g} cycles per pixel"


def classifier(difference: Difference) -> str:
    """Returns what a linear classifier makes of the set, as the end of a sentence."""
    if not np.isfinite(difference.accuracy):
        return ""
    percent = f"{100 * difference.accuracy:.0f} %"
    if difference.needed is not None:
        return f"; a linear classifier tells it apart in {percent} of pictures, from {difference.needed} of each on"
    if not difference.told_apart:
        return f"; a linear classifier does not tell it apart ({percent}, where chance gives 50 %)"
    return f"; a linear classifier tells it apart in {percent} of pictures"
