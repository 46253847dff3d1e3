"""Metrics of mean spectra: statistics, the distance per band, leakage, by hand and against published codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import both_sides, computed
from studies.core.evaluation import reduced_spectrum

import specops
from specops.metrics import LeakageRatio, RadialSpectrumStatistics, SpectralDistance
from specops.metrics._statistics import merged_moments, moments_of
from specops.spectra import bands


def test_statistics_are_mean_and_deviation() -> None:
    real, fake = both_sides()
    values = computed(RadialSpectrumStatistics(32, convention="plain", norm="ortho"), real.split(4), [fake])
    for name, images in (("real", real), ("fake", fake)):
        profiles = specops.radial_spectrum(images.double(), convention="plain", norm="ortho").mean(1)
        torch.testing.assert_close(values[f"{name}_mean"], profiles.mean(0), rtol=1e-6, atol=0)
        torch.testing.assert_close(values[f"{name}_std"], profiles.std(0), rtol=1e-5, atol=0)
    population = computed(RadialSpectrumStatistics(32, correction=0), [real[:1]], [])
    assert list(population) == ["real_mean", "real_std"]
    assert (population["real_std"] == 0).all()
    assert computed(RadialSpectrumStatistics(32), [real[:1]], [])["real_std"].isnan().all()


def test_merging_moments_does_not_cancel() -> None:
    """A mean 10⁹ times the deviation: a sum of squares would lose all digits."""
    samples = 1e9 + torch.randn(1000, 3, dtype=torch.float64)
    parts = torch.stack([moments_of(part) for part in samples.split([1, 0, 499, 7, 493])])
    count, mean, squares = merged_moments(parts)
    assert (count == 1000).all()
    torch.testing.assert_close(mean, samples.mean(0), rtol=1e-15, atol=0)
    torch.testing.assert_close((squares / 999).sqrt(), samples.std(0), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        merged_moments(torch.stack([merged_moments(parts[:2]), merged_moments(parts[2:])]))[2], squares
    )


@pytest.mark.parametrize("side", [32, 33, 64])
def test_spectral_distance_is_that_of_the_testbeds(side: int) -> None:
    real, fake = torch.rand(2, 4, 3, side, side)
    spectra = (reduced_spectrum(fake), reduced_spectrum(real))
    values = computed(SpectralDistance(side), [real], [fake])
    listed = bands.band_errors(bands.relative_error(*spectra), side)
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


def test_leakage_equals_the_published_code(fixes: dict[str, np.ndarray]) -> None:
    real, fake = (torch.from_numpy(fixes[name]).unsqueeze(1) for name in ("leak_true", "leak_gen"))
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-6)):
        value = computed(LeakageRatio(32), [real.to(dtype)], fake.to(dtype).split(7))["value"]
        assert float(value) == pytest.approx(float(fixes["leak_ratio"]), rel=bound)


def test_leakage_through_a_window() -> None:
    real, fake = both_sides()
    hann = torch.hann_window(32, periodic=False, dtype=torch.float64)
    powers = [torch.fft.fft2(x.double().mean(1) * torch.outer(hann, hann)).abs().square().mean(0) for x in (real, fake)]
    first, second = (power / power.sum() for power in powers)
    value = computed(LeakageRatio(32, window="hann"), [real], [fake])["value"]
    torch.testing.assert_close(value.double(), ((first - second).abs().sum() / 2).double(), rtol=1e-10, atol=0)
