"""Figures of what runs measured: spectra, their errors and ratios, and curves over training."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from specops.report.figures import DASHES, SMALL, Place, add_grid, new_figure, style_axes
from specops.report.pages import percent
from specops.report.palette import LIGHT, Theme
from specops.spectra.statistics import FloatArray
from studies.core.record.results import RunResult, by_group

_AXIS_NYQUIST = 1 / np.sqrt(2)
_MAX_SNAPSHOTS = 6
_SETTLED = 0.2
"""Share of the evaluations, at the end of a run, over which bands are drawn."""


@dataclass(frozen=True)
class Curve:
    """A quantity over training; `color` is a place in the series of the theme."""

    label: str | None
    steps: Sequence[int]
    values: FloatArray
    color: int = 0
    dashed: bool = False


def curves(
    drawn: Iterable[Curve],
    theme: Theme = LIGHT,
    *,
    name: str = "",
    limits: tuple[float, float] | None = None,
    legend: Place = "best",
) -> Figure:
    """Curves over the training steps in one panel, whose axis is called `name`; gaps where a value is not finite."""
    figure = new_figure(4.6, 2.9, theme)
    axes = figure.subplots()
    for curve in drawn:
        axes.plot(
            curve.steps,
            np.where(np.isfinite(curve.values), curve.values, np.nan),
            color=theme.series[curve.color % len(theme.series)],
            linestyle=DASHES if curve.dashed else "-",
            marker="o" if len(curve.steps) == 1 else "",
            linewidth=1.6,
            label=curve.label,
        )
    axes.set_xlabel("Training step")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if limits is not None:
        axes.set_ylim(*limits)
    add_grid(axes, theme, legend=legend)
    style_axes(axes, theme)
    return figure


def picture_png(pictures: Tensor) -> bytes:
    """8-bit `pictures [n, 3, N, N]` side by side, one image pixel per pixel."""
    row = torch.cat(list(pictures), dim=-1).permute(1, 2, 0).numpy()
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
    figure = new_figure(4.0 * len(results), 3.3, theme)
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for index, (result, axes) in enumerate(zip(results, panels, strict=True)):
        _draw_spectrum(axes, result, theme)
        axes.set_title(result.title)
        axes.set_ylim(*(limits or density_limits(results)))
        if index == 0:
            axes.set_ylabel("Spectral density")
        style_axes(axes, theme)
    return figure


def error_evolution(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """Relative spectrum error over frequency and training iteration, clamped to ±1, a panel per run."""
    figure = new_figure(4.0 * len(results), 3.3, theme)
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for index, (result, axes) in enumerate(zip(results, panels, strict=True)):
        x = np.append(result.frequency[1:], 1.0)
        y = np.array([0, *result.history.steps])
        mesh = axes.pcolormesh(x, y, result.clamped_errors[:, 1:], cmap="bwr", vmin=-1, vmax=1, rasterized=True)
        axes.set_title(result.title)
        axes.set_xlabel("f / f_nyq (corner)")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        if index == 0:
            axes.set_ylabel("Training step")
        style_axes(axes, theme)
    bar = figure.colorbar(mesh, ax=list(panels), pad=0.02, aspect=24, ticks=[-1, -0.5, 0, 0.5, 1])
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
    for index, (name, members) in enumerate(by_group(results).items()):
        color = theme.series[index % len(theme.series)]
        x = members[0].frequency[1:]
        if len(members) > 1:
            ratios = np.stack([member.fake[1:] / _positive(member.real[1:]) for member in members])
        else:
            ratios = settled_spectra(members[0])[:, 1:] / _positive(members[0].real[1:])
        mean, low, high = log_band(ratios)
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(x, mean, color=color, linewidth=1.7, label=f"{name} ({len(members)} runs)" if members[1:] else name)
    axes.axhline(1, color=theme.ink, linewidth=1, linestyle=DASHES)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    axes.set_ylabel("S_gen / S_real")
    add_grid(axes, theme, legend="best")
    style_axes(axes, theme)
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
    color = theme.series[result.color % len(theme.series)]
    x, real, fake = result.frequency[1:], _positive(result.real[1:]), _positive(result.fake[1:])
    _, low, high = log_band(settled_spectra(result)[:, 1:])
    axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0, label="± 1 std")
    axes.plot(x, real, color=theme.ink, linewidth=1.4, label="real")
    axes.plot(x, fake, color=color, linewidth=1.8, label="generated")
    if result.average is not None:
        average = _positive(result.average[1:])
        axes.plot(x, average, color=color, linewidth=1.4, linestyle=DASHES, label="moving average")
    axes.axvline(_AXIS_NYQUIST, color=theme.faint, linewidth=1, linestyle=DASHES)
    axes.text(
        _AXIS_NYQUIST - 0.012, 0.03, "axis Nyquist", rotation=90, va="bottom", ha="right", fontsize=8, color=theme.ink,
        alpha=0.75, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    add_grid(axes, theme, legend="lower left")


def _positive(density: FloatArray) -> FloatArray:
    """The density with gaps where a logarithm has none."""
    return np.where((density > 0) & np.isfinite(density), density, np.nan)
