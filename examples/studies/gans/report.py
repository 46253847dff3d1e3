"""The report of a run: one self-contained page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from specops.report.figures import data_url, themed
from specops.report.palette import LIGHT, Theme
from specops.report.tables import aligned
from studies.core.record.folder import Config
from studies.core.record.results import RunResult
from studies.core.report.figures import (
    Curve,
    curves,
    density_limits,
    density_ratio,
    error_evolution,
    picture_png,
    snapshots,
    spectrum,
)
from studies.core.report.pages import Draw, figure_files, write_figures, write_page, write_pictures
from studies.core.report.reading import read_bands

_TEMPLATE = Path(__file__).parent / "templates" / "gan.html.jinja"
_ACROSS = 8
"""Samples in a row of a picture."""


def samples_png(pictures: Tensor) -> bytes:
    """8-bit `pictures [n, 3, N, N]` as a grid of eight across, one image pixel per pixel."""
    rows = [torch.cat(list(row), dim=-1) for row in pictures.split(_ACROSS) if len(row) == min(_ACROSS, len(pictures))]
    return picture_png(torch.cat(rows, dim=-2)[None])


def measures(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Sliced Wasserstein distance, leakage and detectability over training."""
    return _columns(results[0], {"swd": "SWD", "leakage": "Leakage", "detectability": "Detectability"}, theme)


def loss_curves(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Losses over training, each the mean since the evaluation before."""
    columns = results[0].history.columns
    names = [name for name in columns if name.startswith("loss") or name == "penalty"]
    return _columns(results[0], {name: name.replace("_", " ") for name in names}, theme)


FIGURES: dict[str, Draw] = {
    "spectrum": spectrum,
    "spectrum_error": error_evolution,
    "density_ratio": density_ratio,
    "measures": measures,
    "losses": loss_curves,
}
FILES = figure_files(FIGURES)
"""Files beside those that every run writes."""


def write_report(folder: Path, result: RunResult, config: Config) -> None:
    """Write report.html, the figures as PNG and SVG, and the pictures of real images and samples."""
    write_figures(folder, FIGURES, [result])
    write_pictures(folder, result, encode=samples_png)
    draw = FIGURES | {"spectrum": partial(spectrum, limits=density_limits([result]))}
    pictures = {"held-out real images": result.real_pictures}
    pictures |= {f"step {step:,}": shown for step, shown in snapshots(result).items()}
    write_page(
        folder,
        _TEMPLATE,
        config,
        result=result,
        row=result.history.rows[-1],
        levels=[name for name in result.history.columns if name.startswith("swd_")],
        seen=[(result.title, _read(result))],
        pictures=[(caption, data_url(samples_png(shown), "png")) for caption, shown in pictures.items()],
        figures={
            name: themed(function, [result], description=name.replace("_", " ")) for name, function in draw.items()
        },
    )


def format_row(row: Mapping[str, float]) -> str:
    """Final numbers as aligned text."""
    return aligned([(name, f"{value:+.4g}") for name, value in row.items() if name not in ("step", "seconds")])


def _read(result: RunResult) -> list[str]:
    """Sentences on the run."""
    told = 100 * result.history.rows[-1]["detectability"]
    return [
        f"Frequencies against held-out real images: {read_bands(result.errors)}.",
        f"A linear classifier of radial profiles tells {told:.0f} % of images right, of which 50 % would be chance.",
    ]


def _columns(result: RunResult, names: Mapping[str, str], theme: Theme) -> Figure:
    history = result.history
    drawn = [Curve(text, history.steps, history.column(name), at) for at, (name, text) in enumerate(names.items())]
    return curves(drawn, theme)
