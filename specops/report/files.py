"""Files that are either old or new, never half written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PARTIAL = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces the file at `path` by `content` in one step.

    The bytes go to a hidden file in the same folder, reach the disk, and only then take the name: a process killed at
    any moment leaves the old file or the new one. A leftover of a killed writer is overwritten by the next.
    """
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    with open(partial, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
    _sync_folder(path.parent)


def is_partial(path: Path) -> bool:
    """Returns whether `path` is what a killed `write_atomically` left behind."""
    return path.name.startswith(".") and path.name.endswith(_PARTIAL)


def _sync_folder(folder: Path) -> None:
    # The rename lives in the folder, which has its own cache; not every system lets a folder be opened.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
