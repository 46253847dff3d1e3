"""Pages of studies, and the files beside them: figures as PNG and SVG, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from specops.report import pages
from specops.report.figures import ThemedFigure, png, svg, themed
from specops.report.files import write_atomically
from studies.core.record import folder as run_folder
from studies.core.record.results import RunResult

from .figures import picture_png

Draw = Callable[..., Figure]
"""Called with results and, if it is not the light one, a theme."""

_TEMPLATES = Path(__file__).parent / "templates"
_ENCODERS = (png, svg)
"""Their names are the suffixes."""


def figure_files(figures: Mapping[str, Draw]) -> tuple[str, ...]:
    """Names of the files that `write_figures` writes."""
    return tuple(f"{name}.{encode.__name__}" for name in figures for encode in _ENCODERS)


def write_figures(folder: Path, figures: Mapping[str, Draw], results: Any) -> None:
    """Write each of the figures, drawn of `results`, as PNG and as SVG."""
    for name, draw in figures.items():
        figure = draw(results)
        for encode in _ENCODERS:
            write_atomically(folder / f"{name}.{encode.__name__}", encode(figure))


def write_pictures(folder: Path, result: RunResult, *, encode: Callable[[Tensor], bytes] = picture_png) -> None:
    """Write the real images and the last generated ones."""
    write_atomically(folder / run_folder.TARGET_PICTURE, encode(result.real_pictures))
    write_atomically(folder / run_folder.GENERATED_PICTURE, encode(result.last_pictures))


def write_page(
    folder: Path, template: Path, config: run_folder.Config, *, seen: Sequence[tuple[str, Sequence[str]]], **values: Any
) -> None:
    """Write report.html: `seen`, titles with their sentences, comes first, the record of the first run last."""
    text = pages.page(template, _TEMPLATES, settings=run_folder.shown(config), seen=seen, **values)
    write_atomically(folder / run_folder.REPORT, text.encode())


def themed_each(draw: Draw, results: Sequence[RunResult], name: str) -> list[ThemedFigure]:
    """The figure of each result alone."""
    return [themed(draw, [result], description=f"{name}, {result.title}") for result in results]
