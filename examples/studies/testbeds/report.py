"""The report of one or several runs: a single HTML file, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.figure

from studies.core.evaluation import BANDS
from studies.core.files import write_atomically
from studies.core.record import folder as run_folder
from studies.core.record.results import RunResult, summarise
from studies.core.report import plots
from studies.core.report.page import data_url, page, themed
from studies.core.report.reading import WORDINGS, read_comparison, read_run

_DRAW: dict[str, Callable[..., matplotlib.figure.Figure]] = {
    "evolution": plots.evolution,
    "spectrum": plots.spectrum,
    "spectrum_error": plots.error_evolution,
    "density_ratio": plots.density_ratio,
    "psnr": plots.psnr,
}

_TEMPLATE = Path(__file__).parent / "templates" / "report.html.jinja"

_ENCODERS = (plots.png, plots.svg)
"""Their names are the suffixes."""


def write_report(
    folder: Path,
    results: Sequence[RunResult],
    settings: Mapping[str, Any],
    *,
    differing: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write report.html, the figures as PNG and SVG and the animation to `folder`; for one run, also its pictures.

    `settings` are the name-value pairs shown at the end of the report; `differing`, for runs that are not one
    experiment, the names of those in which they differ, with a value per run.
    """
    for name, content in picture_files(results).items():
        write_atomically(folder / name, content)
    animation = plots.animation_webp(results)
    write_atomically(folder / run_folder.ANIMATION, animation)
    write_atomically(folder / run_folder.TARGET_PICTURE, plots.picture_png(results[0].real_pictures))
    if len(results) == 1:
        last = results[0].history.steps[-1]
        generated = plots.picture_png(results[0].history.pictures[last])
        write_atomically(folder / run_folder.GENERATED_PICTURE, generated)
        average = results[0].average_pictures
        if average is not None:
            write_atomically(folder / run_folder.AVERAGE_PICTURE, plots.picture_png(average))
    write_atomically(folder / run_folder.REPORT, render(results, settings, animation, differing=differing).encode())


def picture_files(results: Sequence[RunResult]) -> dict[str, bytes]:
    """Figures by file name."""
    figures = {name: _DRAW[name](results) for name in run_folder.PLOTS}
    return {f"{name}.{encode.__name__}": encode(figure) for name, figure in figures.items() for encode in _ENCODERS}


def render(
    results: Sequence[RunResult],
    settings: Mapping[str, Any],
    animation: bytes,
    *,
    differing: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The report as one self-contained HTML page; `animation` is its WebP file, the rest as in `write_report`."""
    draw_spectrum = partial(plots.spectrum, limits=plots.density_limits(results))
    return page(
        _TEMPLATE,
        results=results,
        testbed=results[0].testbed,
        wording=WORDINGS[results[0].testbed],
        bands=BANDS,
        comparison=read_comparison(results),
        groups=summarise(results),
        readings=[read_run(result) for result in results],
        strips=[_strip(result) for result in results],
        spectra=[themed(draw_spectrum, [result], f"Reduced spectrum, {result.title}") for result in results],
        errors=[themed(plots.error_evolution, [result], f"Spectrum error, {result.title}") for result in results],
        ratio=themed(plots.density_ratio, results, "Generated over real spectral density by frequency"),
        psnr=themed(plots.psnr, results, "PSNR over training"),
        animation=data_url(animation, "webp"),
        settings=settings,
        differing=differing,
    )


def _strip(result: RunResult) -> list[tuple[str, str]]:
    """Captions and data URLs of the target and its reconstructions."""
    tiles = plots.tiles(result).items()
    return [(caption, data_url(plots.picture_png(pictures[:1]), "png")) for caption, pictures in tiles]
