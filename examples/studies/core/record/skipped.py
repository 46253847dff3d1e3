"""Pictures that a run skips: told on the terminal, and listed in its folder."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from specops.report.files import write_atomically
from specops.spectra.sources import printable

from .folder import SKIPPED


class SkippedPictures:
    """The pictures that the run in `folder` skips, with those that an earlier call listed there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SKIPPED
        self._reasons: dict[str, str] = {}
        if self._path.exists():
            with self._path.open(newline="") as file:
                self._reasons = {row["picture"]: row["reason"] for row in csv.DictReader(file)}

    def add(self, reasons: Mapping[str, str]) -> None:
        """List those that are new, by name, and say so in one line on the terminal."""
        names = {name: printable(name) for name in reasons}
        new = {shown: reasons[name] for name, shown in names.items() if shown not in self._reasons}
        if not new:
            return
        self._reasons |= new
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([("picture", "reason"), *self._reasons.items()])
        write_atomically(self._path, stream.getvalue().encode())
        name, reason = next(iter(new.items()))
        count = "1 picture is" if len(new) == 1 else f"{len(new):,} pictures are"
        tqdm.write(f"{count} skipped, see {self._path}: {name}, {reason}", file=sys.stderr)
