"""Figures of the planar cosines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specops.report.figures import add_grid, legend_below, new_figure, style_axes
from specops.report.palette import LIGHT, Theme
from studies.core.record.results import RunResult
from studies.core.report.figures import Curve, draw_curves, line_looks

from .measures import Density, WaveDensities
from .waves import Frequency

_RATIOS = (-0.02, 1.02)
"""Limits of an axis of leakage ratios."""


def densities_of(waves: WaveDensities, theme: Theme = LIGHT) -> Figure:
    """Amplitude's and phase's histogram of each wave, a row per wave, under the true probabilities of the bins."""
    figure = new_figure(7.6, 2.5 * len(waves), theme)
    grid = figure.subplots(len(waves), 2, squeeze=False)
    for row, ((u, v), (amplitude, phase)) in zip(grid, waves.items(), strict=True):
        _draw_density(row[0], amplitude, theme, unit=1.0)
        row[0].set_xlabel("Amplitude")
        row[0].set_title(f"Amplitude at ({u}, {v})")
        row[0].set_ylabel("Share")
        _draw_density(row[1], phase, theme, unit=float(np.pi))
        row[1].set_xlabel("Phase / π")
        row[1].set_title(f"Phase at ({u}, {v})")
    for axes in grid.flat:
        style_axes(axes, theme)
    return figure


def leakage(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Leakage ratio over training, a line per run: of the images, and of them under a Hann window."""
    figure = new_figure(7.6, 2.9, theme)
    columns = {"leakage": "Leakage ratio", "leakage_hann": "Under a Hann window"}
    for axes, (column, name) in zip(figure.subplots(1, 2), columns.items(), strict=True):
        drawn = [
            Curve(each.title, each.history.steps, each.history.column(column), place, len(results))
            for place, each in enumerate(results)
        ]
        draw_curves(axes, drawn, theme, name=name, limits=_RATIOS)
    return figure


def highpass_levels(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Final leakage ratio of the images without their low frequencies, over the cutoff of the Gaussian taken away."""
    figure = new_figure(5.4, 3.4, theme)
    axes = figure.subplots()
    lines: dict[str, Artist] = {}
    places = [(place, len(results)) for place in range(len(results))]
    for result, (color, style) in zip(results, line_looks(places, theme), strict=True):
        columns = [name for name in result.history.columns if name.startswith("leakage_highpass_")]
        cutoffs = [1 / (2 * np.pi * float(name.rpartition("_")[2])) for name in columns]
        values = [result.history.rows[-1][name] for name in columns]
        (lines[result.title],) = axes.plot(cutoffs, values, marker="o", ms=4, color=color, linestyle=style)
    _style_ratios(axes, lines, theme, x="Cutoff / cycles per pixel")
    return figure


def error_by_frequency(errors: Mapping[str, Mapping[Frequency, Sequence[float]]], theme: Theme = LIGHT) -> Figure:
    """Leakage ratio over the carrier's frequency, a line of means per generator, a dot per seed."""
    figure = new_figure(5.4, 3.6, theme)
    axes = figure.subplots()
    lines: dict[str, Artist] = {}
    places = [(place, len(errors)) for place in range(len(errors))]
    for (generator, by_frequency), (color, style) in zip(errors.items(), line_looks(places, theme), strict=True):
        radii = [float(np.hypot(*frequency)) for frequency in by_frequency]
        means = [np.mean(values) for values in by_frequency.values()]
        (lines[generator],) = axes.plot(radii, means, color=color, linestyle=style, lw=1.7)
        for radius, values in zip(radii, by_frequency.values(), strict=True):
            axes.plot([radius] * len(values), values, "o", ms=4, color=color, alpha=0.7)
    _style_ratios(axes, lines, theme, x="Carrier / cycles per image, √(u² + v²)")
    return figure


def _style_ratios(axes: Axes, lines: Mapping[str, Artist], theme: Theme, *, x: str) -> None:
    axes.set_ylim(*_RATIOS)
    axes.set_xlabel(x)
    axes.set_ylabel("Leakage ratio")
    add_grid(axes, theme)
    style_axes(axes, theme)
    legend_below(axes, lines, theme)


def _draw_density(axes: Axes, density: Density, theme: Theme, *, unit: float) -> None:
    """Bars of the found shares, outline of the true ones; the open last bin of amplitudes is drawn like any other."""
    edges = density.edges.numpy() / unit
    if np.isinf(edges[-1]):
        edges[-1] = 2 * edges[-2] - edges[-3]
    found = axes.stairs(density.found.numpy(), edges, fill=True, color=theme.series[0], alpha=0.55)
    true = axes.stairs(density.true.numpy(), edges, color=theme.ink, linewidth=1.4)
    legend_below(axes, {"generated": found, "true": true}, theme)
