"""Ratios of all claims as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt


def save_plot(path: Path, rows: list[dict[str, Any]], title: str) -> None:
    """One line per measured ratio with a must: bar, must and aim."""
    bounded = [row for row in rows if row.get("aim") and row["must"] <= 10]
    if not bounded:
        return
    figure, axes = plt.subplots(figsize=(9, 0.25 * len(bounded) + 1.2), layout="constrained")
    places = range(len(bounded))
    colors = ["tab:red" if row["verdict"] == "missed" else "tab:blue" for row in bounded]
    axes.barh(places, [row["ratio"] for row in bounded], color=colors, height=0.6)
    axes.scatter([row["must"] for row in bounded], places, marker="|", color="black", s=80, label="must")
    axes.scatter([row["aim"] for row in bounded], places, marker="|", color="gray", s=80, label="aim")
    axes.set_yticks(places, [f"{row['claim']}, {row['case']}" for row in bounded], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("our time / peer's time (less is better)")
    axes.set_title(title, fontsize=8)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
