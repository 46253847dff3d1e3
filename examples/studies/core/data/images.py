"""Training images: read, cropped to a square, resampled and scaled to [-1, 1]."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

import specops
from specops.spectra.sources import SUFFIXES, pictures
from studies.core.errors import InputError

BUNDLED = {"photo": "chelsea.png", "grass": "grass.png"}
"""Pictures inside scikit-image's own package, by the name that `--data` takes."""

IMAGE_SUFFIXES = (*SUFFIXES, ".npy")
_HIGH_BIT_DEPTH = {"I;16", "I;16B", "I;16L", "I;16N", "I"}

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises of a broken picture."""


@dataclass(frozen=True)
class ImageSet:
    """Images `pixels [n, 3, H, W]`, float32 in [-1, 1], with a name each."""

    names: tuple[str, ...]
    pixels: torch.Tensor

    @property
    def sha256(self) -> str:
        """Digest of the pixels: two runs with the same digest train on the same images."""
        return hashlib.sha256(self.pixels.numpy().tobytes()).hexdigest()


def load_images(sources: Sequence[Path], resolution: int) -> ImageSet:
    """Images of the files and folders in `sources`, in order, each [3, resolution, resolution].

    Folders are read by name, not recursively. Raises InputError for what is missing, empty or broken.
    """
    paths = [path for source in sources for path in pictures(source, suffixes=IMAGE_SUFFIXES)]
    pixels = torch.stack([_load(path, resolution) for path in paths])
    return ImageSet(names=tuple(path.name for path in paths), pixels=pixels)


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


def _load(path: Path, resolution: int) -> torch.Tensor:
    if path.suffix.lower() == ".npy":
        return _load_array(path, resolution)
    return _load_picture(path, resolution)


def _load_picture(path: Path, resolution: int) -> torch.Tensor:
    """Picture file as [3, resolution, resolution]: turned upright, alpha dropped, grey repeated, first frame only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # a large photo of one's own is welcome
            with Image.open(path) as picture:
                channels = _split_channels(ImageOps.exif_transpose(picture))
            resampled = [np.asarray(_square(channel, resolution), dtype=np.float32) for channel in channels]
    except UnidentifiedImageError as error:
        raise InputError(f"image {path} is no picture that Pillow can read") from error
    except UNREADABLE as error:
        raise InputError(f"image {path} cannot be read: {' '.join(str(error).split())}") from error
    scaled = np.clip(np.stack(resampled) / np.float32(127.5) - np.float32(1), -1, 1)
    return torch.from_numpy(scaled).expand(3, -1, -1).contiguous()


def _split_channels(picture: Image.Image) -> list[Image.Image]:
    """Channels of a picture (one if 16-bit grey, else R, G, B), each in 0…255; 16 bits become float."""
    if picture.mode == "F":
        raise ValueError("floating point pictures have no fixed range; save it as .npy [3, H, W] in [-1, 1]")
    if picture.mode in _HIGH_BIT_DEPTH:
        values = np.asarray(picture, dtype=np.float32)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"integer pictures must hold values in [0, 65535], not [{values.min()}, {values.max()}]")
        return [Image.fromarray(values * np.float32(255 / 65535))]
    return list(picture.convert("RGB").split())


def _square(channel: Image.Image, resolution: int) -> Image.Image:
    """Centre square of `channel`, Lanczos-resampled to the resolution (smaller pictures are enlarged)."""
    width, height = channel.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = channel.crop((left, top, left + side, top + side))
    if side == resolution:
        return square
    return square.resize((resolution, resolution), Image.Resampling.LANCZOS)


def _load_array(path: Path, resolution: int) -> torch.Tensor:
    """Array file [3, resolution, resolution] in [-1, 1]: taken as it is, since resampling would change its spectrum."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"array {path} cannot be read: {' '.join(str(error).split())}") from error
    expected = (3, resolution, resolution)
    if not isinstance(array, np.ndarray) or array.shape != expected:
        shape = list(getattr(array, "shape", []))
        raise InputError(f"array {path} must be {list(expected)} for --resolution {resolution}; got {shape}")
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"array {path} must be floating point in [-1, 1]; got {array.dtype}")
    if not np.isfinite(array).all():
        raise InputError(f"array {path} holds NaN or infinity; it must be in [-1, 1]")
    if np.abs(array).max() > 1:
        span = f"[{array.min():.4g}, {array.max():.4g}]"
        raise InputError(f"array {path} must be in [-1, 1]; its values span {span}")
    return torch.from_numpy(array.astype(np.float32))
