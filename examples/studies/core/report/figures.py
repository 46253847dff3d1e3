"""Figures of what runs measured: spectra, their errors and ratios, and curves over training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from specops.report.figures import DASHES, SMALL, add_grid, legend_below, new_figure, style_axes
from specops.report.pages import percent
from specops.report.palette import LIGHT, Theme
from specops.report.plots import looks
from specops.spectra.bands import FloatArray
from studies.core.record.results import RunResult, by_group

_AXIS_NYQUIST = 1 / np.sqrt(2)
_DOTS = (0, (1, 0.8))
_MAX_SNAPSHOTS = 6
_ACROSS, _PICTURES_ACROSS = 4, 8
"""Panels and pictures in a row."""
_SETTLED = 0.2
"""Share of the evaluations, at the end of a run, over which bands are drawn."""


@dataclass(frozen=True)
class Curve:
    """A quantity over training by its name; `color` is its place among `of` lines that have a colour each."""

    label: str
    steps: Sequence[int]
    values: FloatArray
    color: int = 0
    of: int = 1


def line_looks(places: Sequence[tuple[int, int]], theme: Theme) -> list[tuple[str, Any]]:
    """Colour and style of lines in one panel: colours by their places (one of so many), which they keep from figure
    to figure; styles by their order, so that lines on top of each other are told apart.
    """
    styles = [style for _, style in looks(len(places), theme)]
    return [(color_of(place, of, theme), style) for (place, of), style in zip(places, styles, strict=True)]


def color_of(place: int, of: int, theme: Theme) -> str:
    """The colour of a place among so many."""
    colors = [color for color, _ in looks(max(of, len(theme.series)), theme)]
    return colors[place % len(colors)]


def curves(
    drawn: Sequence[Curve],
    theme: Theme = LIGHT,
    *,
    name: str = "",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Curves over the training steps in one panel, whose axis is called `name`; gaps where a value is not finite."""
    figure = new_figure(4.6, 2.9, theme)
    draw_curves(figure.subplots(), drawn, theme, name=name, limits=limits)
    return figure


def draw_curves(
    axes: Axes, drawn: Sequence[Curve], theme: Theme, *, name: str = "", limits: tuple[float, float] | None = None
) -> None:
    """Draw what `curves` has into a panel."""
    lines: dict[str, Artist] = {}
    for curve, (color, style) in zip(
        drawn, line_looks([(curve.color, curve.of) for curve in drawn], theme), strict=True
    ):
        (lines[curve.label],) = axes.plot(
            curve.steps,
            np.where(np.isfinite(curve.values), curve.values, np.nan),
            color=color,
            linestyle=style,
            marker="o" if len(curve.steps) == 1 else "",
            linewidth=1.6,
        )
    axes.set_xlabel("Training step")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if limits is not None:
        axes.set_ylim(*limits)
    add_grid(axes, theme)
    style_axes(axes, theme)
    legend_below(axes, lines, theme)


def panels(count: int, theme: Theme) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most four in a row, and one scale of values."""
    columns = min(count, _ACROSS)
    rows = -(-count // columns)
    figure = new_figure(4.0 * columns, 3.3 * rows, theme)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def picture_png(pictures: Tensor) -> bytes:
    """8-bit `pictures [n, 3, N, N]` side by side, eight in a row, one image pixel per pixel; whole rows alone."""
    across = min(len(pictures), _PICTURES_ACROSS)
    rows = [torch.cat(list(row), dim=-1) for row in pictures.split(across) if len(row) == across]
    row = torch.cat(rows, dim=-2).permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(row).save(stream, format="PNG")
    return stream.getvalue()


def snapshots(result: RunResult) -> dict[int, Tensor]:
    """At most six of the kept pictures by step, evenly spread over their order, first and last included."""
    steps = list(result.history.pictures)
    chosen = np.unique(np.linspace(0, len(steps) - 1, _MAX_SNAPSHOTS).round().astype(int))
    return {steps[index]: result.history.pictures[steps[index]] for index in chosen}


def spectrum(
    results: Sequence[RunResult], theme: Theme = LIGHT, *, limits: tuple[float, float] | None = None
) -> Figure:
    """Reduced spectra without DC, real against generated and its moving average, a panel each; `limits` of the axis."""
    figure, grid = panels(len(results), theme)
    for index, (result, axes) in enumerate(zip(results, grid, strict=True)):
        _draw_spectrum(axes, result, theme)
        axes.set_title(result.title, parse_math=False)
        axes.set_ylim(*(limits or density_limits(results)))
        if index % _ACROSS == 0:
            axes.set_ylabel("Spectral density")
        style_axes(axes, theme)
    return figure


def error_evolution(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Relative spectrum error over frequency and training iteration, clamped to ±1, a panel per run."""
    figure, grid = panels(len(results), theme)
    for index, (result, axes) in enumerate(zip(results, grid, strict=True)):
        x = np.append(result.frequency[1:], 1.0)
        y = np.array([0, *result.history.steps])
        mesh = axes.pcolormesh(x, y, result.clamped_errors[:, 1:], cmap="bwr", vmin=-1, vmax=1, rasterized=True)
        axes.set_title(result.title, parse_math=False)
        axes.set_xlabel("f / f_nyq (corner)")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        if index % _ACROSS == 0:
            axes.set_ylabel("Training step")
        style_axes(axes, theme)
    bar = figure.colorbar(mesh, ax=grid, pad=0.02, aspect=24, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.set_yticklabels([percent(-1), percent(-0.5), "0", percent(0.5), f"≥ {percent(1)}"])
    bar.ax.tick_params(colors=theme.ink, labelsize=SMALL)
    bar.outline.set_edgecolor(theme.faint)
    return figure


def density_ratio(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Final density over the real one by frequency, a line per group of runs that differ in the seed alone.

    The band is one standard deviation of the logarithm: over the runs of a group, or over the last evaluations of a
    run that stands alone.
    """
    figure = new_figure(4.6, 3.5, theme)
    axes = figure.subplots()
    groups, lines = by_group(results), {}
    places = [(members[0].color, members[0].of) for members in groups.values()]
    for (name, members), (color, style) in zip(groups.items(), line_looks(places, theme), strict=True):
        x = members[0].frequency[1:]
        if len(members) > 1:
            ratios = np.stack([member.fake[1:] / _positive(member.real[1:]) for member in members])
        else:
            ratios = settled_spectra(members[0])[:, 1:] / _positive(members[0].real[1:])
        mean, low, high = log_band(ratios)
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        label = f"{name} ({len(members)} runs)" if members[1:] else name
        (lines[label],) = axes.plot(x, mean, color=color, linestyle=style, linewidth=1.7)
    axes.axhline(1, color=theme.ink, linewidth=1, linestyle=DASHES)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    axes.set_ylabel("S_gen / S_real")
    add_grid(axes, theme)
    style_axes(axes, theme)
    legend_below(axes, lines, theme)
    return figure


def settled_spectra(result: RunResult) -> FloatArray:
    """Spectral densities `[t, K]` of the evaluations in the last fifth of a run, at least one."""
    count = max(1, round(_SETTLED * len(result.history.spectra)))
    return result.history.spectra_array()[-count:]


def log_band(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Geometric mean over the first axis of `values [t, K]`, and it divided and multiplied by one standard deviation.

    Gaps where a value is not positive and finite.
    """
    with np.errstate(invalid="ignore"):
        logarithms = np.log(_positive(values))
    mean, deviation = logarithms.mean(axis=0), logarithms.std(axis=0)
    return np.exp(mean), np.exp(mean - deviation), np.exp(mean + deviation)


def density_limits(results: Sequence[RunResult]) -> tuple[float, float]:
    """Range of all spectral densities without DC, of all that is drawn, with a margin for a logarithmic axis."""
    densities = [density for result in results for density in (result.real, result.fake, result.average)]
    values = _positive(np.concatenate([density[1:] for density in densities if density is not None]))
    if np.isnan(values).all():
        return 0.1, 10.0
    return float(np.nanmin(values)) / 2, float(np.nanmax(values)) * 2


def _draw_spectrum(axes: Axes, result: RunResult, theme: Theme) -> None:
    color = color_of(result.color, result.of, theme)
    x, real, fake = result.frequency[1:], _positive(result.real[1:]), _positive(result.fake[1:])
    _, low, high = log_band(settled_spectra(result)[:, 1:])
    drawn: dict[str, Artist] = {}
    band = axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    (drawn["real"],) = axes.plot(x, real, color=theme.ink, linewidth=1.4, linestyle=_DOTS, zorder=3)
    (drawn["generated"],) = axes.plot(x, fake, color=color, linewidth=1.8)
    if result.average is not None:
        average = _positive(result.average[1:])
        (drawn["moving average"],) = axes.plot(x, average, color=color, linewidth=1.4, linestyle=DASHES)
    drawn["± 1 std"] = band
    axes.axvline(_AXIS_NYQUIST, color=theme.faint, linewidth=1, linestyle=DASHES)
    axes.text(
        _AXIS_NYQUIST - 0.012, 0.03, "axis Nyquist", rotation=90, va="bottom", ha="right", fontsize=8, color=theme.ink,
        alpha=0.75, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    add_grid(axes, theme)
    legend_below(axes, drawn, theme)


def _positive(density: FloatArray) -> FloatArray:
    """The density with gaps where a logarithm has none."""
    return np.where((density > 0) & np.isfinite(density), density, np.nan)
