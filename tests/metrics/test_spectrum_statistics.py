"""RadialSpectrumStatistics: mean and deviation of profiles, merged without cancellation."""

from __future__ import annotations

import torch
from metric_cases import both_sides, computed

import specops
from specops.metrics import RadialSpectrumStatistics
from specops.metrics._statistics import merged_moments, moments_of


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
