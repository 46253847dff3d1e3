"""One picture: its values as they are, and what of its file changes spectra."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from specops.spectra.errors import InputError

Values = NDArray[np.float32]
Pixels = NDArray[np.uint8] | Values

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pfm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"),
)
_OF_16_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "I", "F", *_OF_16_BITS)


class UnreadableError(Exception):
    """Why a picture cannot be taken, in one line."""


@dataclass(frozen=True)
class Traits:
    """What sets of pictures may differ in, so that their spectra do.

    Attributes:
        format: as Pillow calls it, or the dtype of an array.
        quality: of a JPEG, 1 to 100, estimated from its quantisation; None for others.
        size: (H, W) before cropping and resampling, upright.
        notes: what was done to the values that somebody may not expect.
    """

    format: str
    quality: int | None
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Pixels `[C, H, W]`, C of 1 or 3, and traits.

    Attributes:
        pixels: uint8, of which 0 is -1 and 255 is 1, or float32 values in [-1, 1].
    """

    pixels: Pixels
    traits: Traits

    @property
    def values(self) -> Values:
        """The pixels as values in [-1, 1]."""
        return as_values(self.pixels)


def read_picture(source: Path | bytes, value_range: tuple[float, float]) -> Picture:
    """Returns the first frame of a file or of a file's bytes, upright.

    Integers fill their range: 0 is -1, and 255, or 65535 of 16 bits, is 1. Floating-point values lie in `value_range`.

    Raises:
        UnreadableError: the file is broken, too large for Pillow's limit, or holds values that it may not.
    """
    notes: list[str] = []
    with _reasons(), Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as opened:
        if _has_frames(opened):
            notes.append("the first frame of several")
        if any(";16" in str(tile) for tile in getattr(opened, "tile", ())) and opened.mode not in (*_OF_16_BITS, "I"):
            notes.append("colour of 16 bits read as 8 bits")  # which is all that Pillow gives
        format, quality = opened.format or "unknown", jpeg_quality(opened)
        ImageOps.exif_transpose(opened, in_place=True)
        pixels = _pixels(opened, value_range, notes)
    return Picture(pixels, Traits(format, quality, pixels.shape[1:], tuple(notes)))


def size_of(source: Path | bytes) -> tuple[int, int]:
    """Returns (H, W) of an upright picture from its header; raises UnreadableError."""
    with _reasons(), Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as opened:
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (opened.width, opened.height) if turned else (opened.height, opened.width)


@contextmanager
def _reasons() -> Iterator[None]:
    """Raises what Pillow raises of a picture as UnreadableError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata; broken pixels are errors
            yield
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"{error} Set PIL.Image.MAX_IMAGE_PIXELS to take it.") from error
    except UnidentifiedImageError as error:
        raise UnreadableError("it is no picture that Pillow can read") from error
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # of a damaged file, whatever its decoder ran into
        raise UnreadableError(" ".join(str(error).split()) or type(error).__name__) from error


def _has_frames(picture: Image.Image) -> bool:
    """Whether a file has, or begins to have, more than one frame; the first is then the one that is open."""
    try:
        return getattr(picture, "n_frames", 1) > 1
    except Exception:  # the second is broken
        picture.seek(0)
        return True


def _pixels(picture: Image.Image, value_range: tuple[float, float], notes: list[str]) -> Pixels:
    """The pixels of an upright picture [C, H, W]; adds to the notes."""
    if picture.mode == "F":
        floats = np.asarray(picture, np.float32)[None]
        notes += notes_of(floats, value_range)
        return from_floats(floats, value_range)
    if picture.mode in (*_OF_16_BITS, "I"):
        numbers = np.asarray(picture)
        if numbers.min() < 0 or numbers.max() > 65535:
            raise UnreadableError(f"its integers must be 0 to 65535; got {numbers.min()} to {numbers.max()}")
        return from_integers(numbers[None], 65535)
    if picture.has_transparency_data:
        if np.asarray(picture.convert("RGBA").getchannel("A")).min() < 255:
            notes.append("alpha laid on black")
        picture = _on_black(picture)
    if picture.mode not in _GREY:
        picture = picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    numbers = np.asarray(picture)
    return numbers[None] if numbers.ndim == 2 else numbers.transpose(2, 0, 1)


def _on_black(picture: Image.Image) -> Image.Image:
    grey = picture.mode == "LA"
    picture = picture.convert("RGBA")
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    flat = Image.alpha_composite(black, picture).convert("RGB")
    return flat.getchannel(0) if grey else flat


def as_values(pixels: Pixels) -> Values:
    """Returns pixels of a `Picture` as values in [-1, 1]."""
    if pixels.dtype == np.uint8:
        return from_integers(pixels, 255)
    return pixels.astype(np.float32, copy=False)


def from_integers(numbers: NDArray[Any], most: int) -> Values:
    """Returns integers 0 to `most` as values in [-1, 1]."""
    values = numbers.astype(np.float32)
    values /= np.float32(most / 2)
    values -= 1
    return values


def from_floats(numbers: NDArray[np.floating], value_range: tuple[float, float]) -> Values:
    """Returns numbers of a range as values in [-1, 1]; raises UnreadableError for others and for what is not finite."""
    low, high = value_range
    least, most = float(numbers.min()), float(numbers.max())
    if not (low <= least and most <= high):  # NaN is neither
        raise UnreadableError(f"its values must be in [{low:g}, {high:g}]; got {least:g} to {most:g}. Give its --range")
    scaled = (numbers.astype(np.float64) - low) * (2 / (high - low)) - 1
    return scaled.astype(np.float32)


def notes_of(numbers: NDArray[Any], value_range: tuple[float, float]) -> list[str]:
    """Returns what is odd about an image's floating-point numbers in a range."""
    if value_range[0] < 0 <= float(numbers.min()) and float(numbers.max()) <= 1:
        return ["no value below 0: is its --range 0 1?"]
    return []


def jpeg_quality(picture: Image.Image) -> int | None:
    """Returns the quality at which the IJG's library quantises luminance most nearly so; None for no JPEG."""
    tables = getattr(picture, "quantization", None)
    if picture.format not in ("JPEG", "MPO") or not tables:
        return None
    return int(np.abs(_sums_by_quality() - _sum_of_luminance(tables)).argmin()) + 1


@functools.cache
def _sums_by_quality() -> NDArray[np.int64]:
    """The sums of the tables that Pillow writes at qualities 1 to 100, which are the IJG's."""
    sums, picture = [], Image.new("L", (8, 8))
    for quality in range(1, 101):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        with Image.open(stream) as written:
            sums.append(_sum_of_luminance(written.quantization))  # type: ignore[attr-defined]
    return np.array(sums)


def _sum_of_luminance(tables: Mapping[int, Sequence[int]]) -> int:
    return sum(tables[min(tables)])


def centre(pixels: Pixels, side: int) -> Pixels:
    """Returns the centre square of pixels [C, H, W]; raises UnreadableError where they are smaller."""
    height, width = pixels.shape[1:]
    if min(height, width) < side:
        raise UnreadableError(f"it has {height} x {width} pixels; a centre square of {side} is wanted")
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[:, top : top + side, left : left + side]


def resized(pixels: Pixels, side: int) -> Values:
    """Returns values of the centre square of pixels [C, H, W], resampled to that side by Lanczos, antialiased."""
    return as_values(resampled(as_values(centre(pixels, min(pixels.shape[1:]))), side))


def resampled(square: Pixels, side: int) -> Pixels:
    """Returns square pixels [C, M, M], of either type, resampled to that side by Lanczos, antialiased."""
    planes = [Image.fromarray(plane).resize((side, side), Image.Resampling.LANCZOS) for plane in square]
    return np.stack([np.asarray(plane) for plane in planes])


def check_range(value_range: tuple[float, float]) -> tuple[float, float]:
    """Returns (low, high), or raises InputError unless low < high, both finite."""
    low, high = value_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"--range must be LOW HIGH with LOW < HIGH; got {low:g} {high:g}")
    return low, high
