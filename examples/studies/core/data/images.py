"""Training images: read as `specops spectrum` reads them, cropped to a square, resampled and scaled to [-1, 1]."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import specops
from specops.spectra.loading import Framing, size_of_item
from specops.spectra.pixels import SUFFIXES, UnreadableError, as_values, centre, resampled
from specops.spectra.sources import Files, Item, Source, pixels_of, source_of
from studies.core.errors import InputError

BUNDLED = {"photo": "chelsea.png", "grass": "grass.png"}
"""Pictures inside scikit-image's own package, by the name that `--data` takes."""

ARRAY = ".npy"


@dataclass(frozen=True)
class ImageSet:
    """Images `pixels [n, 3, H, W]`, float32 in [-1, 1], with a name each; `skipped` are reasons by name."""

    names: tuple[str, ...]
    pixels: Tensor
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the pixels: two runs with the same digest train on the same images."""
        return hashlib.sha256(self.pixels.numpy().tobytes()).hexdigest()


def open_pictures(path: Path) -> Source:
    """The pictures at a path, as `specops spectrum` finds them; an array file [3, N, N] is one of them.

    Raises InputError where there is nothing.
    """
    source = source_of(path)
    if path.is_dir() or (path.suffix.lower() == ARRAY and not _is_set(path)):
        return Files(path, (*SUFFIXES, ARRAY))
    return source


def load_images(paths: Sequence[Path], resolution: int) -> ImageSet:
    """Images of the pictures at `paths`, in order, each [3, resolution, resolution].

    A picture of several at a path is skipped where it cannot be read. Raises InputError for one that stands alone, and
    where there
    is none at one of them.
    """
    names: list[str] = []
    images: list[Tensor] = []
    skipped: dict[str, str] = {}
    for path in paths:
        source, before = open_pictures(path), len(images)
        for item in source:
            try:
                images.append(read(item, resolution))
                names.append(item.name)
            except UnreadableError as error:
                if isinstance(source, Files) and not path.is_dir():
                    raise InputError(f"image {path} cannot be read: {error}") from error
                skipped[str(path / item.name)] = str(error)
        if len(images) == before:
            reasons = [f": {name}: {reason}" for name, reason in skipped.items()][:1]
            raise InputError(f"{path} has no picture that can be read{''.join(reasons)}")
    return ImageSet(tuple(names), torch.stack(images), skipped)


def check_header(item: Item, resolution: int) -> None:
    """Raise UnreadableError where the header of a picture tells that `read` cannot read it."""
    if is_array(item):
        _array(item.origin, resolution)
    else:
        size_of_item(item)


def read(item: Item, resolution: int) -> Tensor:
    """A picture [3, resolution, resolution]: its centre square, resampled by Lanczos' window; grey is repeated.

    Pictures of 8 bits are resampled in 8 bits. An array file is taken as it is, since resampling would change its
    spectrum. Raises UnreadableError.
    """
    if is_array(item):
        return torch.from_numpy(pixels_of(_array(item.origin, resolution), (-1, 1)))
    pixels = Framing().applied(item).pixels
    values = as_values(resampled(centre(pixels, min(pixels.shape[1:])), resolution))
    return torch.from_numpy(np.clip(values, -1, 1)).expand(3, -1, -1).contiguous()


def is_array(item: Item) -> bool:
    """Whether an item is an array file, which holds one image."""
    return isinstance(item.origin, Path) and item.origin.suffix.lower() == ARRAY


def load_bundled(name: str, resolution: int) -> ImageSet:
    """The picture that ships with scikit-image as `BUNDLED[name]`; nothing is downloaded."""
    try:
        import skimage
    except ImportError as error:
        message = "--data needs scikit-image: pip install scikit-image, or give a picture with --image"
        raise InputError(message) from error
    path = Path(skimage.__file__).parent / "data" / BUNDLED[name]
    if not path.is_file():
        raise InputError(f"this scikit-image has no {BUNDLED[name]} in {path.parent}; give a picture with --image")
    return load_images([path], resolution)


def highpass(images: torch.Tensor) -> torch.Tensor:
    """`images [n, C, H, W]` convolved with [[1, -1], [-1, 1]]: edges reflected by 1, then cropped to H × W.

    Values may leave [-1, 1].
    """
    kernel = images.new_tensor([[1.0, -1.0], [-1.0, 1.0]])
    filtered = specops.upfirdn2d(images, kernel, padding=1, boundary="reflect")
    return filtered[..., : images.shape[-2], : images.shape[-1]].contiguous()


def from_8bit(pixels: torch.Tensor) -> torch.Tensor:
    """float32 in [-1, 1] of uint8 `pixels`."""
    return pixels.float().div_(127.5).sub_(1)


def to_8bit(images: torch.Tensor) -> torch.Tensor:
    """uint8 `images [..., H, W]`: clamped to [-1, 1], then (x / 2 + ½) · 255 truncated (METHODS of the 2021 paper)."""
    return images.clamp(-1, 1).div(2).add(0.5).mul(255).to(torch.uint8)


def _is_set(path: Path) -> bool:
    """Whether an array file has several images [n, C, H, W] or [n, H, W, C]."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).ndim == 4
    except (OSError, ValueError, EOFError):
        return False


def _array(path: Any, resolution: int) -> NDArray[Any]:
    """The array [3, resolution, resolution] of a file, mapped into memory; raises UnreadableError for another."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableError(" ".join(str(error).split())) from error
    expected = [3, resolution, resolution]
    if not isinstance(array, np.ndarray) or list(array.shape) != expected:
        shape = list(getattr(array, "shape", []))
        raise UnreadableError(f"an array must be {expected} for --resolution {resolution}; got {shape}")
    if array.dtype.kind != "f":
        raise UnreadableError(f"an array must be floating point in [-1, 1]; got {array.dtype}")
    return array
