"""The page on a run: what was found in words, then pictures and numbers."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

import specops
from specops.report.figures import ThemedFigure, data_url, png_of_pixels, themed
from specops.report.pages import page
from specops.report.palette import DARK, LIGHT, Theme
from specops.report.plots import looks, plot_plane, plot_spectra
from specops.spectra.bands import FloatArray
from specops.spectra.outcome import comparison
from specops.spectra.outcome.files import files_of
from specops.spectra.outcome.results import Results
from specops.spectra.sums import KEPT

TEMPLATE = Path(__file__).parent / "templates" / "spectrum.html.jinja"
MOST_PLANES = 8  # sets whose spectra over both frequencies are shown
PLANE_SIDE = 192  # coefficients of a drawn plane, at most


def render(results: Results) -> str:
    """Returns the self-contained page."""
    names = list(results.names)
    several, pairs = len(names) > 1, [looks(len(names), theme) for theme in (LIGHT, DARK)]
    return page(
        TEMPLATE,
        names=names,
        results=results,
        heading=results.headline,
        spectra=themed(_spectra, results, description=f"Radial spectra of {', '.join(names)}"),
        ratios=themed(_ratios, results, description=f"Their ratios to {names[0]}") if several else None,
        planes=[_planes(results, i) for i in range(min(len(names), MOST_PLANES))],
        strips=[strip(results.ratio(i)[0]) for i in range(len(names))],
        swatches=[_swatch(light, dark) for light, dark in zip(*pairs, strict=True)],
        files=[files_of(sums) for sums in results.sets],
        thumbnails=[[data_url(each.thumbnail, "jpeg") for each in seen.outliers] for seen in results.closeups],
        csv="data:text/csv;base64," + base64.b64encode(results.csv()).decode(),
        kept=KEPT,
        version=specops.__version__,
    )


def _spectra(results: Results, theme: Theme) -> Figure:
    lines = {name: (each.mean, each.low, each.high) for name, each in zip(results.names, results.spectra, strict=True)}
    return plot_spectra(results.spectra[0].frequency, lines, theme=theme, legend=False)


def _ratios(results: Results, theme: Theme) -> Figure:
    lines = {name: results.ratio(i) for i, name in enumerate(results.names)}
    return plot_spectra(results.spectra[0].frequency, lines, ratio=True, theme=theme, legend=False)


def _planes(results: Results, i: int) -> tuple[ThemedFigure, ThemedFigure | None]:
    """The mean log power of a set over both frequencies, and its difference from the reference's."""
    name, plane = results.names[i], comparison.log_plane(results.sets[i], results.measure)
    own = themed(_plane, pooled(plane), False, description=f"Mean log power of {name} over both frequencies")
    if i == 0:
        return own, None
    difference = pooled(plane - comparison.log_plane(results.sets[0], results.measure))
    told = f"The mean log power of {name} less that of {results.names[0]}"
    return own, themed(_plane, difference, True, description=told)


def _plane(plane: FloatArray, difference: bool, theme: Theme) -> Figure:
    return plot_plane(plane, difference=difference, theme=theme)


def pooled(plane: FloatArray) -> FloatArray:
    """Returns a plane [H, W] in at most PLANE_SIDE rows and columns: of each block the value furthest from its median.

    So a single coefficient that stands out, as of a grid, is seen in a plane of any size.
    """
    step = -(-max(plane.shape) // PLANE_SIDE)
    if step == 1:
        return plane
    rows, columns = (n // step for n in plane.shape)
    cut = plane[: rows * step, : columns * step].reshape(rows, step, columns, step)
    blocks = cut.transpose(0, 2, 1, 3).reshape(rows, columns, step * step)
    off = np.abs(blocks - np.median(blocks, axis=-1, keepdims=True))
    furthest: FloatArray = np.take_along_axis(blocks, off.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return furthest


def _swatch(light: tuple[str, Any], dark: tuple[str, Any]) -> dict[str, str]:
    """Colours of a line on both kinds of page, and its dashes in pixels."""
    dashes = "" if light[1] == "-" else " ".join(f"{2 * length:g}" for length in light[1][1])
    return {"light": light[0], "dark": dark[0], "dashes": dashes}


def strip(ratio: FloatArray) -> str:
    """Returns a row of pixels, one per bin, as a data URL: blue where there is too little power, red where too much."""
    with np.errstate(divide="ignore"):
        level = np.clip(np.log10(np.where(ratio > 0, ratio, 1e-9)), -1, 1)
    colors = colormaps["RdBu_r"]((level + 1) / 2)[1:, :3]
    return data_url(png_of_pixels((255 * colors[None]).round().astype(np.uint8)), "png")
