"""What the sums of sets say: spectra with their spread, and how each set differs from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

import specops
from specops import geometry
from specops.spectra.bands import FloatArray, band_errors, relative_error
from specops.spectra.sums import Measure, Sums, half_of, lot

BAND = (2.5, 97.5)  # percentiles of the bootstrap
SLOPE_OVER = (0.05, 0.4)  # cycles per pixel
ENOUGH = 0.95  # accuracy at which a set counts as told apart
FEWEST = 16  # images a side of a classifier
FOLDS = 5
DECIBELS = 10 / np.log(10)


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of a set.

    Attributes:
        frequency: of bins, in cycles per pixel [K].
        mean: over images [K], power per pixel.
        spread: one standard deviation over images, as a factor [K].
        low, high: of the mean's bootstrap [K].
        slope: of the logarithm of power over that of frequency, fitted over SLOPE_OVER.
        anisotropy: mean over rings of the deviation of the mean log power along them, in dB.
    """

    frequency: FloatArray
    mean: FloatArray
    spread: FloatArray
    low: FloatArray
    high: FloatArray
    slope: float
    anisotropy: float


def spectrum_of(sums: Sums, measure: Measure) -> Spectrum:
    """Returns the spectrum of a set of at least one image."""
    bins = geometry.radial_bins(measure.size, convention=measure.convention)
    frequency = bins.frequency.double().numpy()
    mean = np.asarray(sums.power) / sums.n
    variance = np.asarray(sums.log_square) / sums.n - (np.asarray(sums.log) / sums.n) ** 2
    low, high = np.percentile(replicates(sums), BAND, axis=0)
    uneven = anisotropy(log_plane(sums, measure))
    return Spectrum(frequency, mean, np.exp(np.sqrt(variance.clip(0))), low, high, slope(frequency, mean), uneven)


def log_plane(sums: Sums, measure: Measure) -> FloatArray:
    """Returns the mean log power of a set on the full plane, the mean of images in the middle: in dB [H, W]."""
    return full_plane(DECIBELS * np.asarray(sums.log_plane) / sums.n, measure.size)


def replicates(sums: Sums) -> FloatArray:
    """Returns the means of the bootstrap's replicates [R, K]; one that drew no image is the mean of all."""
    weights = np.asarray(sums.weights)[:, None]
    drawn: FloatArray = np.asarray(sums.replicates) / np.maximum(weights, 1)
    return np.where(weights > 0, drawn, np.asarray(sums.power) / sums.n)


def full_plane(half: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Returns what a half plane [H·(W//2+1)] has on the full one, the mean's coefficient in the middle: [H, W]."""
    index = geometry.full_plane_index(*size, torch.device("cpu")).numpy()
    full: FloatArray = np.fft.fftshift(half[index].reshape(size))
    return full


def slope(frequency: FloatArray, mean: FloatArray) -> float:
    """Returns the exponent of the power law through a profile [K]; NaN of fewer than three bins with power."""
    use = (frequency >= SLOPE_OVER[0]) & (frequency <= SLOPE_OVER[1]) & (mean > 0)
    if use.sum() < 3:
        return float("nan")
    return float(np.polyfit(np.log(frequency[use]), np.log(mean[use]), 1)[0])


def anisotropy(plane: FloatArray) -> float:
    """Returns the mean over rings of the standard deviation along them: in dB of a plane in dB [H, W]."""
    y, x = (np.fft.fftshift(np.fft.fftfreq(n)) for n in plane.shape)
    side = max(plane.shape)
    ring = np.rint(np.hypot(y[:, None], x[None]) * side).astype(int).ravel()
    inside = (ring >= 2) & (ring < side // 2)
    ring, values = ring[inside], plane.ravel()[inside]
    count = np.maximum(np.bincount(ring), 1)
    off = values - (np.bincount(ring, values) / count)[ring]
    deviations = np.sqrt(np.bincount(ring, off**2) / count)[2:]
    return float(deviations.mean()) if len(deviations) else float("nan")


@dataclass(frozen=True)
class Difference:
    """How a set differs from the reference.

    Attributes:
        ratio: of the means [K], with the band of its bootstrap: low, high [K].
        bands: mean relative error per band of `geometry.radial_bands`, clamped to ±1.
        leakage: share of power at wrong frequencies: `specops.leakage_ratio`.
        accuracy: of a classifier of profiles, cross-validated; NaN with too few images.
        needed: images a side at which it reaches ENOUGH; None where all do not do.
        pictures: of the smaller set, as many as the classifier may take.
    """

    ratio: FloatArray
    low: FloatArray
    high: FloatArray
    bands: dict[str, float]
    leakage: float
    accuracy: float
    needed: int | None
    pictures: int

    @property
    def told_apart(self) -> bool:
        """Whether the accuracy is above what chance gives: two standard deviations of as many guesses."""
        return self.accuracy > 0.5 + np.sqrt(1 / max(1, 2 * self.pictures))


def difference(sums: Sums, reference: Sums, measure: Measure) -> Difference:
    """Returns how a set differs from the reference."""
    mean, other = np.asarray(sums.power) / sums.n, np.asarray(reference.power) / reference.n
    ratio = 1 + relative_error(mean, other)
    drawn = 1 + relative_error(replicates(sums), replicates(reference))
    low, high = np.percentile(drawn, BAND, axis=0, method="nearest")  # no mean of infinities
    accuracy, needed = detection(features_of(reference), features_of(sums))
    leakage = float(specops.leakage_ratio(*(torch.from_numpy(_plane(each, measure)) for each in (reference, sums))))
    return Difference(
        ratio,
        low,
        high,
        band_errors(ratio - 1, measure.size, measure.convention),
        leakage,
        accuracy,
        needed,
        min(len(sums.kept), len(reference.kept)),
    )


def _plane(sums: Sums, measure: Measure) -> FloatArray:
    """The mean power of a set on the full plane [H, W], but for that of the pictures' means."""
    half = np.asarray(sums.plane) / sums.n
    half[0] = 0
    return full_plane(half, measure.size)


def features_of(sums: Sums) -> FloatArray:
    """Returns the kept profiles of a set [n, F], in the order of `drawn`."""
    return np.stack([sums.kept[number][1] for number in drawn(sums)]).astype(np.float64)


def drawn(sums: Sums) -> list[int]:
    """Returns the numbers of the kept images in a random order: the first n are not those of the first names."""
    return sorted(sums.kept, key=lot)


def detection(real: FloatArray, other: FloatArray) -> tuple[float, int | None]:
    """Returns the accuracy of a classifier of log profiles [n, F], and how many images a side give ENOUGH of it.

    As many of each are taken, from the first on.
    """
    most = min(len(real), len(other))
    if most < FEWEST:
        return float("nan"), None
    accuracy = cross_validated(real[:most], other[:most])
    if accuracy < ENOUGH:
        return accuracy, None
    n = FEWEST
    while n < most and cross_validated(real[:n], other[:n]) < ENOUGH:
        n *= 2
    return accuracy, min(n, most)


def cross_validated(real: FloatArray, other: FloatArray) -> float:
    """Returns the accuracy of a logistic regression on standardised bins, of FOLDS folds."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.model_selection import StratifiedKFold, cross_val_score  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    labels = np.repeat([0, 1], [len(real), len(other)])
    scores = cross_val_score(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)),
        np.concatenate([real, other]),
        labels,
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0),
        scoring="balanced_accuracy",
    )
    return float(scores.mean())


@dataclass(frozen=True)
class Chance:
    """What two halves of the reference give, which differ by chance alone.

    Attributes:
        ratio: of their means [K].
        bands: mean relative error per band, clamped to ±1.
        accuracy: of a classifier of their profiles.
    """

    ratio: FloatArray
    bands: dict[str, float]
    accuracy: float

    @property
    def most(self) -> float:
        """The largest of the bands' errors, without its sign."""
        return float(np.nanmax(np.abs(list(self.bands.values()))))


def chance(reference: Sums, measure: Measure) -> Chance | None:
    """Returns how two halves of the reference differ; None where one has no image."""
    counts = np.asarray(reference.half_counts)
    if counts.min() == 0:
        return None
    first, second = np.asarray(reference.halves) / counts[:, None]
    ratio = 1 + relative_error(first, second)
    split: tuple[list[NDArray[np.float32]], ...] = ([], [])
    for number in drawn(reference):
        split[half_of(number)].append(reference.kept[number][1])
    halves = [np.stack(each).astype(np.float64) if each else np.zeros((0, 1)) for each in split]
    return Chance(ratio, band_errors(ratio - 1, measure.size, measure.convention), detection(halves[0], halves[1])[0])
