"""The page on several runs that make images like given ones: GANs of photographs, of planar cosines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from specops.report.figures import data_url, themed
from specops.report.pages import clamped_percent
from specops.report.palette import LIGHT, Theme
from studies.core.record.folder import Config
from studies.core.record.results import RunResult

from .figures import Curve, curves, density_limits, density_ratio, error_evolution, picture_png, spectrum
from .numbers import final_numbers, heads_of, numbers_of, table
from .pages import Draw, themed_each, write_figures, write_page
from .reading import read_bands

_TEMPLATE = Path(__file__).parent / "templates" / "comparison.html.jinja"
_MEASURES = {"leakage": "Leakage", "detectability": "Detectability", "swd": "10³ SWD"}


def measure_curves(results: Sequence[RunResult], theme: Theme = LIGHT, *, column: str) -> Figure:
    """One measure over training, a line per run."""
    scale = 1000 if column == "swd" else 1
    histories = [(each, each.history) for each in results]
    drawn = [Curve(each.title, of.steps, scale * of.column(column), each.color, each.of) for each, of in histories]
    return curves(drawn, theme, name=_MEASURES[column])


FIGURES: dict[str, Draw] = {
    "spectrum": spectrum,
    "spectrum_error": error_evolution,
    "density_ratio": density_ratio,
    **{column: partial(measure_curves, column=column) for column in _MEASURES},
}


def write_comparison(
    folder: Path, heading: str, results: Sequence[RunResult], config: Config, differing: Mapping[str, Sequence[str]]
) -> None:
    """Write report.html, and the figures as PNG and SVG.

    `config` is what the records of all runs share; `differing` has a value per run for each other setting.
    """
    write_figures(folder, FIGURES, results)
    numbers = [final_numbers(result.history.rows[-1]) for result in results]
    write_page(
        folder,
        _TEMPLATE,
        config,
        heading=heading,
        results=results,
        comparison=read_comparison(results),
        seen=[(result.title, read_run(result)) for result in results],
        differing=differing,
        heads=heads_of(numbers),
        numbers=numbers,
        pictures=[_pictures(result) for result in results],
        ratio=themed(density_ratio, results, description="Generated over real spectral density by frequency"),
        measures=[
            themed(FIGURES[column], results, description=f"{name} over training") for column, name in _MEASURES.items()
        ],
        spectra=themed_each(partial(spectrum, limits=density_limits(results)), results, "Radial spectrum"),
        errors=themed_each(error_evolution, results, "Spectrum error"),
    )


def _pictures(result: RunResult) -> list[tuple[str, str]]:
    """Captions and data URLs of real and generated images."""
    shown = {"real images": result.real_pictures, "generated images": result.last_pictures}
    return [(name, data_url(picture_png(pictures), "png")) for name, pictures in shown.items()]


def format_table(results: Sequence[RunResult]) -> str:
    """Final numbers of all runs as aligned text, in the units of the page."""
    return table({result.title: numbers_of(result.history.rows[-1]) for result in results})


def read_run(result: RunResult) -> list[str]:
    """Sentences on one run."""
    right = 100 * result.history.rows[-1]["detectability"]
    return [
        f"Frequencies against real images: {read_bands(result.errors)}.",
        f"A linear classifier of radial profiles tells {right:.0f} % of images right, of which 50 % would be chance.",
    ]


def read_comparison(results: Sequence[RunResult]) -> list[str]:
    """Sentences on how several runs differ."""
    nearest = min(results, key=lambda result: abs(result.errors["high"]))
    rows = {result.title: result.history.rows[-1] for result in results}
    measures = ("detectability", "leakage", "swd")
    (hardest, _), (concentrated, leakage), (closest, distance) = (
        min(((title, row[name]) for title, row in rows.items()), key=lambda pair: pair[1]) for name in measures
    )
    return [
        f"In the high band, {nearest.title} is nearest to real images ({clamped_percent(nearest.errors['high'])}).",
        _read_classifier(hardest, [row["detectability"] for row in rows.values()]),
        f"{concentrated} has the least power at wrong frequencies, {100 * leakage:.1f} %.",
        f"{closest} has the smallest distance between patches, {1000 * distance:.1f}.",
    ]


def _read_classifier(hardest: str, accuracies: Sequence[float]) -> str:
    """A sentence on how well a linear classifier tells samples of each run, and those of the hardest."""
    least, most = (f"{100 * accuracy:.0f} %" for accuracy in (min(accuracies), max(accuracies)))
    if least == most:
        return f"A linear classifier is right in {least} of images of any of the runs."
    return f"{hardest} is the hardest to tell from them: a linear classifier is right in {least}, else in up to {most}."
