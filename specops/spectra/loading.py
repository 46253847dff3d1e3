"""Pictures of a set, decoded by worker processes, in chunks of a fixed order."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from specops.spectra import pixels
from specops.spectra.errors import CutOffError, InputError, first_line
from specops.spectra.memory import map_large_pieces
from specops.spectra.pixels import Picture, Pixels, Traits, UnreadableError
from specops.spectra.sources import Item, Source, pixels_of

BLOCK = 256  # images that are summed by themselves
MOST_VALUES = 2**22  # of a chunk: 16 MB


@dataclass(frozen=True)
class Framing:
    """What is done to pictures so that all have one size: nothing, a centre square, or resampling to a square.

    Attributes:
        side: of the square, in pixels; None leaves pictures as they are.
        resample: whether the whole centre square is resampled to that side, rather than cropped.
        value_range: of floating-point values.
    """

    side: int | None = None
    resample: bool = False
    value_range: tuple[float, float] = (-1, 1)

    def applied(self, item: Item) -> Picture:
        """Returns the picture of an item; raises UnreadableError."""
        content = item.content
        if isinstance(content, (Path, bytes)):
            picture = pixels.read_picture(content, self.value_range)
        else:
            taken = pixels_of(content, self.value_range)
            notes = pixels.notes_of(content, self.value_range) if content.dtype.kind == "f" else ()
            picture = Picture(taken, Traits(str(content.dtype), None, taken.shape[1:], tuple(notes)))
        if self.side is None:
            return picture
        frame = pixels.resized if self.resample else pixels.centre
        return Picture(frame(picture.pixels, self.side), picture.traits)


def size_of_item(item: Item) -> tuple[int, int]:
    """Returns (H, W) of a picture from its header; raises UnreadableError."""
    content = item.content
    if isinstance(content, (Path, bytes)):
        return pixels.size_of(content)
    shape = content.shape
    if len(shape) == 2:
        return shape[0], shape[1]
    return (shape[1], shape[2]) if shape[0] in (1, 3) else (shape[0], shape[1])


@dataclass
class Images:
    """Pictures of one number of channels and one type of pixels: `pixels` [n, C, H, W], and the number of each."""

    numbers: list[int]
    pixels: Tensor

    def values(self, device: str, room: Tensor) -> Tensor:
        """Returns the pixels on a device as values in [-1, 1], float32 [n, C, H, W].

        `room` is memory that is used again, where it has enough: new pages cost as much as the transform.
        """
        moved = self.pixels.to(device)
        if moved.dtype != torch.uint8:
            return moved
        enough = moved.numel() <= room.numel() and room.device == moved.device
        values = room[: moved.numel()].view(moved.shape).copy_(moved) if enough else moved.float()
        return values.div_(127.5).sub_(1)


@dataclass
class Chunk:
    """Consecutive pictures of a set.

    Attributes:
        names: of all items, by number.
        images: of those that were read.
        traits: of those, by number.
        skipped: reasons, by number.
    """

    names: dict[int, str] = field(default_factory=dict)
    images: list[Images] = field(default_factory=list)
    traits: dict[int, Traits] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


def chunk_of(items: list[tuple[int, Item]], framing: Framing, size: tuple[int, int]) -> Chunk:
    """Returns the decoded pictures of some items; those that cannot be read, or have another size, are skipped."""
    chunk = Chunk()
    decoded: dict[tuple[int, str], dict[int, Pixels]] = {}
    for number, item in items:
        chunk.names[number] = item.name
        try:
            picture = framing.applied(item)
            channels, *own_size = picture.pixels.shape
            if tuple(own_size) != size:
                found, others = (f"{height} x {width}" for height, width in (own_size, size))
                raise UnreadableError(f"it has {found} pixels, where the others have {others}")
        except UnreadableError as error:
            chunk.skipped[number] = str(error)
            continue
        decoded.setdefault((channels, picture.pixels.dtype.name), {})[number] = picture.pixels
        chunk.traits[number] = picture.traits
    for pixels_by_number in decoded.values():
        stacked = torch.from_numpy(np.stack(list(pixels_by_number.values())))
        chunk.images.append(Images(list(pixels_by_number), stacked))
    return chunk


@dataclass(frozen=True)
class Part:
    """Which items of a set a process takes: from `start` on, of every `count` blocks the one at `rank`."""

    start: int = 0
    limit: int | None = None
    rank: int = 0
    count: int = 1

    def of(self, source: Source) -> Iterator[tuple[int, Item]]:
        for number, item in source.items(self.limit, self.start):
            if (number - self.start) // BLOCK % self.count == self.rank:
                yield number, item


class _Chunks(IterableDataset[Chunk | str]):
    """The chunks of a part of a set, of which each worker decodes its share; last, why the set cannot be read on."""

    def __init__(self, source: Source, framing: Framing, size: tuple[int, int], part: Part, batch: int) -> None:
        self.source, self.framing, self.size, self.part, self.batch = source, framing, size, part, batch

    def __iter__(self) -> Iterator[Chunk | str]:
        try:
            yield from self._chunks()
        except InputError as error:  # an exception would arrive with the worker's traceback in it
            yield str(error)

    def _chunks(self) -> Iterator[Chunk]:
        worker = get_worker_info()
        own, every = (worker.id, worker.num_workers) if worker else (0, 1)
        grouped = itertools.groupby(self.part.of(self.source), key=lambda numbered: self._chunk_of(numbered[0]))
        for turn, (_, items) in enumerate(grouped):
            if turn % every == own:
                yield chunk_of(list(items), self.framing, self.size)

    def _chunk_of(self, number: int) -> tuple[int, int]:
        """The block of an item, and the chunk in it."""
        return number // BLOCK, number % BLOCK // self.batch


def chunks(
    source: Source, framing: Framing, size: tuple[int, int], part: Part, workers: int, batch: int | None = None
) -> Iterator[Chunk]:
    """Yields the chunks of a part of a set in their order, decoded by so many processes; 0 is this one.

    `batch` pictures make a chunk, or as many as MOST_VALUES lets. Raises InputError where the set cannot be read on.
    """
    loader = DataLoader(
        _Chunks(source, framing, size, part, batch or chunk_size(size)),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_begin_worker,
    )
    try:
        with without_interruption():
            reader = iter(loader)
        for made in reader:
            if isinstance(made, str):
                raise InputError(made)
            yield made
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise CutOffError(f"a process that decodes pictures was ended from outside: {first_line(error)}") from error


@contextmanager
def without_interruption() -> Iterator[None]:
    """Holds Ctrl-C back: a loader that is half made complains when it is deleted.

    Processes that begin inside know nothing of it; they end with this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        signal.raise_signal(signal.SIGINT)


def _begin_worker(number: int) -> None:
    map_large_pieces(False)


def chunk_size(size: tuple[int, int]) -> int:
    """Returns how many pictures of a size are decoded together, of three channels each."""
    return min(BLOCK, max(1, MOST_VALUES // (3 * size[0] * size[1])))
