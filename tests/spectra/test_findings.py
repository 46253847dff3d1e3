"""What is found of sets, in numbers and in words."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from specops.metrics import SlicedWassersteinDistance
from specops.spectra.loading import Framing, Part, chunks
from specops.spectra.outcome import comparison
from specops.spectra.outcome.closeups import PATCHES, closeups
from specops.spectra.outcome.findings import sentence, short
from specops.spectra.sources import Source, source_of
from specops.spectra.sums import Measure, Sums, blocks

SIDE = 32
MEASURE = Measure((SIDE, SIDE))
NOISE = np.random.default_rng(0).normal(0, 0.2, (300, SIDE, SIDE)).clip(-1, 1).astype(np.float32)
CYCLES = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])

Made = tuple[Source, Sums]


@pytest.fixture
def made(tmp_path: Path) -> Callable[[np.ndarray[Any, Any]], Made]:
    """Returns the set of images [n, H, W], and its sums."""

    def make(images: np.ndarray[Any, Any]) -> Made:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, images)
        total = Sums()
        for block in blocks(MEASURE, chunks(source_of(path), Framing(), MEASURE.size, Part(), 0)):
            total += block
        return source_of(path), total

    return make


def filtered(images: np.ndarray[Any, Any], gain: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.fft.irfft2(np.fft.rfft2(images) * gain, images.shape[1:]).astype(np.float32)


GRID = (-1.0) ** np.add.outer(np.arange(SIDE), np.arange(SIDE))
CHANGES: dict[str, tuple[np.ndarray[Any, Any], str]] = {
    "nothing": (NOISE[150:], "has the power of real at all frequencies, within what chance gives"),
    "weaker": (
        NOISE[150:] / 2,
        "has 75 % too little power at all frequencies; a linear classifier tells it apart in 100 %",
    ),
    "blurred": (filtered(NOISE[150:], np.where(CYCLES < 0.2, 1, 0.5)), "too little power above 0.2"),
    "sharper": (filtered(NOISE[150:] / 2, np.where(CYCLES < 0.25, 2, 3)), "has 2.2"),
    "grid": (NOISE[150:] * 0.9 + 0.05 * GRID.astype(np.float32), "times it at 0.7 cycles per pixel, as a grid has"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_sentence_says_where_power_is_wrong(case: str, made: Callable[..., Made]) -> None:
    images, said = CHANGES[case]
    (_, real), (_, fake) = made(NOISE[:150]), made(images.clip(-1, 1))
    spectra = (comparison.spectrum_of(real, MEASURE), comparison.spectrum_of(fake, MEASURE))
    found = comparison.difference(fake, real, MEASURE)
    assert said in sentence("fake", "real", found, spectra, MEASURE)


def test_bands_of_the_bootstrap_hold_the_truth(made: Callable[..., Made]) -> None:
    """White noise of deviation 0.2 has the power 0.04; 95 % of bands of 16 disjoint sets hold it, give or take."""
    images = np.random.default_rng(1).normal(0, 0.2, (1600, SIDE, SIDE)).astype(np.float32).clip(-1, 1)
    held = []
    for part in np.split(images, 16):
        spectrum = comparison.spectrum_of(made(part)[1], MEASURE)
        held += list((spectrum.low <= 0.04) & (spectrum.high >= 0.04))[1:]
    assert 0.9 < np.mean(held) < 0.98


def test_a_power_law_has_its_slope_and_rings_their_deviation(made: Callable[..., Made]) -> None:
    law = np.where(CYCLES > 0, np.maximum(CYCLES, 1e-3) ** -1.0, 0) / 30
    _, sums = made(filtered(NOISE, law).clip(-1, 1))
    spectrum = comparison.spectrum_of(sums, MEASURE)
    assert spectrum.slope == pytest.approx(-2, abs=0.15)
    assert comparison.anisotropy(np.zeros((SIDE, SIDE))) == 0
    halves = np.where(np.arange(SIDE) < SIDE // 2, 1.0, -1.0)[None] * np.ones((SIDE, 1))
    assert comparison.anisotropy(halves) == pytest.approx(1, abs=0.1)
    assert np.isnan(comparison.anisotropy(np.zeros((4, 4))))


def test_how_many_images_a_classifier_needs() -> None:
    random = np.random.default_rng(0)
    real, other = random.standard_normal((2, 256, 8))
    assert comparison.detection(real, other)[1] is None
    assert comparison.detection(real, other)[0] == pytest.approx(0.5, abs=0.1)
    assert comparison.detection(real, other + 10) == (1.0, comparison.FEWEST)
    accuracy, needed = comparison.detection(real, other + 1.25)
    assert accuracy > comparison.ENOUGH
    assert needed is not None
    assert needed >= comparison.FEWEST
    assert np.isnan(comparison.detection(real[:4], other)[0])


def test_outliers_are_found_with_what_they_look_like(made: Callable[..., Made]) -> None:
    images = NOISE[:200].copy()
    images[17] = 0.5 * GRID
    images[90] = -0.99
    (source, sums), real = made(images), made(NOISE[200:])
    _, seen = closeups([real[0], source], [real[1], sums], Framing(), MEASURE, None, False)
    assert {each.name for each in seen.outliers[:2]} == {"17", "90"}
    assert seen.outliers[1].distance > 3 * seen.outliers[2].distance
    black = next(each for each in seen.outliers if each.name == "90")
    with Image.open(io.BytesIO(black.thumbnail)) as picture:
        assert picture.size == (SIDE, SIDE)
        assert np.asarray(picture).max() < 10


def test_patches_distances_are_those_of_the_metric(made: Callable[..., Made]) -> None:
    (first, real), (second, fake) = made(NOISE[:20]), made(filtered(NOISE[20:40], np.where(CYCLES < 0.2, 1, 0.2)))
    of_reference, seen = closeups([first, second], [real, fake], Framing(), MEASURE, None, True)
    metric = SlicedWassersteinDistance(SIDE, patches_per_image=PATCHES)
    for images, is_real in ((NOISE[:20], True), (np.load(second.path), False)):
        metric.update(torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1), real=is_real)
    expected = {name: pytest.approx(float(value), rel=1e-6) for name, value in metric.compute().items()}
    assert seen.swd == expected
    assert of_reference.swd == {}


def test_brightness_is_no_difference_of_spectra(made: Callable[..., Made]) -> None:
    (_, real), (_, fake) = made(NOISE[:150] / 2), made(NOISE[150:] / 2 + 0.2)
    found = comparison.difference(fake, real, MEASURE)
    assert found.leakage < 0.1
    assert not found.told_apart


def test_few_pictures_tell_nothing(made: Callable[..., Made]) -> None:
    (_, real), (_, fake) = made(NOISE[:3]), made(NOISE[3:6] * 0.5)
    spectra = (comparison.spectrum_of(real, MEASURE), comparison.spectrum_of(fake, MEASURE))
    assert "too few pictures" in sentence("fake", "real", comparison.difference(fake, real, MEASURE), spectra, MEASURE)


def test_a_classifier_does_not_take_the_first_names(made: Callable[..., Made]) -> None:
    """A set of two classes, one after the other, and a smaller one of both in turn."""
    weak, strong = NOISE[:90] / 2, NOISE[90:180]
    (_, real), (_, fake) = (
        made(np.concatenate([weak, strong])),
        made(np.stack([weak, strong], 1).reshape(-1, SIDE, SIDE)[:90]),
    )
    assert comparison.difference(fake, real, MEASURE).accuracy < 0.7


def test_long_names_lose_their_middle() -> None:
    assert short("a" * 48) == "a" * 48
    assert short("a" * 60 + "b" * 60) == "a" * 24 + "…" + "b" * 23
