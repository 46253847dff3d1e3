"""The toyset: images whose spectrum is two rings, one at low and one at high frequency (Schwarz et al. 2021).

On a plane of 2N × 2N frequencies, whose axis Nyquist is N, a ring is A·exp(-(k - c)² / 2) with k the radius in
coefficients and c = √2·f·N its centre, f its share of the corner frequency; A is such that a ring at c = N / √2 sums
to N² / 3. Phases are random and uniform, 0 where a coefficient is its own conjugate. The orthonormal inverse DFT,
cropped to the central N × N, is a texture; an image is the mean of two, f in [0.05, 0.15] and in [0.75, 0.85].
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import InputError
from .files import write_atomically

RINGS = ((0.05, 0.15), (0.75, 0.85))
"""Ranges of the centres, as shares of the corner frequency."""

FULL_SIZE = 100
USED = 10
"""Images of the set, and how many of them the testbeds train on."""

_CHANNELS = 3


def toy_image(number: int, resolution: int) -> NDArray[np.float64]:
    """The `number`-th image [3, resolution, resolution], about within [-1, 1]; the same on every call."""
    random = np.random.default_rng([resolution, number])
    centres = [random.uniform(*bounds) for bounds in RINGS]
    image: NDArray[np.float64] = np.mean([_texture(centre, resolution, random) for centre in centres], axis=0)
    return image


def write_toyset(folder: Path, resolution: int, numbers: Sequence[int]) -> list[Path]:
    """Write those images of the set that `folder` lacks as 8-bit PNGs; returns the paths of all `numbers`."""
    paths = [folder / f"{number:03}.png" for number in numbers]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in zip(numbers, paths, strict=True):
            if not path.exists():
                write_atomically(path, _png(toy_image(number, resolution)))
    except OSError as error:
        raise InputError(f"toyset cannot be written to {folder} ({error.strerror}); set XDG_CACHE_HOME") from error
    return paths


def cached_toyset(resolution: int) -> list[Path]:
    """Paths of the images to train on, in the user's cache ($XDG_CACHE_HOME or ~/.cache); made where missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return write_toyset(cache / "specops" / f"toyset-{resolution}", resolution, range(USED))


def _texture(centre: float, resolution: int, random: np.random.Generator) -> NDArray[np.float64]:
    side = 2 * resolution
    ky, kx = np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side)[None]
    radius = np.hypot(ky, kx)
    phase = random.uniform(0, 2 * np.pi, (_CHANNELS, *radius.shape))
    for row in (0, resolution):
        phase[:, row, [0, resolution]] = 0
    magnitude = _ring(radius, np.sqrt(2) * centre * resolution) * _amplitude(radius, resolution)
    whole = np.fft.irfft2(magnitude * np.exp(1j * phase), s=(side, side), norm="ortho")
    start = resolution // 2
    cropped: NDArray[np.float64] = whole[:, start : start + resolution, start : start + resolution]
    return cropped


def _ring(radius: NDArray[np.float64], centre: float) -> NDArray[np.float64]:
    ring: NDArray[np.float64] = np.exp(-((radius - centre) ** 2) / 2)
    return ring


def _amplitude(radius: NDArray[np.float64], resolution: int) -> float:
    """Factor with which the ring at c = N / √2 sums to N² / 3 over the full plane; `radius` is of the half plane."""
    multiplicity = np.full(radius.shape[1], 2)
    multiplicity[[0, -1]] = 1
    return float(resolution**2 / 3 / (multiplicity * _ring(radius, resolution / np.sqrt(2))).sum())


def _png(image: NDArray[np.float64]) -> bytes:
    pixels = np.clip((image + 1) * 127.5, 0, 255).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(stream, format="PNG")
    return stream.getvalue()
