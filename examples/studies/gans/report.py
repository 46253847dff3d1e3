"""The report of a run: one self-contained page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib.figure
import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from studies.core.evaluation import BANDS
from studies.core.files import write_atomically
from studies.core.record import folder as run_folder
from studies.core.record.records import shown
from studies.core.record.results import RunResult
from studies.core.report import plots
from studies.core.report.page import data_url, page, themed
from studies.core.report.plots import LIGHT, SMALL, Theme, new_figure, style_axes
from studies.core.report.reading import BAND_NAMES, clamped_percent, judge

from .run import GanRun

_TEMPLATE = Path(__file__).parent / "templates" / "gan.html.jinja"
_ACROSS = 8
"""Samples in a row of a picture."""


def samples_png(pictures: Tensor) -> bytes:
    """8-bit `pictures [n, 3, N, N]` as a grid of eight across, one image pixel per pixel."""
    rows = [torch.cat(list(row), dim=-1) for row in pictures.split(_ACROSS) if len(row) == min(_ACROSS, len(pictures))]
    return plots.picture_png(torch.cat(rows, dim=-2)[None])


def measures(results: Sequence[RunResult], theme: Theme = LIGHT) -> matplotlib.figure.Figure:
    """Sliced Wasserstein distance, leakage and detectability over training."""
    return _curves(results[0], {"swd": "SWD", "leakage": "Leakage", "detectability": "Detectability"}, theme)


def loss_curves(results: Sequence[RunResult], theme: Theme = LIGHT) -> matplotlib.figure.Figure:
    """Losses over training, each the mean since the evaluation before."""
    columns = results[0].history.columns
    names = [name for name in columns if name.startswith("loss") or name == "penalty"]
    return _curves(results[0], {name: name.replace("_", " ") for name in names}, theme)


_DRAWN: dict[str, Callable[..., matplotlib.figure.Figure]] = {
    "spectrum": plots.spectrum,
    "spectrum_error": plots.error_evolution,
    "density_ratio": plots.density_ratio,
    "measures": measures,
    "losses": loss_curves,
}

FIGURES = tuple(f"{name}.{suffix}" for name in _DRAWN for suffix in ("png", "svg"))
"""Files beside those that every run writes."""


def result_of(run: GanRun) -> RunResult:
    """What the figures are drawn from."""
    return RunResult(
        mode=run.settings.title,
        title=run.settings.title,
        resolution=run.settings.resolution,
        real=run.real_spectrum,
        real_pictures=run.real_pictures,
        history=run.history,
        testbed=run.testbed,
    )


def write_report(folder: Path, result: RunResult, settings: run_folder.Config) -> None:
    """Write report.html, the figures as PNG and SVG, and the pictures of real images and samples."""
    for name, draw in _DRAWN.items():
        figure = draw([result])
        write_atomically(folder / f"{name}.png", plots.png(figure))
        write_atomically(folder / f"{name}.svg", plots.svg(figure))
    last = result.history.pictures[result.history.steps[-1]]
    write_atomically(folder / run_folder.TARGET_PICTURE, samples_png(result.real_pictures))
    write_atomically(folder / run_folder.GENERATED_PICTURE, samples_png(last))
    write_atomically(folder / run_folder.REPORT, render(result, settings).encode())


def render(result: RunResult, settings: run_folder.Config) -> str:
    """The report as one self-contained HTML page."""
    limits = plots.density_limits([result])
    draw: dict[str, Callable[..., matplotlib.figure.Figure]] = {
        **_DRAWN,
        "spectrum": partial(plots.spectrum, limits=limits),
    }
    pictures = {"held-out real images": result.real_pictures}
    pictures |= {f"step {step:,}": shown for step, shown in plots.snapshots(result).items()}
    return page(
        _TEMPLATE,
        result=result,
        bands=BANDS,
        row=result.history.rows[-1],
        levels=[name for name in result.history.columns if name.startswith("swd_")],
        reading=_read(result),
        pictures=[(caption, data_url(samples_png(shown), "png")) for caption, shown in pictures.items()],
        figures={name: themed(function, [result], name.replace("_", " ")) for name, function in draw.items()},
        settings=shown(settings),
    )


def format_row(row: Mapping[str, float]) -> str:
    """Final numbers as aligned text."""
    shown = {name: value for name, value in row.items() if name not in ("step", "seconds")}
    width = max(map(len, shown))
    return "\n".join(f"{name.ljust(width)}  {value:+.4g}" for name, value in shown.items())


def _read(result: RunResult) -> list[str]:
    """Sentences on the run."""
    row = result.history.rows[-1]
    bands = [f"{BAND_NAMES[band]} {judge(error)} ({clamped_percent(error)})" for band, error in result.errors.items()]
    return [
        f"Frequencies against held-out real images: {', '.join(bands)}.",
        f"A linear classifier of radial profiles tells {100 * row['detectability']:.0f} % of images right, of which "
        "50 % would be chance.",
    ]


def _curves(result: RunResult, names: Mapping[str, str], theme: Theme) -> matplotlib.figure.Figure:
    figure = new_figure(4.6, 2.9, theme)
    axes = figure.subplots()
    steps = result.history.steps
    for (name, label), color in zip(names.items(), theme.series * 2, strict=False):
        marker = "o" if len(steps) == 1 else ""
        axes.plot(steps, result.history.column(name), color=color, marker=marker, linewidth=1.6, label=label)
    axes.set_xlabel("Training step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=theme.ink)
    style_axes(axes, theme)
    return figure
