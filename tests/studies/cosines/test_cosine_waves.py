"""Planar cosines: what is drawn, what is measured of it, and the spectrum of a random filter."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from scipy import stats
from studies.core.errors import InputError
from studies.cosines.filter_spectrum import filter_spectrum_correlation
from studies.cosines.measures import LeakageMeter, amplitude_density, highpass_level, phase_density
from studies.cosines.waves import AMPLITUDE, PHASE, Law, PlanarCosines

import specops

N = 32
SELF_CONJUGATE = ((0, 0), (16, 16), (0, 16), (16, 0))
PAIRED = ((3, 3), (13, -2), (16, 5), (0, 7))


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("frequency", SELF_CONJUGATE + PAIRED)
def test_a_wave_is_its_formula(frequency: tuple[int, int]) -> None:
    data = PlanarCosines((frequency,), N)
    image = data.sample(3, draw())[1, 0].double()
    drawn = draw()
    amplitude = AMPLITUDE.sample(3, drawn)[1].item()
    on_itself = frequency in SELF_CONJUGATE
    phase = (math.pi * torch.randint(2, (3,), generator=drawn) if on_itself else PHASE.sample(3, drawn))[1].item()
    n = torch.arange(N, dtype=torch.float64)
    m = n[:, None]
    wave = amplitude * torch.cos(2 * math.pi * (frequency[0] * n + frequency[1] * m) / N + phase)
    torch.testing.assert_close(image, wave, rtol=0, atol=1e-6)
    (found,) = data.coefficients(image[None, None])
    assert found.abs().item() == pytest.approx(amplitude, abs=1e-6)
    assert math.cos(found.angle().item() - phase) == pytest.approx(1, abs=1e-9)


def test_amplitudes_and_phases_have_their_moments() -> None:
    """Of a mixture, each wave apart: mean and deviation within four standard errors; phases of a self-conjugate one."""
    n = 4000
    data = PlanarCosines(((3, 3), (0, 0), (13, -2)), N)
    found = data.coefficients(data.sample(n, draw()))
    for coefficients in found:
        amplitude = coefficients.abs()
        assert abs(amplitude.mean() - 0.5) < 4 * 0.1 / n**0.5
        assert abs(amplitude.std() - 0.1) < 4 * 0.1 / (2 * n) ** 0.5
    for coefficients in (found[0], found[2]):
        phase = coefficients.angle()
        assert abs(phase.mean()) < 4 * 0.2 * math.pi / n**0.5
        assert abs(phase.std() - 0.2 * math.pi) < 4 * 0.2 * math.pi / (2 * n) ** 0.5
    flipped = found[1].angle().abs() > 1
    assert abs(flipped.double().mean() - 0.5) < 4 * 0.5 / n**0.5
    assert abs(found.angle()[0] @ found.angle()[2] / n) < 4 * (0.2 * math.pi) ** 2 / n**0.5, "drawn together"


@pytest.mark.parametrize("law", [AMPLITUDE, PHASE, Law(0.2, 0.3, 0.0, 0.4)], ids=["amplitude", "phase", "atoms"])
def test_a_law_is_that_of_the_clipped_normal(law: Law) -> None:
    x = torch.linspace(law.low - 0.1, law.high + 0.1, 101, dtype=torch.float64)
    normal = torch.from_numpy(stats.norm(law.mean, law.deviation).cdf(x.numpy()))
    inside = (x >= law.low) & (x < law.high)
    torch.testing.assert_close(law.cumulative(x)[inside], normal[inside])
    assert (law.cumulative(x)[x < law.low] == 0).all()
    assert (law.cumulative(x)[x >= law.high] == 1).all()
    sample = law.sample(20000, draw()).double()
    for x in (law.low, law.mean, law.high - 1e-3):
        below = float(law.cumulative(torch.tensor(x, dtype=torch.float64)))
        assert abs((sample <= x).double().mean() - below) <= 4 * (below * (1 - below) / 20000) ** 0.5 + 1e-6


def test_densities_sum_to_one_and_tell_right_from_wrong() -> None:
    """Of true values the distance is what counting noise makes it; of values that are all alike nearly 1."""
    n = 4000
    right = (
        amplitude_density(AMPLITUDE.sample(n, draw())),
        phase_density(PHASE.sample(n, draw()), self_conjugate=False),
    )
    wrong = (amplitude_density(torch.full((n,), 1.2)), phase_density(torch.full((n,), 3.0), self_conjugate=False))
    for density in right:
        counting = (density.true * (1 - density.true) * 2 / (math.pi * n)).sqrt().sum() / 2
        assert 0.3 * counting < density.total_variation < 2 * counting
    assert wrong[0].total_variation == pytest.approx(1)
    assert wrong[1].total_variation == pytest.approx(1, abs=1e-3)
    for density in (*right, *wrong):
        assert float(density.true.sum()) == pytest.approx(1)
        assert float(density.found.sum()) == pytest.approx(1)
    two_sided = phase_density(torch.tensor([0.0, math.pi, -math.pi, 3.0]), self_conjugate=True)
    assert two_sided.total_variation == pytest.approx(0.25)


def test_atoms_are_counted_in_the_bins_that_hold_them() -> None:
    density = amplitude_density(torch.tensor([0.0, 1.0, 0.05, 0.0501], dtype=torch.float64))
    assert density.found.tolist() == [0.5, 0.25, *[0.0] * 17, 0.25, 0.0]


def test_a_perfect_generator_leaks_nothing_and_a_wrong_frequency_all() -> None:
    data, other = PlanarCosines(((3, 3),), N), PlanarCosines(((9, 2),), N)
    real, same, wrong = data.sample(64, draw(1)), data.sample(64, draw(2)), other.sample(64, draw(3))
    meter = LeakageMeter(real)
    plain = [specops.power_spectrum(x[:, 0].double()).mean(0) for x in (real, same, wrong)]
    assert specops.leakage_ratio(plain[0], plain[1]) < 1e-6
    assert specops.leakage_ratio(plain[0], plain[2]) > 1 - 1e-6
    for name, value in meter.measure(same).items():
        assert value < 0.02, name
    for name, value in meter.measure(wrong).items():
        assert value > 0.95, name
    half = torch.cat([same[:32], wrong[:32]])
    levels = list(meter.measure(half).values())[1:]
    assert levels == sorted(levels), "the less low frequencies, the more the higher wave weighs"


def test_highpass_levels_are_what_a_gaussian_leaves() -> None:
    """On circular images: the image less its convolution with a sampled Gaussian of that width."""
    x = torch.randn(2, 16, 24, dtype=torch.float64, generator=draw())
    for width in (1.0, 2.0):
        taps = torch.exp(-torch.arange(-12.0, 13, dtype=torch.float64).square() / (2 * width**2))
        taps = taps / taps.sum()
        blurred = sum(tap * x.roll(shift - 12, -1) for shift, tap in enumerate(taps))
        blurred = sum(tap * blurred.roll(shift - 12, -2) for shift, tap in enumerate(taps))
        torch.testing.assert_close(highpass_level(x, width), x - blurred, rtol=0, atol=0.02 if width == 1 else 1e-4)


WRONG = {
    "outside": (((17, 0),), "must lie within (-16, 16]"),
    "below": (((-16, 0),), "must lie within (-16, 16]"),
    "twice": (((3, 3), (3, 3)), "3,3+3,3 is the same wave twice"),
    "conjugate": (((3, -3), (-3, 3)), "3,-3+-3,3 is the same wave twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_frequencies_that_are_none(case: str) -> None:
    frequencies, reason = WRONG[case]
    with pytest.raises(InputError) as told:
        PlanarCosines(frequencies, N)
    assert reason in str(told.value)


# The spectrum of a random filter

OFFSETS = ((1, 1), (0, 1), (2, 3))


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("d", [16, 32, 64, 128])
def test_correlation_is_that_of_random_filters(d: int, offset: tuple[int, int]) -> None:
    """20 samples of 500 real 5×5 filters; their mean correlation within four of its standard errors, itself < 2 %."""
    k, samples, n = 5, 20, 500
    filters = torch.randn(samples, n, k, k, dtype=torch.float64, generator=draw(d))
    j = torch.arange(k, dtype=torch.float64)
    places = ((d // 5, d // 3), (d // 5 + offset[0], d // 3 + offset[1]))
    waves = [torch.exp(-2j * math.pi * (u * j[:, None] + v * j) / d) for u, v in places]
    first, second = ((filters * wave).sum((-2, -1)) for wave in waves)
    cross = (first * second.conj()).mean(1)
    correlation = cross.abs() / (first.abs().square().mean(1) * second.abs().square().mean(1)).sqrt()
    error = float(correlation.std() / samples**0.5)
    assert error < 0.02
    assert abs(float(correlation.mean()) - filter_spectrum_correlation(k, d, offset)) < 4 * error + 1 / n


def test_documented_correlations() -> None:
    values = [f"{filter_spectrum_correlation(5, d):.5f}" for d in (16, 32, 64, 128)]
    assert values == ["0.72658", "0.92519", "0.98087", "0.99519"]
    row = f"| correlation | {' | '.join(values)} |"
    assert row in (Path(__file__).parents[3] / "docs" / "cosines.md").read_text().splitlines()
    assert filter_spectrum_correlation(5, 5) == pytest.approx(0, abs=1e-15)
    assert filter_spectrum_correlation(1, 7) == 1
    with pytest.raises(ValueError, match="from 1 to d = 4"):
        filter_spectrum_correlation(5, 4)
