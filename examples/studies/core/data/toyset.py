"""The toyset: images whose spectrum is two rings, one at low and one at high frequency (Schwarz et al. 2021).

On a plane of 2N × 2N frequencies, whose axis Nyquist is N, a ring is A·exp(-(k - c)² / 2) with k the radius in
coefficients and c = √2·f·N its centre, f its share of the corner frequency; A is such that a ring at c = N / √2 sums
to (2N)² / 3 over the plane. Phases are random and uniform in (-π/2, π/2), as in the released code, whose real parts are
never negative, and 0 where a coefficient is its own conjugate. Their mean is not 0: a share (2/π)² of the power is a
pulse around the corners of the inverse DFT. That is orthonormal; its central N × N, without the pulse, is a texture. An
image is the mean of two, f in [0.05, 0.15] and in [0.75, 0.85], and is stored in 8 bits.

The released code displaces the rows of negative ky by one coefficient, which widens the low ring; the formula, as here,
does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from specops.report.figures import png_of_pixels
from specops.report.files import write_atomically
from specops.spectra.pixels import UnreadableError, read_picture
from studies.core.errors import InputError

from .images import ImageSet, from_8bit

TOYSET = "toyset"
"""What `--data` calls it."""

RECIPE = 2
"""Raised with every change of the pictures: runs record it, and none goes on with those of another recipe."""

RINGS = ((0.05, 0.15), (0.75, 0.85))
"""Ranges of the centres, as shares of the corner frequency."""

FULL_SIZE = 100
USED = 10
"""Images of the set, and how many of them the testbeds train on."""

_CHANNELS = 3


def toy_image(number: int, resolution: int) -> NDArray[np.float64]:
    """The `number`-th image [3, resolution, resolution], mostly within [-1, 1]; the same on every call."""
    random = np.random.default_rng([resolution, number])
    centres = [random.uniform(*bounds) for bounds in RINGS]
    image: NDArray[np.float64] = np.mean([_texture(centre, resolution, random) for centre in centres], axis=0)
    return image


def toy_pixels(number: int, resolution: int) -> NDArray[np.uint8]:
    """The `number`-th image as it is stored, 8-bit: (x + 1) · 127.5, clipped and truncated."""
    return np.clip((toy_image(number, resolution) + 1) * 127.5, 0, 255).astype(np.uint8)


def load_toyset(resolution: int) -> ImageSet:
    """The images that the testbeds train on."""
    pixels = torch.stack([torch.from_numpy(toy_pixels(number, resolution)) for number in range(USED)])
    names = tuple(f"{TOYSET} {number}" for number in range(USED))
    return ImageSet(names, from_8bit(pixels))


def recipe_of(data: str | None) -> int | None:
    """What a run on `data` records as its `toyset_recipe`: nothing where that is not the toyset."""
    return RECIPE if data == TOYSET else None


def write_toyset(folder: Path, resolution: int, numbers: Sequence[int]) -> list[Path]:
    """Write those images of the set as PNGs, and return their paths.

    Raises InputError, before it writes any, where the folder holds another picture under the name of one, or a file
    that cannot be read. Pictures are compared by their pixels, since encoders differ.
    """
    pictures = {folder / f"{number:03}.png": toy_pixels(number, resolution) for number in numbers}
    try:
        for path, pixels in pictures.items():
            if path.exists() and not _holds(path, pixels):
                raise InputError(f"{path} is not of this toyset at {resolution} pixels; give another --out")
        folder.mkdir(parents=True, exist_ok=True)
        for path, pixels in pictures.items():
            write_atomically(path, png_of_pixels(pixels.transpose(1, 2, 0)))
    except OSError as error:
        raise InputError(f"toyset cannot be written to {folder} ({error.strerror}); give another --out") from error
    return list(pictures)


def ring_magnitude(centre: float, resolution: int) -> NDArray[np.float64]:
    """Magnitudes [2N, N + 1] of the coefficients of a ring, on the half plane; `centre` in shares of the corner."""
    side = 2 * resolution
    radius = np.hypot(np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side)[None])
    multiplicity = np.full(radius.shape[1], 2)
    multiplicity[[0, -1]] = 1
    amplitude = side**2 / 3 / (multiplicity * _ring(radius, resolution / np.sqrt(2))).sum()
    magnitude: NDArray[np.float64] = amplitude * _ring(radius, np.sqrt(2) * centre * resolution)
    return magnitude


def _texture(centre: float, resolution: int, random: np.random.Generator) -> NDArray[np.float64]:
    magnitude = ring_magnitude(centre, resolution)
    phase = random.uniform(-np.pi / 2, np.pi / 2, (_CHANNELS, *magnitude.shape))
    for row in (0, resolution):
        phase[:, row, [0, resolution]] = 0
    side = 2 * resolution
    whole = np.fft.irfft2(magnitude * np.exp(1j * phase), s=(side, side), norm="ortho")
    start = resolution // 2
    cropped: NDArray[np.float64] = whole[:, start : start + resolution, start : start + resolution]
    return cropped


def _ring(radius: NDArray[np.float64], centre: float) -> NDArray[np.float64]:
    ring: NDArray[np.float64] = np.exp(-((radius - centre) ** 2) / 2)
    return ring


def _holds(path: Path, pixels: NDArray[np.uint8]) -> bool:
    """Whether the file decodes to those pixels."""
    try:
        return np.array_equal(read_picture(path, (-1, 1)).pixels, pixels)
    except UnreadableError:
        return False
