"""The page that compares the radial spectra of sets of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import specops
from specops import geometry
from specops.report.figures import DASHES, ThemedFigure, add_grid, new_figure, style_axes, themed
from specops.report.files import write_atomically
from specops.report.pages import page
from specops.report.palette import Theme
from specops.report.tables import aligned, cell
from specops.spectra.sources import InputError, centre_square, pictures, set_names, shorter_side
from specops.spectra.statistics import FloatArray, ImageSpectra, band_errors, density, relative_error

SMALLEST_SIDE = 8
_TEMPLATE = Path(__file__).parent / "templates" / "spectrum.html.jinja"
_LINE_STYLES = ("-", "--", ":", "-.")

Line = tuple[FloatArray, FloatArray]
"""Values `[K]`, and a standard deviation of them as a factor `[K]`."""


def write_spectrum_report(sources: Sequence[Path], out: Path, *, size: int | None = None) -> str:
    """Writes the page to `out` in one step and returns its table as text.

    Args:
        sources: pictures and folders of pictures (not recursive); each is a set of its own.
        out: the HTML file.
        size: side of the centre square that is cut from every picture; the largest that all have if None. Nothing is
            resampled, which would change the spectra.

    Raises:
        InputError: a source is missing, empty, broken or too small, or `out` cannot be written.
    """
    sets = {source: pictures(source) for source in dict.fromkeys(sources)}
    smallest, path = min((shorter_side(path), path) for paths in sets.values() for path in paths)
    side = size or smallest
    if side < SMALLEST_SIDE or side > smallest:
        raise InputError(f"{path} has a side of {smallest} pixels; at least {max(side, SMALLEST_SIDE)} are needed")
    spectra = [
        ImageSpectra(name, np.stack([density(centre_square(path, side)) for path in paths]))
        for name, paths in zip(set_names(list(sets)), sets.values(), strict=True)
    ]
    try:
        write_atomically(out, render(spectra, side).encode())
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    return _table(spectra, side)


def render(spectra: Sequence[ImageSpectra], side: int) -> str:
    """Returns the self-contained page on `spectra` of squares of `side` pixels."""
    return page(
        _TEMPLATE,
        spectra=spectra,
        side=side,
        errors=_errors(spectra, side),
        density=themed(_density, spectra, side, description="Spectral density over frequency"),
        ratio=_themed_ratio(spectra, side) if len(spectra) > 1 else None,
        version=specops.__version__,
    )


def _themed_ratio(spectra: Sequence[ImageSpectra], side: int) -> ThemedFigure:
    return themed(_ratio, spectra, side, description="Density ratio over frequency")


def _density(spectra: Sequence[ImageSpectra], side: int, theme: Theme) -> Figure:
    figure = _figure(spectra, [(each.mean, each.factor) for each in spectra], side, theme)
    figure.axes[0].set_ylabel("Spectral density")
    return figure


def _ratio(spectra: Sequence[ImageSpectra], side: int, theme: Theme) -> Figure:
    reference = spectra[0].mean
    with np.errstate(divide="ignore", invalid="ignore"):
        lines = [(each.mean / reference, each.factor) for each in spectra]
    figure = _figure(spectra, lines, side, theme)
    figure.axes[0].set_ylabel(f"Density / that of {spectra[0].name}")
    return figure


def _figure(spectra: Sequence[ImageSpectra], lines: Sequence[Line], side: int, theme: Theme) -> Figure:
    """Lines with their bands over frequency, without the mean of the image."""
    figure = new_figure(4.6, 3.6, theme)
    axes = figure.subplots()
    lines = [(np.where((line > 0) & np.isfinite(line), line, np.nan)[1:], factor[1:]) for line, factor in lines]
    for index, (each, (line, factor)) in enumerate(zip(spectra, lines, strict=True)):
        x, color = np.arange(1, len(line) + 1) / side, theme.series[index % len(theme.series)]
        axes.fill_between(x, line / factor, line * factor, color=color, alpha=0.16, linewidth=0)
        style = _LINE_STYLES[index // len(theme.series) % len(_LINE_STYLES)]
        axes.plot(x, line, color=color, linestyle=style, linewidth=1.7, label=each.name)
    axes.axvline(0.5, color=theme.faint, linewidth=1, linestyle=DASHES)
    if any(np.nanmax(line, initial=0) > 0 for line, _ in lines):  # an empty spectrum has no logarithm
        axes.set_yscale("log")
    axes.set_xlim(0, np.sqrt(0.5))
    axes.set_xlabel("Frequency / cycles per pixel")
    add_grid(axes, theme, legend="lower left")
    style_axes(axes, theme)
    return figure


def _table(spectra: Sequence[ImageSpectra], side: int) -> str:
    rows: list[tuple[str, ...]] = [("set", "images", *geometry.BANDS)]
    for each, errors in zip(spectra, _errors(spectra, side), strict=True):
        rows.append((each.name, str(len(each.profiles)), *(cell(error, "+.3f") for error in errors.values())))
    return aligned(rows)


def _errors(spectra: Sequence[ImageSpectra], side: int) -> list[dict[str, float]]:
    """The errors of the bands of each set against the first."""
    return [band_errors(relative_error(each.mean, spectra[0].mean), side) for each in spectra]
