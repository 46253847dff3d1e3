"""Figures of the planar cosines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specops.report.figures import SMALL, add_grid, new_figure, style_axes
from specops.report.palette import LIGHT, Theme
from studies.core.record.results import RunResult
from studies.core.report.figures import Curve, curves

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
    """Leakage ratio over training, a line per run; dashed: of the images under a Hann window."""
    columns = [("leakage", False), ("leakage_hann", True)]
    drawn = [
        Curve(None if dashed else each.title, each.history.steps, each.history.column(name), color, dashed)
        for color, each in enumerate(results)
        for name, dashed in columns
    ]
    return curves(drawn, theme, name="Leakage ratio", limits=_RATIOS)


def highpass_levels(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Final leakage ratio of the images without their low frequencies, over the cutoff of the Gaussian taken away."""
    figure = new_figure(5.4, 3.4, theme)
    axes = figure.subplots()
    for index, result in enumerate(results):
        columns = [name for name in result.history.columns if name.startswith("leakage_highpass_")]
        cutoffs = [1 / (2 * np.pi * float(name.rpartition("_")[2])) for name in columns]
        values = [result.history.rows[-1][name] for name in columns]
        axes.plot(cutoffs, values, marker="o", ms=4, color=theme.series[index % len(theme.series)], label=result.title)
    _style_ratios(axes, theme, x="Cutoff / cycles per pixel")
    return figure


def error_by_frequency(errors: Mapping[str, Mapping[Frequency, Sequence[float]]], theme: Theme = LIGHT) -> Figure:
    """Leakage ratio over the carrier's frequency, a line of means per generator, a dot per seed."""
    figure = new_figure(5.4, 3.6, theme)
    axes = figure.subplots()
    for index, (generator, by_frequency) in enumerate(errors.items()):
        color = theme.series[index % len(theme.series)]
        radii = [float(np.hypot(*frequency)) for frequency in by_frequency]
        axes.plot(radii, [np.mean(v) for v in by_frequency.values()], color=color, lw=1.7, label=generator)
        for radius, values in zip(radii, by_frequency.values(), strict=True):
            axes.plot([radius] * len(values), values, "o", ms=4, color=color, alpha=0.7)
    _style_ratios(axes, theme, x="Carrier / cycles per image, √(u² + v²)")
    return figure


def _style_ratios(axes: Axes, theme: Theme, *, x: str) -> None:
    axes.set_ylim(*_RATIOS)
    axes.set_xlabel(x)
    axes.set_ylabel("Leakage ratio")
    add_grid(axes, theme, legend="best")
    style_axes(axes, theme)


def _draw_density(axes: Axes, density: Density, theme: Theme, *, unit: float) -> None:
    """Bars of the found shares, outline of the true ones; the open last bin of amplitudes is drawn like any other."""
    edges = density.edges.numpy() / unit
    if np.isinf(edges[-1]):
        edges[-1] = 2 * edges[-2] - edges[-3]
    axes.stairs(density.found.numpy(), edges, fill=True, color=theme.series[0], alpha=0.55, label="generated")
    axes.stairs(density.true.numpy(), edges, color=theme.ink, linewidth=1.4, label="true")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=theme.ink)
