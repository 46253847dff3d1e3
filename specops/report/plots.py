"""Figures of spectra, for pages and notebooks."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from specops.report.figures import DASHES, legend_below, new_figure, style_axes
from specops.report.palette import LIGHT, Theme

FloatArray = NDArray[np.float64]
Line = tuple[FloatArray, FloatArray, FloatArray]
"""Values [K], and the lower and upper end of their band [K]."""

STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2)))
WIDTH, HEIGHT = 4.8, 3.5
FEW = 8  # lines that are drawn with their bands
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # cycles per pixel


def plot_spectra(
    frequency: FloatArray,
    lines: Mapping[str, Line],
    *,
    ratio: bool = False,
    theme: Theme = LIGHT,
    legend: bool = True,
) -> Figure:
    """Draws radial spectra over frequency with their bands, on logarithmic axes; the bands of up to eight.

    Args:
        frequency: of the bins, in cycles per pixel [K]; the first, which has the mean of images, is left out.
        lines: by name, values [K] with the lower and the upper end of a band [K].
        ratio: whether values are ratios to a reference, of which 1 is marked.
        theme: colours.
        legend: whether names are written into the figure, any of them as it is.

    Returns:
        A matplotlib figure.

    Example:
        >>> import numpy as np
        >>> from specops.report import plot_spectra
        >>> frequency = np.linspace(0, 0.7, 46)
        >>> mean = 1 / (0.01 + frequency) ** 2
        >>> figure = plot_spectra(frequency, {"photos": (mean, mean / 1.2, mean * 1.2)})
        >>> figure.axes[0].get_xlabel()
        'Frequency / cycles per pixel'
    """
    figure = new_figure(WIDTH, HEIGHT, theme)
    axes = figure.subplots()
    x = frequency[1:]
    for (name, line), (color, style) in zip(lines.items(), looks(len(lines), theme), strict=True):
        middle, low, high = (np.where(np.isfinite(part) & (part > 0), part, np.nan)[1:] for part in line)
        if len(lines) <= FEW:
            axes.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)
        (drawn,) = axes.plot(x, middle, color=color, linestyle=style, linewidth=1.6 if len(lines) <= FEW else 1.1)
        drawn.set_gid(name)
    axes.axvline(0.5, color=theme.faint, linewidth=1, linestyle=DASHES)
    if ratio:
        axes.axhline(1, color=theme.ink, linewidth=0.8)
    _logarithmic(axes, x, any(np.isfinite(line.get_ydata()).any() for line in axes.lines[: len(lines)]))
    axes.set_ylabel("Power / that of the reference" if ratio else "Power per pixel")
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    style_axes(axes, theme)
    if legend:
        legend_below(axes, dict(zip(lines, axes.lines, strict=False)), theme)
    return figure


def plot_plane(plane: FloatArray, *, difference: bool = False, theme: Theme = LIGHT) -> Figure:
    """Draws mean log power over both frequencies, the mean of images in the middle.

    Args:
        plane: in dB [H, W].
        difference: whether it is a difference of two, drawn around 0 up to ±10 dB.
        theme: colours.

    Returns:
        A matplotlib figure.

    Example:
        >>> import numpy as np
        >>> from specops.report import plot_plane
        >>> plot_plane(np.zeros((8, 8)), difference=True).axes[0].get_title()
        ''
    """
    figure = new_figure(3.4, 3.0, theme)
    axes = figure.subplots()
    limits = {"vmin": -10, "vmax": 10, "cmap": "RdBu_r"} if difference else {"cmap": "magma"}
    if not difference:
        limits |= dict(zip(("vmin", "vmax"), np.percentile(plane, (0.5, 99.5)), strict=True))
    image = axes.imshow(plane, extent=(-0.5, 0.5, 0.5, -0.5), interpolation="nearest", **limits)
    axes.set_xlabel("Across / cycles per pixel")
    axes.set_ylabel("Down")
    style_axes(axes, theme)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.ax.tick_params(colors=theme.ink, labelsize=8)
    bar.set_label("dB", color=theme.ink)
    return figure


def looks(n: int, theme: Theme) -> list[tuple[str, Any]]:
    """Returns colour and style of n lines: the theme's own colours for a few, the circle of hues for more."""
    if n <= len(theme.series):
        return [(color, "-" if i == 0 else STYLES[i % len(STYLES)]) for i, color in enumerate(theme.series[:n])]
    lightness = 0.4 if theme.background == LIGHT.background else 0.65
    hues = (to_hex(colorsys.hls_to_rgb(i / n, lightness + 0.08 * (i % 2), 0.75)) for i in range(n))
    return [(color, STYLES[i % len(STYLES)]) for i, color in enumerate(hues)]


def _logarithmic(axes: Axes, x: FloatArray, has_power: bool) -> None:
    if has_power:
        axes.set_yscale("log")
    axes.set_xscale("log")
    axes.set_xlim(x[0], max(0.55, x[-1]))
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if x[0] <= tick <= axes.get_xlim()[1]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Frequency / cycles per pixel")
