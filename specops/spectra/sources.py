"""Sets of pictures: where they are, what they are called, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


class InputError(Exception):
    """Wrong input, told in one line: what was expected, what came and how to mend it."""


def pictures(source: Path, pattern: str = "*", suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Returns the picture itself, or the pictures in a folder, by name: right in it, or those that a glob finds."""
    if not source.exists():
        raise InputError(f"{source} does not exist")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.glob(pattern) if path.is_file() and path.suffix.lower() in suffixes)
    if not found:
        raise InputError(f"{source} holds no picture (looked for {', '.join(suffixes)})")
    return found


def set_names(sources: Sequence[Path]) -> list[str]:
    """Returns the last part of each path, or the whole paths where two of those are the same."""
    short = [source.resolve().name for source in sources]
    return short if len(set(short)) == len(short) else [str(source) for source in sources]


def shorter_side(path: Path) -> int:
    """Returns the shorter side of the picture in pixels."""
    with _open(path) as picture:
        return min(picture.size)


def centre_square(path: Path, side: int) -> Tensor:
    """Returns the centre square `[3, side, side]` of the upright picture, float64 in [-1, 1]; nothing is resampled."""
    try:
        with _open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    square = upright.crop((left, top, left + side, top + side))
    return torch.from_numpy(np.array(square, dtype=np.float64)).permute(2, 0, 1) / 127.5 - 1


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is no picture that Pillow can read") from error
