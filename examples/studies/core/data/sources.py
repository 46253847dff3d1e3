"""Where real images come from, and which are held out for evaluation.

A source gives the images of a batch by their running numbers, from the seed alone: no state, nothing to save.
"""

from __future__ import annotations

import mmap
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from specops.spectra.pixels import UnreadableError
from specops.spectra.sources import Item, fingerprint
from studies.core.errors import InputError, TrainingError

from . import draws
from .images import check_header, open_pictures, read
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
_UNREAD, _READ, _BROKEN = 0, 1, 2
_SILENT_SECONDS = 2.0
"""Checks that take no longer are not told of."""


class Source(ABC):
    """Real images `[n, 3, N, N]`, uint8; training and held-out ones have no picture in common."""

    @abstractmethod
    def images(self, seed: int, batch: int, number: int, places: range) -> Tensor:
        """Those of the `number`-th training batch of `batch` images at these places."""

    @abstractmethod
    def held_out(self, count: int) -> Tensor:
        """At most `count` held-out images, the same ones for any seed."""

    def skipped(self) -> dict[str, str]:
        """Reasons, by name, of the pictures that were found broken so far."""
        return {}

    def record(self) -> dict[str, Any] | None:
        """What tells the set from any other of that name, for the record of a run; None of sets that never change."""
        return None


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


class _Epochs(Source):
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


class Toyset(_Epochs):
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


class Pictures(_Epochs):
    """The pictures of a folder and of those inside it, an archive or an array; every tenth held out, eight at least.

    Files' headers are checked at once. A file is decoded when it first comes up, by whichever worker needs it, and kept
    in memory that all workers share. One that turns out broken then is left out, and the next one taken instead.
    """

    def __init__(self, path: Path, resolution: int, *, flip: bool = True) -> None:
        self._resolution, self._source = resolution, open_pictures(path)
        self._items: list[Item] = []
        self._broken: dict[str, str] = {}
        """Reasons by name."""
        decoded = self._check()
        count = len(self._items)
        if count < 2 * _FEWEST_HELD_OUT:
            left_out = f" ({len(self._broken)} more cannot be read)" if self._broken else ""
            raise InputError(
                f"--data {path} holds {count} images{left_out}; {2 * _FEWEST_HELD_OUT} are needed at least"
            )
        held_out = np.linspace(0, count - 1, max(_FEWEST_HELD_OUT, count // _HELD_OUT_SHARE)).round().astype(np.int64)
        super().__init__(count, held_out, flip=flip)
        # Anonymous memory: shared with forked workers, not limited as /dev/shm is, and free where untouched.
        self._pixels = torch.frombuffer(mmap.mmap(-1, count * 3 * resolution**2), dtype=torch.uint8)
        self._pixels = self._pixels.view(count, 3, resolution, resolution)
        self._state = torch.frombuffer(mmap.mmap(-1, count), dtype=torch.uint8)
        for number, pixels in enumerate(decoded):
            self._pixels[number], self._state[number] = pixels, _READ

    def held_out(self, count: int) -> Tensor:
        numbers = self._held_out_numbers[:count].tolist()
        there = [self._pixels[number] for number in numbers if self._is_read(number)]
        if len(there) < _FEWEST_HELD_OUT // 2:
            raise InputError(f"--data {self._source.path}: {len(there)} of {len(numbers)} held-out images can be read")
        return torch.stack(there)

    def skipped(self) -> dict[str, str]:
        for number in torch.nonzero(self._state == _BROKEN).flatten().tolist():
            self._broken.setdefault(self._items[number].name, self._reason(number))
        return dict(self._broken)

    def record(self) -> dict[str, Any]:
        files = [item.origin for item in self._items if isinstance(item.origin, Path)]
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        time = datetime.fromtimestamp(int(newest.stat().st_mtime), timezone.utc).isoformat()
        return {
            "count": len(self._items),
            "newest": f"{newest.name} of {time}",
            "fingerprint": fingerprint(self._source, None)[:16],
        }

    def _check(self) -> list[Tensor]:
        """Take the items whose headers are right; returns those decoded that are no files, and are in memory anyway."""
        decoded = []
        told = {"desc": "headers", "unit": " images", "delay": _SILENT_SECONDS, "disable": not sys.stderr.isatty()}
        for item in tqdm(self._source, **told):
            try:
                if isinstance(item.origin, Path):
                    check_header(item, self._resolution)
                else:
                    decoded.append(_rounded(read(item, self._resolution)))
                    item = Item(item.name, self._source.path)
                self._items.append(item)
            except UnreadableError as error:
                self._broken[item.name] = str(error)
        return decoded

    def _picture(self, number: int) -> Tensor:
        """That of a number, or of the next training one that can be read."""
        at = int(np.searchsorted(self._numbers, number))
        for other in np.roll(self._numbers, -at).tolist() if not self._is_read(number) else [number]:
            if self._is_read(other):
                return self._pixels[other]
        raise TrainingError(f"{self._source.path}: none of its {len(self._items)} images can be read any more")

    def _is_read(self, number: int) -> bool:
        """Decode a picture unless it is; returns whether it can be."""
        if self._state[number] == _UNREAD:
            try:
                self._pixels[number] = _rounded(read(self._items[number], self._resolution))
                self._state[number] = _READ  # after the pixels: another worker may read both at any time
            except UnreadableError:
                self._state[number] = _BROKEN
        return bool(self._state[number] == _READ)

    def _reason(self, number: int) -> str:
        """Why a picture is broken, which a worker may have found."""
        try:
            read(self._items[number], self._resolution)
        except UnreadableError as error:
            return str(error)
        return "it could not be read when it was needed, and can be now"


def open_source(name: str, resolution: int, *, flip: bool) -> Source:
    """The source that `--data` names."""
    if name == PHOTO_CROPS:
        return PhotoCrops(resolution, flip=flip)
    if name == TOYSET:
        return Toyset(resolution)
    return Pictures(Path(name), resolution, flip=flip)


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
