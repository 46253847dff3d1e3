"""The report of one or several runs of a testbed: a single HTML file, and its figures as files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from specops.report.figures import data_url, themed
from specops.report.files import write_atomically
from studies.core.record.folder import TARGET_PICTURE, Config
from studies.core.record.results import RunResult
from studies.core.report.figures import density_limits, density_ratio, error_evolution, picture_png, spectrum
from studies.core.report.pages import Draw, figure_files, themed_each, write_figures, write_page, write_pictures

from .figures import animation_webp, evolution, psnr, tiles
from .reading import WORDINGS, read_comparison, read_run
from .summary import summarise

AVERAGE_PICTURE = "average.png"
ANIMATION = "evolution.webp"
FIGURES: dict[str, Draw] = {
    "evolution": evolution,
    "spectrum": spectrum,
    "spectrum_error": error_evolution,
    "density_ratio": density_ratio,
    "psnr": psnr,
}
FILES = (AVERAGE_PICTURE, ANIMATION, *figure_files(FIGURES))
"""Files beside those that every run writes."""

_TEMPLATE = Path(__file__).parent / "templates" / "report.html.jinja"


def write_report(
    folder: Path,
    results: Sequence[RunResult],
    config: Config,
    *,
    differing: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write report.html, the figures as PNG and SVG and the animation to `folder`; for one run, also its pictures.

    `config` is the record that the report ends with; `differing`, for runs that are not one experiment, the names of
    settings in which they differ, with a value per run.
    """
    write_figures(folder, FIGURES, results)
    animation = animation_webp(results)
    write_atomically(folder / ANIMATION, animation)
    if len(results) == 1:
        write_pictures(folder, results[0])
        if results[0].average_pictures is not None:
            write_atomically(folder / AVERAGE_PICTURE, picture_png(results[0].average_pictures))
    else:
        write_atomically(folder / TARGET_PICTURE, picture_png(results[0].real_pictures))
    draw_spectrum = partial(spectrum, limits=density_limits(results))
    write_page(
        folder,
        _TEMPLATE,
        config,
        results=results,
        testbed=results[0].testbed,
        wording=WORDINGS[results[0].testbed],
        comparison=read_comparison(results),
        groups=summarise(results),
        seen=[(result.title, read_run(result)) for result in results],
        strips=[_strip(result) for result in results],
        spectra=themed_each(draw_spectrum, results, "Reduced spectrum"),
        errors=themed_each(error_evolution, results, "Spectrum error"),
        ratio=themed(density_ratio, results, description="Generated over real spectral density by frequency"),
        psnr=themed(psnr, results, description="PSNR over training"),
        animation=data_url(animation, "webp"),
        differing=differing,
    )


def _strip(result: RunResult) -> list[tuple[str, str]]:
    """Captions and data URLs of the target and its reconstructions."""
    return [(caption, data_url(picture_png(pictures[:1]), "png")) for caption, pictures in tiles(result).items()]
