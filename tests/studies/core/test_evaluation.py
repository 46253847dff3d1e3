"""How far generated images are from real ones, paired and unpaired."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from studies.core.errors import InputError
from studies.core.evaluation import checkerboard_error, evaluate, reduced_spectrum
from studies.core.evaluator import Evaluator, load_features
from torch import Tensor, nn
from torch.nn import functional

from specops.geometry import BANDS
from specops.spectra.bands import band_errors, relative_error


def natural_images(n: int, side: int) -> torch.Tensor:
    """Random images [n, 3, side, side] whose spectrum falls like that of photos, in [-1, 1]."""
    noise = torch.randn(n, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    spectrum = torch.fft.rfft2(noise)
    radius = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]) * side
    images = torch.fft.irfft2(spectrum / (1 + radius), s=(side, side))
    return (images / images.abs().max()).float()


def test_perfect_images_have_no_error() -> None:
    real = natural_images(2, 16)
    perfect = evaluate(real.clone(), real)
    assert perfect.psnr == float("inf")
    assert set(perfect.errors.values()) == {0.0}


@pytest.mark.parametrize(("gain", "error"), [(0.5, -0.75), (1.2, 0.44), (3.0, 1.0), (0.0, -1.0)])
def test_gain_squared_shows_in_every_band(gain: float, error: float) -> None:
    real = natural_images(2, 32)
    errors = evaluate(gain * real, real).errors
    assert errors == pytest.approx(dict.fromkeys(BANDS, error), abs=1e-4)
    spectra = reduced_spectrum(gain * real), reduced_spectrum(real)
    assert checkerboard_error(*spectra) == pytest.approx(gain**2 - 1, abs=1e-4)


def test_a_band_without_bins_has_no_error() -> None:
    errors = band_errors(np.full(6, 0.5), 8)
    assert errors == pytest.approx({"low": 0.5, "mid": 0.5, "high": 0.5, "corner": np.nan}, nan_ok=True)


def test_checkerboard_is_outside_the_bands() -> None:
    real = natural_images(1, 32).double()
    sign = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2)
    spectra = reduced_spectrum(real + 0.1 * sign), reduced_spectrum(real)
    assert checkerboard_error(*spectra) > 10
    assert band_errors(spectra[0] / spectra[1] - 1, 32) == pytest.approx(dict.fromkeys(BANDS, 0), abs=1e-9)


def test_empty_spectra_are_no_error_and_excess_is_full() -> None:
    flat = torch.zeros(1, 3, 16, 16)
    assert set(evaluate(flat, flat).errors.values()) == {0.0}
    assert set(evaluate(natural_images(1, 16), flat).errors.values()) == {1.0}


@pytest.mark.parametrize("levels", [1, 10])
def test_psnr_of_a_constant_difference(levels: int) -> None:
    real = (torch.arange(3 * 64).reshape(1, 3, 8, 8) % 200 + 0.5) / 127.5 - 1
    assert evaluate(real + levels / 127.5, real).psnr == pytest.approx(20 * np.log10(255 / levels), abs=1e-9)


def test_measures_of_real_images_against_themselves_and_filtered_ones() -> None:
    real = torch.rand(32, 3, 32, 32) * 2 - 1
    evaluator = Evaluator(real)
    row = evaluator.measure(real.flip(0))
    assert all(abs(row[name]) < 1e-6 for name in ("e_low", "e_mid", "e_high", "e_corner", "leakage", "swd"))
    blurred = functional.avg_pool2d(real, 3, 1, 1)
    row = evaluator.measure(blurred)
    expected = band_errors(relative_error(reduced_spectrum(blurred), reduced_spectrum(real)), 32)
    assert {name: row[f"e_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert row["e_high"] < -0.5
    assert row["detectability"] > 0.9
    assert row["cloaking"] == pytest.approx(2 - 2 * row["detectability"])
    assert row["swd"] > 0.05
    assert {name for name in row if name.startswith("swd_")} == {"swd_32", "swd_16"}
    assert evaluator.measure(blurred) == row


class Moments(nn.Module):
    """Features of a test: mean of each channel and of its square."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.square().mean((2, 3))], dim=1)


def test_fid_is_its_formula() -> None:
    from scipy.linalg import sqrtm

    real, fake = torch.rand(64, 3, 32, 32) * 2 - 1, torch.rand(64, 3, 32, 32) - 0.6
    features = load_features(f"{__name__}:Moments", None, 32, torch.device("cpu"))
    row = Evaluator(real, features=features).measure(fake)
    a, b = (Moments()(x).double().numpy() for x in (real, fake))
    product = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * product)
    assert row["fid"] == pytest.approx(expected, rel=1e-3)
    assert row["kid_mean"] > 0.1


@pytest.mark.parametrize(
    ("reference", "told"), [("torch.nn:Identity", "must return features"), ("torch.nn:Linear", "raised TypeError")]
)
def test_wrong_feature_networks_are_told(reference: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_features(reference, None, 32, torch.device("cpu"))
