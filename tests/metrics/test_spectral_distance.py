"""SpectralDistance: the errors per band of the testbeds, and values by hand."""

from __future__ import annotations

import pytest
import torch
from metric_cases import computed
from studies.core import evaluation

import specops
from specops.metrics import SpectralDistance


@pytest.mark.parametrize("side", [32, 33, 64])
def test_spectral_distance_is_that_of_the_testbeds(side: int) -> None:
    real, fake = torch.rand(2, 4, 3, side, side)
    spectra = (evaluation.reduced_spectrum(fake), evaluation.reduced_spectrum(real))
    errors = evaluation.relative_error(*spectra)
    values = computed(SpectralDistance(side), [real], [fake])
    listed = evaluation.band_errors(errors, resolution=side)
    if side == 33:  # no corner coefficient is a checkerboard there
        listed.pop("corner")
    for band, expected in listed.items():
        assert float(values[f"e_{band}"]) == pytest.approx(expected, rel=1e-5)


def test_spectral_distance_by_hand() -> None:
    """Twice the amplitude beyond two thirds of the Nyquist frequency: e is 0 below, clamped to 1 above."""
    real = torch.randn(6, 3, 32, 48)
    gains = 1 + specops.masks.highpass((32, 48), 17)
    values = computed(SpectralDistance((32, 48)), [real], [specops.frequency_filter(real, gains)])
    expected = {"e_low": 0.0, "e_mid": 0.0, "e_high": 1.0, "e_corner": 1.0}
    assert {name: round(float(value), 4) for name, value in values.items()} == expected
    blank = computed(SpectralDistance(32), [torch.zeros(2, 1, 32, 32)], [torch.zeros(2, 1, 32, 32)])
    assert all(value == 0 for value in blank.values())
    dark = computed(SpectralDistance(32), [torch.zeros(2, 1, 32, 32)], [torch.rand(2, 1, 32, 32)])
    assert all(value == 1 for value in dark.values())
