"""Figures in the colours of a theme, as PNG, as SVG, and for pages that are light or dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from specops.report.palette import DARK, LIGHT, Theme

SMALL = 9
"""Points; a panel of 4 inches stays readable across a phone."""
DASHES = (0, (4, 3))
_INCHES_A_NAME, _INCHES_A_LETTER, _INCHES_BEFORE_NAME = 0.19, 0.075, 0.6
"""Of a legend: height of a row, width of a letter, and of the line before it."""
_DPI = 160


@dataclass(frozen=True)
class ThemedFigure:
    """A figure for light and for dark pages, as data URLs, with its description."""

    light: str
    dark: str
    description: str


def new_figure(width: float, height: float, theme: Theme = LIGHT) -> Figure:
    """Returns an empty figure of that many inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, theme: Theme) -> None:
    """Gives background, ticks, frame and letters of the panel the colours of the theme."""
    axes.set_facecolor(theme.background)
    axes.tick_params(which="both", colors=theme.ink, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_edgecolor(theme.faint)
    axes.xaxis.label.set(color=theme.ink, size=10)
    axes.yaxis.label.set(color=theme.ink, size=10)
    axes.title.set(color=theme.ink, size=11, weight="bold")


def add_grid(axes: Axes, theme: Theme) -> None:
    """Draws a faint grid."""
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)


def legend_below(axes: Axes, drawn: Mapping[str, Artist], theme: Theme) -> None:
    """Writes what was drawn, by name, below the panel, where it hides nothing, and makes the figure that much higher.

    Names are written as they are: none is a formula, and none is left out for its first letter.
    """
    if not drawn:
        return
    for name, artist in drawn.items():
        artist.set_label(name)
    figure = cast(Figure, axes.figure)
    width, height = figure.get_size_inches()
    longest = _INCHES_BEFORE_NAME + _INCHES_A_LETTER * max(map(len, drawn))
    columns = max(1, min(len(drawn), int(width / len(_columns_of(figure)) / longest)))
    legend = axes.legend(
        list(drawn.values()), [str(number) for number in range(len(drawn))], ncols=columns, fontsize=SMALL,
        frameon=False, labelcolor=theme.ink, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), drawn, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    figure.set_size_inches(width, height + _INCHES_A_NAME * -(-len(drawn) // columns))


def _columns_of(figure: Figure) -> set[int]:
    """The columns of panels."""
    specs = [axes.get_subplotspec() for axes in figure.axes]
    return {spec.colspan.start for spec in specs if spec is not None}


def png(figure: Figure, *, dpi: int = _DPI) -> bytes:
    """Returns the figure as a PNG file."""
    figure.set_dpi(dpi)
    return _save(figure, "png")


def svg(figure: Figure) -> bytes:
    """Returns the figure as an SVG file whose letters are outlines: it looks the same with any fonts."""
    return _save(figure, "svg")


def themed(draw: Callable[..., Figure], *arguments: Any, description: str) -> ThemedFigure:
    """Returns what `draw(*arguments, theme)` draws for light and for dark pages."""
    light, dark = (data_url(svg(draw(*arguments, theme)), "svg+xml") for theme in (LIGHT, DARK))
    return ThemedFigure(light, dark, description)


def data_url(content: bytes, kind: str) -> str:
    """Returns a file of the type image/`kind` as text to be put into a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def png_of_pixels(pixels: NDArray[np.uint8]) -> bytes:
    """Returns pixels [H, W, 3] as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def _save(figure: Figure, format: str) -> bytes:
    if figure.get_layout_engine() is not None:  # lay out once: a second layout would start from the first
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "specops"}):  # the same bytes from the same numbers
        figure.savefig(stream, format=format, metadata={"Date": None} if format == "svg" else None)
    return stream.getvalue()
