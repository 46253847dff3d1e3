"""The results of a run as numbers: what is written beside the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import specops
from specops.spectra.bands import FloatArray
from specops.spectra.outcome import comparison, files, findings
from specops.spectra.outcome.closeups import Closeup
from specops.spectra.outcome.comparison import Difference, Spectrum
from specops.spectra.progress import told
from specops.spectra.sums import Measure, Sums


@dataclass(frozen=True)
class Results:
    """Spectra of the sets, and differences and sentences of all but the first, which is the reference."""

    names: Sequence[str]
    sets: Sequence[Sums]
    measure: Measure
    closeups: Sequence[Closeup]
    spectra: Sequence[Spectrum]
    differences: Sequence[Difference]
    chance: comparison.Chance | None
    sentences: Sequence[str]
    warnings: Sequence[str]

    @classmethod
    def of(cls, names: Sequence[str], sets: Sequence[Sums], measure: Measure, closeups: Sequence[Closeup]) -> Results:
        """Returns the results of sets of at least one image each."""
        spectra = [comparison.spectrum_of(one, measure) for one in sets]
        differences = [comparison.difference(one, sets[0], measure) for one in told("comparison", sets[1:])]
        sentences = [
            findings.sentence(name, names[0], difference, (spectra[0], spectrum), measure)
            for name, difference, spectrum in zip(names[1:], differences, spectra[1:], strict=True)
        ]
        chance = comparison.chance(sets[0], measure)
        return cls(
            names, sets, measure, closeups, spectra, differences, chance, sentences, files.warnings_of(names, sets)
        )

    @property
    def headline(self) -> str:
        """The sentence on the set that differs most."""
        if not self.differences:
            return f"The spectrum of {self.names[0]}"
        order = [
            (np.nan_to_num(each.accuracy), np.nansum(np.abs(list(each.bands.values())))) for each in self.differences
        ]
        return self.sentences[max(range(len(order)), key=order.__getitem__)]

    def csv(self) -> bytes:
        """A row per set and bin: frequency, mean, band of the mean, spread, ratio to the reference with its band."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            ["set", "bin", "frequency", "mean", "low", "high", "spread", "ratio", "ratio_low", "ratio_high"]
        )
        for i, (name, spectrum) in enumerate(zip(self.names, self.spectra, strict=True)):
            ratios = self.ratio(i)
            columns = (spectrum.frequency, spectrum.mean, spectrum.low, spectrum.high, spectrum.spread, *ratios)
            for k, row in enumerate(zip(*columns, strict=True)):
                writer.writerow([name, k, *(f"{value:.9g}" for value in row)])
        return stream.getvalue().encode(errors="backslashreplace")

    def ratio(self, i: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ratio of a set to the reference with its band, three times [K]; 1 for the reference itself."""
        if i == 0:
            one = np.ones_like(self.spectra[0].mean)
            return one, one, one
        return self.differences[i - 1].ratio, self.differences[i - 1].low, self.differences[i - 1].high

    def npz(self) -> bytes:
        """Arrays: frequency [K], names [S], n [S], mean, low, high, spread [S, K], log_plane [S, H, W//2+1].

        log_plane is the mean of the logarithm of power on the half plane, float32.
        """
        stream = io.BytesIO()
        parts: dict[str, Any] = {name: np.stack([getattr(each, name) for each in self.spectra]) for name in _STACKED}
        height, width = self.measure.size
        planes = np.stack([(np.asarray(each.log_plane) / each.n).astype(np.float32) for each in self.sets])
        np.savez(
            stream,
            frequency=self.spectra[0].frequency,
            names=np.array(self.names),
            n=np.array([each.n for each in self.sets]),
            log_plane=planes.reshape(-1, height, width // 2 + 1),
            **parts,
        )
        return stream.getvalue()

    def summary(self) -> bytes:
        """What was found as JSON: per set counts, slope, anisotropy, and differences from the reference."""
        sets = [self._summary_of(i) for i in range(len(self.names))]
        about = {
            "specops": specops.__version__,
            "size": self.measure.size,
            "convention": self.measure.convention,
            "window": self.measure.window,
            "reference": self.names[0],
            "sentences": list(self.sentences),
            "warnings": list(self.warnings),
            "sets": sets,
        }
        return (json.dumps(_finite(about), indent=1) + "\n").encode()

    def _summary_of(self, i: int) -> dict[str, Any]:
        spectrum, sums = self.spectra[i], self.sets[i]
        found: dict[str, Any] = {
            "name": self.names[i],
            "images": sums.n,
            "skipped": len(sums.skipped),
            "slope": spectrum.slope,
            "anisotropy_db": spectrum.anisotropy,
            "files": files.files_of(sums),
            "outliers": {each.name: each.distance for each in self.closeups[i].outliers},
        }
        if i > 0:
            difference = self.differences[i - 1]
            found |= {
                "bands": difference.bands,
                "leakage": difference.leakage,
                "accuracy": difference.accuracy,
                "images_needed": difference.needed,
            } | self.closeups[i].swd
        return found

    def skipped(self) -> bytes:
        """A row per picture that was left out: set, name, reason."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["set", "picture", "reason"])
        for name, sums in zip(self.names, self.sets, strict=True):
            writer.writerows([name, picture, reason] for picture, reason in sums.skipped.items())
        return stream.getvalue().encode(errors="backslashreplace")


_STACKED = ("mean", "low", "high", "spread")


def _finite(value: Any) -> Any:
    """Numbers that JSON does not know become null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
