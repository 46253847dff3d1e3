"""Writes the rows of one machine as CSV: each row as it comes, the file's name once all are there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COLUMNS = (
    *("claim", "case", "backend", "us", "peers us", "ratio", "ratio of medians", "must", "aim", "verdict"),
    *("ns per pixel", "GB/s", "share of copy", "value", "allowed"),
)


def read(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a file whose first line is the machine."""
    return list(csv.DictReader(path.read_text().splitlines()[1:]))


class Table:
    """Rows in a file whose name ends in .part until all rows are there.

    Args:
        path: the file with all rows.
        machine: its first line, which names the machine and the code.
        resume: whether to keep the rows of an earlier run with the same first line; a line that was cut off is dropped.
    """

    def __init__(self, path: Path, machine: str, resume: bool) -> None:
        self.path, self.partial, self.machine = path, path.with_suffix(".part"), machine
        header = f"# {machine}\n{','.join(COLUMNS)}\n"
        begun = self.partial.read_text() if resume and self.partial.exists() else ""
        whole = begun[: begun.rfind("\n") + 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        self.partial.write_text(whole if whole.startswith(header) else header)

    def rows(self) -> list[dict[str, str]]:
        """Returns the rows that are there so far."""
        return read(self.partial)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends rows; columns that a row lacks are empty."""
        with self.partial.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerows(rows)

    def finish(self) -> Path:
        """Gives the file its name, and returns it."""
        return self.partial.replace(self.path)
