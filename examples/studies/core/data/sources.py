"""Where real images come from, and which are held out for evaluation.

A source gives the images of a batch by their running numbers, from the seed alone: no state, nothing to save.
"""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from specops.spectra.sources import pictures
from studies.core.errors import InputError

from . import draws
from .images import IMAGE_SUFFIXES, load_images
from .toyset import TOYSET, toy_pixels

PHOTO_CROPS = "photo-crops"


@dataclass(frozen=True)
class Photo:
    """A photograph inside an installed package, with who made it and on what terms it may be used."""

    package: str
    file: str
    author: str
    terms: str
    held_out: bool = False

    @property
    def path(self) -> Path:
        """Where the package keeps it, if it is installed."""
        found = find_spec(self.package)
        package = Path(found.origin).parent if found and found.origin else Path(self.package)
        return package / ("data" if self.package == "skimage" else "datasets/images") / self.file


PHOTOS = (
    Photo("skimage", "astronaut.png", "NASA", "public domain", held_out=True),
    Photo("skimage", "brick.png", "cc0textures.com", "CC0"),
    Photo("skimage", "camera.png", "Lav Varshney", "CC0"),
    Photo("skimage", "chelsea.png", "Stefan van der Walt", "CC0"),
    Photo("skimage", "coffee.png", "Rachel Michetti", "CC0"),
    Photo("skimage", "grass.png", "cc0textures.com", "CC0", held_out=True),
    Photo("skimage", "gravel.png", "cc0textures.com", "CC0"),
    Photo("skimage", "rocket.jpg", "SpaceX", "public domain", held_out=True),
    Photo("sklearn", "china.jpg", "danielbuechele", "CC BY 2.0"),
    Photo("sklearn", "flower.jpg", "vultilion", "CC BY 2.0", held_out=True),
)
"""As the packages' own notes tell it. Held out are four whole pictures, whose mean spectrum is near the others'."""

_TOY_IMAGES, _TOY_IMAGES_HELD_OUT = 1024, 512
_HELD_OUT_SHARE, _FEWEST_HELD_OUT = 10, 8


class Source(ABC):
    """Real images `[n, 3, N, N]`, uint8; training and held-out ones have no picture in common."""

    @abstractmethod
    def images(self, seed: int, batch: int, number: int, places: range) -> Tensor:
        """Those of the `number`-th training batch of `batch` images at these places."""

    @abstractmethod
    def held_out(self, count: int) -> Tensor:
        """At most `count` held-out images, the same ones for any seed."""


class PhotoCrops(Source):
    """Random crops of photographs, each pixel of which is as likely to be a crop's first, half of them mirrored."""

    def __init__(self, resolution: int, *, flip: bool = True, photos: Sequence[Photo] = PHOTOS) -> None:
        missing = [photo.path for photo in photos if not photo.path.is_file()]
        if missing:
            raise InputError(f"--data {PHOTO_CROPS} needs {missing[0]}, which this installation lacks; give a folder")
        self._resolution, self._flip = resolution, flip
        self._training = [_pixels(photo.path) for photo in photos if not photo.held_out]
        self._held_out = [_pixels(photo.path) for photo in photos if photo.held_out]

    def images(self, seed: int, batch: int, number: int, places: range) -> Tensor:
        random = np.random.default_rng(draws.sequence(seed, "crops", number))
        return self._crops(self._training, random, batch, places)

    def held_out(self, count: int) -> Tensor:
        return self._crops(self._held_out, np.random.default_rng(0), count, range(count))

    def _crops(self, photos: list[NDArray[np.uint8]], random: np.random.Generator, batch: int, places: range) -> Tensor:
        side = self._resolution
        corners = np.array([[extent - side + 1 for extent in photo.shape[:2]] for photo in photos])
        chosen = random.choice(len(photos), batch, p=corners.prod(1) / corners.prod(1).sum())
        tops, lefts = (random.random((2, batch)) * corners[chosen].T).astype(int)
        mirrored = (random.random(batch) < 0.5) & self._flip
        crops = np.empty((len(places), side, side, 3), np.uint8)
        for crop, place in zip(crops, places, strict=True):
            top, left = tops[place], lefts[place]
            window = photos[chosen[place]][top : top + side, left : left + side]
            crop[:] = window[:, ::-1] if mirrored[place] else window
        return torch.from_numpy(crops).permute(0, 3, 1, 2)


class _Pictures(Source):
    """A set of pictures, each once per epoch, in an order drawn per epoch; half of them mirrored with `flip`."""

    def __init__(self, count: int, held_out: NDArray[np.int64], *, flip: bool) -> None:
        self._held_out_numbers = held_out
        self._numbers = np.setdiff1d(np.arange(count), held_out)
        self._flip = flip

    @abstractmethod
    def _picture(self, number: int) -> Tensor:
        """uint8 [3, N, N]."""

    def images(self, seed: int, batch: int, number: int, places: range) -> Tensor:
        pictures = []
        for place in places:
            epoch, position = divmod(number * batch + place, len(self._numbers))
            order, mirrored = _epoch(seed, epoch, len(self._numbers))
            picture = self._picture(int(self._numbers[order[position]]))
            pictures.append(picture.flip(-1) if self._flip and mirrored[position] else picture)
        return torch.stack(pictures)

    def held_out(self, count: int) -> Tensor:
        return torch.stack([self._picture(int(number)) for number in self._held_out_numbers[:count]])


class Toyset(_Pictures):
    """Pictures whose spectrum is two rings: the first 1024 of the set, and the 512 after them held out."""

    def __init__(self, resolution: int) -> None:
        total = _TOY_IMAGES + _TOY_IMAGES_HELD_OUT
        super().__init__(total, np.arange(_TOY_IMAGES, total), flip=False)
        self._resolution = resolution

    def _picture(self, number: int) -> Tensor:
        return self._all[number]

    @cached_property
    def _all(self) -> Tensor:
        total = _TOY_IMAGES + _TOY_IMAGES_HELD_OUT
        return torch.stack([torch.from_numpy(toy_pixels(number, self._resolution)) for number in range(total)])


class Folder(_Pictures):
    """The pictures of a folder and of those inside it, every tenth held out, eight at least.

    A picture is read when it first comes up, by whichever worker needs it, and kept in memory that all workers share.
    """

    def __init__(self, folder: Path, resolution: int, *, flip: bool = True) -> None:
        self._paths, self._resolution = pictures(folder, "**/*", IMAGE_SUFFIXES), resolution
        count = len(self._paths)
        if count < 2 * _FEWEST_HELD_OUT:
            raise InputError(f"--data {folder} holds {count} images; {2 * _FEWEST_HELD_OUT} are needed at least")
        held_out = np.linspace(0, count - 1, max(_FEWEST_HELD_OUT, count // _HELD_OUT_SHARE)).round().astype(np.int64)
        super().__init__(count, held_out, flip=flip)
        # Anonymous memory: shared with forked workers, not limited as /dev/shm is, and free where untouched.
        self._pixels = torch.frombuffer(mmap.mmap(-1, count * 3 * resolution**2), dtype=torch.uint8)
        self._pixels = self._pixels.view(count, 3, resolution, resolution)
        self._is_read = torch.frombuffer(mmap.mmap(-1, count), dtype=torch.uint8)

    def _picture(self, number: int) -> Tensor:
        if not self._is_read[number]:
            self._pixels[number] = _rounded(load_images([self._paths[number]], self._resolution).pixels[0])
            self._is_read[number] = 1  # after the pixels: another worker may read both at any time
        return self._pixels[number]


def open_source(name: str, resolution: int, *, flip: bool) -> Source:
    """The source that `--data` names."""
    if name == PHOTO_CROPS:
        return PhotoCrops(resolution, flip=flip)
    if name == TOYSET:
        return Toyset(resolution)
    return Folder(Path(name), resolution, flip=flip)


def _rounded(images: Tensor) -> Tensor:
    """uint8 of images in [-1, 1]: what came from 8 bits comes back the same."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@lru_cache(maxsize=2)
def _epoch(seed: int, epoch: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Order of the pictures in an epoch, and which of them are mirrored."""
    random = np.random.default_rng(draws.sequence(seed, "epochs", epoch))
    return random.permutation(count), random.random(count) < 0.5
