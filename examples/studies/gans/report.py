"""The report of a run: one self-contained page, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from specops.report.figures import data_url, themed
from specops.report.palette import LIGHT, Theme
from specops.report.tables import aligned
from studies.core.record.folder import Config
from studies.core.record.results import RunResult
from studies.core.report.comparison import read_run
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
from studies.core.report.numbers import final_numbers, numbers_of
from studies.core.report.pages import Draw, figure_files, write_figures, write_page, write_pictures

_TEMPLATE = Path(__file__).parent / "templates" / "gan.html.jinja"


def measures(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Sliced Wasserstein distance, leakage and detectability over training."""
    return _columns(results[0], {"swd": "SWD", "leakage": "Leakage", "detectability": "Detectability"}, theme)


def loss_curves(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Losses over training, each the mean since the evaluation before."""
    names = {name: name.replace("_", " ") for name in _losses(results[0].history.columns)}
    return _columns(results[0], names, theme)


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
    write_pictures(folder, result)
    draw = FIGURES | {"spectrum": partial(spectrum, limits=density_limits([result]))}
    pictures = {"held-out real images": result.real_pictures}
    pictures |= {f"step {step:,}": shown for step, shown in snapshots(result).items()}
    write_page(
        folder,
        _TEMPLATE,
        config,
        result=result,
        numbers=final_numbers(result.history.rows[-1]),
        seen=[(result.title, read_run(result))],
        pictures=[(caption, data_url(picture_png(shown), "png")) for caption, shown in pictures.items()],
        figures={
            name: themed(function, [result], description=name.replace("_", " ")) for name, function in draw.items()
        },
    )


def format_row(row: Mapping[str, float]) -> str:
    """Final numbers as aligned text, in the units of the page."""
    losses = {name.replace("_", " "): f"{row[name]:.4g}" for name in _losses(row)}
    return aligned(list((losses | numbers_of(row)).items()))


def _losses(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name.startswith("loss") or name == "penalty"]


def _columns(result: RunResult, names: Mapping[str, str], theme: Theme) -> Figure:
    history = result.history
    drawn = [Curve(text, history.steps, history.column(name), at) for at, (name, text) in enumerate(names.items())]
    return curves(drawn, theme)
