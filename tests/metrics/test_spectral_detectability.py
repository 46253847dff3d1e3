"""SpectralDetectability: chance for equal spectra, certainty for others, and its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import computed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

import specops
from specops.metrics import SpectralDetectability


def test_detectability_of_the_same_and_of_other_spectra() -> None:
    real, same = torch.randn(2, 60, 3, 16, 16)
    alike = computed(SpectralDetectability(16), [real], [same])
    assert 0.35 < alike["accuracy"] < 0.65
    assert alike["cloaking"] == pytest.approx(1 - abs(float(alike["accuracy"]) - 0.5) / 0.5)
    told = computed(SpectralDetectability(16), [real], [specops.upsample(same[:30, :, :8, :8], mode="bilinear")])
    assert told["accuracy"] > 0.95
    assert told["cloaking"] == pytest.approx(2 * (1 - float(told["accuracy"])))
    grey = computed(SpectralDetectability(16), [real.mean(1, keepdim=True)], [same.mean(1, keepdim=True)])
    assert 0.3 < grey["accuracy"] < 0.7


def test_detectability_of_unequal_numbers_is_balanced() -> None:
    """Guessing the larger side scores a half."""
    real, same = torch.randn(100, 3, 16, 16), torch.randn(10, 3, 16, 16)
    assert computed(SpectralDetectability(16), [real], [same])["accuracy"] < 0.75


@pytest.mark.parametrize("options", [{}, {"folds": 4, "seed": 3}], ids=["5 folds", "4 folds"])
def test_detectability_is_its_definition(options: dict[str, int]) -> None:
    """The sides are so close that scaling, convention and folds each change the accuracy."""
    draw = torch.Generator().manual_seed(2)
    real, fake = (torch.randn(n, 3, 16, 16, generator=draw) for n in (60, 40))
    fake = specops.frequency_filter(fake, specops.masks.lowpass((16, 16), 12.0, kind="gaussian"))
    profiles = []
    for x in (real, fake):
        grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
        log = specops.radial_spectrum(grey, convention="jung2021", scale="log")
        log = (log - log.amin(1, keepdim=True)) / (log.amax(1, keepdim=True) - log.amin(1, keepdim=True))
        profiles.append(np.array(sorted(log.tolist(), key=lambda row: row[::-1])))
    rows, labels = np.concatenate(profiles), np.repeat([1, 0], [60, 40])
    folds = StratifiedKFold(options.get("folds", 5), shuffle=True, random_state=options.get("seed", 0))
    scores = []
    for train, test in folds.split(rows, labels):
        mean, deviation = rows[train].mean(0), rows[train].std(0)
        scaled = (rows - mean) / np.where(deviation == 0, 1, deviation)
        judge = LogisticRegression(max_iter=10_000, class_weight="balanced").fit(scaled[train], labels[train])
        right = judge.predict(scaled[test]) == labels[test]
        scores.append(np.mean([right[labels[test] == label].mean() for label in (0, 1)]))
    value = computed(SpectralDetectability(16, **options), [real], [fake])
    assert float(value["accuracy"]) == pytest.approx(np.mean(scores), abs=1e-9)
