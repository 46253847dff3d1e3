"""Draws the ratios of a file of rows: a line for each claim, a dot for each case, a tick for each bound."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from bench.table import read

COLORS = {"": "tab:blue", "cpp": "tab:blue", "cuda": "tab:green", "triton": "tab:orange"}
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


def save_plot(source: Path, path: Path) -> None:
    """Writes a picture of the rows that are a ratio of two times; writes none where no row is one."""
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
