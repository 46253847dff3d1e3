"""The report of one or several runs: a single HTML file, and its figures as PNG files beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from torch import Tensor

from . import plots, run_folder
from .evaluation import BANDS
from .files import write_atomically
from .reading import WORDINGS, clamped_percent, percent, read_comparison, read_run
from .results import RunResult


@dataclass(frozen=True)
class Figure:
    """A picture for light and for dark pages, as data URLs, with its description."""

    light: str
    dark: str
    description: str


def write_report(folder: Path, results: Sequence[RunResult], settings: Mapping[str, Any]) -> None:
    """Write report.html, the figures and, for one run, its pictures to `folder`.

    `settings` are the name-value pairs shown at the end of the report.
    """
    write_atomically(folder / run_folder.EVOLUTION_PLOT, plots.evolution_png(results))
    write_atomically(folder / run_folder.SPECTRUM_PLOT, plots.spectrum_png(results))
    write_atomically(folder / run_folder.ERROR_PLOT, plots.error_png(results))
    write_atomically(folder / run_folder.TARGET_PICTURE, plots.picture_png(results[0].real_pictures))
    if len(results) == 1:
        last = results[0].history.steps[-1]
        generated = plots.picture_png(results[0].history.pictures[last])
        write_atomically(folder / run_folder.GENERATED_PICTURE, generated)
    write_atomically(folder / run_folder.REPORT, render(results, settings).encode())


def render(results: Sequence[RunResult], settings: Mapping[str, Any]) -> str:
    """The report as one self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "clamped_percent": clamped_percent}
    spectrum_png = partial(plots.spectrum_png, limits=plots.density_limits(results))
    return environment.get_template("report.html.jinja").render(
        results=results,
        testbed=results[0].testbed,
        wording=WORDINGS[results[0].testbed],
        bands=BANDS,
        comparison=read_comparison(results),
        readings=[read_run(result) for result in results],
        strips=[_strip(result) for result in results],
        spectra=[_figure(spectrum_png, [result], f"Reduced spectrum, {result.title}") for result in results],
        errors=[_figure(plots.error_png, [result], f"Spectrum error, {result.title}") for result in results],
        psnr=_figure(plots.psnr_png, results, "PSNR over training"),
        settings=settings,
    )


def _figure(draw: Callable[..., bytes], results: Sequence[RunResult], description: str) -> Figure:
    light, dark = (_url(draw(results, theme)) for theme in (plots.LIGHT, plots.DARK))
    return Figure(light, dark, description)


def _strip(result: RunResult) -> list[tuple[str, str]]:
    """Captions and data URLs of the target and its reconstructions."""
    shown: dict[str, Tensor] = {"target": result.real_pictures}
    shown |= {f"step {step:,}": pictures for step, pictures in plots.snapshots(result).items()}
    return [(caption, _url(plots.picture_png(pictures[:1]))) for caption, pictures in shown.items()]


def _url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
