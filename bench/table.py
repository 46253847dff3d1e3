"""Writes the rows of one machine as CSV: each row as it comes, the file's name once all are there; and draws them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COLORS = {"": "tab:blue", "cpp": "tab:blue", "cuda": "tab:green", "triton": "tab:orange"}
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
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


def save_plot(source: Path, path: Path) -> None:
    """Writes a picture of the rows that are a ratio of two times; writes none where no row is one.

    A line for each claim, a dot for each case, a tick for each bound.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    machine = source.read_text().partition("\n")[0].removeprefix("# ")
    rows = [row for row in read(source) if row["ratio"] and float(row["must"] or 1) <= 10]
    if not rows:
        return
    places = {claim: place for place, claim in enumerate(dict.fromkeys(row["claim"] for row in rows))}
    figure, axes = plt.subplots(figsize=(9, 0.22 * len(places) + 1.3), layout="constrained")
    for backend in dict.fromkeys(row["backend"] for row in rows):
        dots = [row for row in rows if row["backend"] == backend]
        x, y = [float(row["ratio"]) for row in dots], [places[row["claim"]] for row in dots]
        axes.scatter(x, y, s=14, alpha=0.8, color=COLORS[backend], label=backend or "specops")
    for bound, color in (("must", "black"), ("aim", "gray")):
        ticks = [row for row in rows if row[bound]]
        if ticks:
            x, y = [float(row[bound]) for row in ticks], [places[row["claim"]] for row in ticks]
            axes.scatter(x, y, marker="|", color=color, s=80, label=bound)
    axes.axvline(1, color="lightgray", zorder=0)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, list(map(str, TICKS)))
    axes.minorticks_off()
    axes.set_yticks(list(places.values()), list(places), fontsize=7)
    axes.invert_yaxis()
    axes.grid(axis="y", color="whitesmoke")
    axes.set_xlabel("our time / peer's time: left of 1 is faster")
    axes.set_title(machine, fontsize=8)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
