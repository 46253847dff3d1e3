"""Sets of pictures: folders, archives, arrays and single files, in an order that does not depend on the file system."""

from __future__ import annotations

import functools
import hashlib
import os
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from specops.spectra.errors import InputError
from specops.spectra.pixels import SUFFIXES, Pixels, UnreadableError, from_floats, from_integers

__all__ = [
    "SUFFIXES",
    "InputError",
    "Item",
    "Source",
    "UnreadableError",
    "fingerprint",
    "printable",
    "set_names",
    "source_of",
]

_ARRAYS = (".npy", ".npz")
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError)
"""What archives raise of a member that is broken, encrypted or packed in a way that they do not know."""


@dataclass(frozen=True)
class Item:
    """One picture of a set: its name in the set, and where it is, what it is, or how it is read from its archive."""

    name: str
    origin: Path | NDArray[Any] | Callable[[], bytes]

    @property
    def content(self) -> Path | bytes | NDArray[Any]:
        """Its file, the bytes of one, or an image; raises UnreadableError."""
        if not callable(self.origin):
            return self.origin
        try:
            return self.origin()
        except _BROKEN as error:
            raise UnreadableError(f"its archive cannot be read: {' '.join(str(error).split())}") from error


class Source(ABC):
    """A set of pictures, whose items come in the same order at any time.

    That of names in folders, zip archives and .npz files, their own in tar archives and arrays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def __iter__(self) -> Iterator[Item]: ...

    def items(self, limit: int | None, start: int = 0) -> Iterator[tuple[int, Item]]:
        """Yields the first `limit` items with their numbers, from the number `start` on."""
        return islice(enumerate(islice(iter(self), limit)), start, None)

    def count(self, limit: int | None) -> int | None:
        """Returns how many of the first `limit` items there are; None where all would have to be read for that."""
        return sum(1 for _ in self.items(limit))


class Files(Source):
    """A picture, or the pictures below a folder; links are followed, hidden files and folders left out."""

    def __init__(self, path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
        super().__init__(path)
        self.suffixes = suffixes

    def __iter__(self) -> Iterator[Item]:
        if not self.path.is_dir():
            yield Item(self.path.name, self.path)
            return
        for path in walked(self.path, self.suffixes):
            yield Item(os.path.relpath(path, self.path), path)


def walked(
    folder: Path, suffixes: Sequence[str] = SUFFIXES, above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[Path]:
    """Yields the files below a folder with one of the suffixes, by name; a link to a folder above it is left out."""
    try:
        status = folder.stat()
        own = (status.st_dev, status.st_ino)
        names = () if own in above else _names(folder, tuple(suffixes))
    except OSError as error:
        if above:
            yield folder  # which cannot be read as a picture either: it is skipped with its reason
            return
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    for packed in names:
        name = os.fsdecode(packed)
        if name.endswith("/"):
            yield from walked(folder / name, suffixes, above | {own})
        else:
            yield folder / name


def _names(folder: Path, suffixes: tuple[str, ...]) -> NDArray[np.bytes_]:
    """The names in a folder that are not hidden, by their bytes: of pictures, and of folders with a slash behind.

    As an array, since ten million strings take a gigabyte.
    """

    def found() -> Iterator[bytes]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    yield os.fsencode(entry.name) + b"/"
                elif entry.name.lower().endswith(suffixes):
                    yield os.fsencode(entry.name)

    longest = max(map(len, found()), default=1)
    names = np.fromiter(found(), f"S{longest}")
    names.sort()
    return names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


class Zip(Source):
    """The pictures in a zip archive."""

    def __iter__(self) -> Iterator[Item]:
        try:
            archive = zipfile.ZipFile(self.path)  # open as long as an item is to be read
        except _BROKEN as error:
            raise InputError(f"{self.path} is no zip archive: {error}") from error
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if is_picture(info.filename) and not info.is_dir():
                yield Item(info.filename, functools.partial(archive.read, info))


class Tar(Source):
    """The pictures in a tar archive; those of a compressed one are read as they come."""

    @property
    def _packed(self) -> bool:
        return not self.path.name.lower().endswith(".tar")

    def count(self, limit: int | None) -> int | None:
        return None if self._packed else super().count(limit)

    def __iter__(self) -> Iterator[Item]:
        packed = self._packed
        try:
            with tarfile.open(self.path, "r|*" if packed else "r:") as archive:
                while (info := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # which it would collect
                    if not (info.isfile() and is_picture(info.name)):
                        continue
                    read = functools.partial(_span, self.path, info.offset_data, info.size)
                    stream = archive.extractfile(info) if packed else None
                    yield Item(info.name, functools.partial(bytes, stream.read()) if stream else read)
        except _BROKEN as error:
            raise InputError(f"{self.path} is broken or no tar archive: {error}") from error


def _span(path: Path, start: int, size: int) -> bytes:
    """The bytes of a part of a file."""
    with open(path, "rb") as stream:
        stream.seek(start)
        return stream.read(size)


class Arrays(Source):
    """The images of a .npy file, or of the arrays of an .npz file in the order of their names, one after the other."""

    def __iter__(self) -> Iterator[Item]:
        try:
            if self.path.name.lower().endswith(".npy"):
                array = np.load(self.path, mmap_mode="r", allow_pickle=False)
                check_array(self.path, array.shape, array.dtype)
                yield from (Item(str(number), image) for number, image in enumerate(array))
                return
            with zipfile.ZipFile(self.path) as archive:
                for name in sorted(archive.namelist()):
                    with archive.open(name) as stream:
                        images = _streamed(self.path, stream)
                        yield from (Item(f"{name.removesuffix('.npy')}/{i}", image) for i, image in enumerate(images))
        except (*_BROKEN, ValueError) as error:
            raise InputError(f"{self.path} cannot be read: {' '.join(str(error).split())}") from error


def _streamed(path: Path, stream: IO[bytes]) -> Iterator[NDArray[Any]]:
    """The images of a stored array, of which one is in memory at a time."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = header(stream)
    check_array(path, shape, dtype)
    if by_columns:
        raise ValueError("an array is stored by columns; save numpy.ascontiguousarray of it")
    size = dtype.itemsize * int(np.prod(shape[1:]))
    for _ in range(shape[0]):
        yield np.frombuffer(stream.read(size), dtype).reshape(shape[1:])


def check_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raises InputError unless an array has images [n, H, W], [n, C, H, W] or [n, H, W, C] of a type that is taken."""
    if not (len(shape) == 3 or (len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3)))):
        raise InputError(
            f"{path} must hold images [n, H, W], [n, C, H, W] or [n, H, W, C] with C of 1 or 3; got {list(shape)}"
        )
    if not (dtype.kind == "f" or (dtype.kind == "u" and dtype.itemsize <= 2)):
        raise InputError(f"{path} must hold uint8, uint16 or floating-point values; got {dtype}")


def pixels_of(image: NDArray[Any], value_range: tuple[float, float]) -> Pixels:
    """Returns an image [H, W], [C, H, W] or [H, W, C] as pixels [C, H, W]; floating-point ones lie in value_range."""
    if image.ndim == 2:
        image = image[None]
    elif image.shape[0] not in (1, 3):
        image = image.transpose(2, 0, 1)
    if image.dtype.kind == "f":
        return from_floats(image, value_range)
    return image if image.dtype == np.uint8 else from_integers(image, 65535)


def is_picture(name: str) -> bool:
    """Returns whether a name in an archive is that of a picture that is not hidden."""
    parts = Path(name).parts
    return name.lower().endswith(SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in parts)


def source_of(path: Path) -> Source:
    """Returns the set at a path; raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} does not exist")
    name = path.name.lower()
    if path.is_dir():
        return Files(path)
    if name.endswith(".zip"):
        return Zip(path)
    if name.endswith(_TARS):
        return Tar(path)
    if name.endswith(_ARRAYS):
        return Arrays(path)
    return Files(path)


def set_names(paths: Sequence[Path]) -> list[str]:
    """Returns the last part of each path, the whole path where two of those are the same, or a number with it.

    Example:
        >>> set_names([Path("/a/x"), Path("/b/x"), Path("/b/x")])
        ['/a/x', '/b/x', '/b/x (2)']
    """
    names = [printable(path.absolute().name or str(path)) for path in paths]
    if len(set(names)) < len(names):
        names = [printable(str(path)) for path in paths]
    return [f"{name} ({n})" if (n := names[: i + 1].count(name)) > 1 else name for i, name in enumerate(names)]


def printable(name: str) -> str:
    """Returns a name that any terminal and page can show: control characters and undecodable bytes as escapes.

    Example:
        >>> printable("写真\\n\\udcff")
        '写真\\\\n\\\\udcff'
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in name)


def fingerprint(source: Source, limit: int | None) -> str:
    """Returns a digest of the names, sizes and times of the items: another one where the set has changed."""
    digest = hashlib.sha256()
    if isinstance(source, Files):
        for _, item in source.items(limit):
            assert isinstance(item.origin, Path)
            digest.update(f"{item.name}\0{_stamp(item.origin)}\n".encode(errors="surrogateescape"))
    else:
        digest.update(f"{_stamp(source.path)}\0{limit}".encode())
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:  # a link to nowhere
        return str(error.errno)
    return f"{status.st_size} {status.st_mtime_ns}"
