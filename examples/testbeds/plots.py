"""Figures of the testbeds; each function returns the bytes of a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from .evaluation import FloatArray
from .reading import percent
from .results import RunResult

_AXIS_NYQUIST = 1 / np.sqrt(2)
_MAX_SNAPSHOTS = 6
_DPI = 160


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; `background` may be "none"."""

    background: str
    ink: str
    faint: str
    series: tuple[str, ...]


LIGHT = Theme("white", "#1b1f24", "#c9ced6", ("#0b6fb8", "#c9500f", "#0a8a63", "#a8478d", "#7a6a00", "#5b5bd6"))
DARK = Theme("none", "#e6e8eb", "#3c434d", ("#5cb3f0", "#f59552", "#3ecf9e", "#e394cb", "#d8c24a", "#9d9df5"))


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


def evolution_png(results: Sequence[RunResult], theme: Theme = LIGHT) -> bytes:
    """The first real image and its reconstruction over training, a row per run."""
    shown = [snapshots(result) for result in results]
    columns = 1 + max(len(pictures) for pictures in shown)
    figure = _figure(1.45 * columns, 1.75 * len(results), theme)
    grid = figure.subplots(len(results), columns, squeeze=False)
    for result, pictures, row in zip(results, shown, grid, strict=True):
        tiles = [("target", result.real_pictures), *((f"step {step}", images) for step, images in pictures.items())]
        for axes in row:
            axes.axis("off")
        for axes, (caption, images) in zip(row, tiles, strict=False):
            axes.imshow(images[0].permute(1, 2, 0).numpy(), interpolation="nearest")
            axes.set_title(caption, fontsize=8, color=theme.ink, pad=4)
        row[0].text(
            -0.08, 0.5, result.title, rotation=90, va="center", ha="right", fontsize=9, fontweight="bold",
            color=theme.ink, transform=row[0].transAxes,
        )  # fmt: skip
    return _png(figure)


def spectrum_png(
    results: Sequence[RunResult], theme: Theme = LIGHT, *, limits: tuple[float, float] | None = None
) -> bytes:
    """Reduced spectra without DC, real against generated, a panel per run; `limits` of the density axis."""
    figure = _figure(4.2 * len(results), 3.3, theme)
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for index, (result, axes) in enumerate(zip(results, panels, strict=True)):
        _draw_spectrum(axes, result, theme)
        axes.set_title(result.title)
        axes.set_ylim(*(limits or density_limits(results)))
        if index == 0:
            axes.set_ylabel("Spectral density")
        _style(axes, theme)
    return _png(figure)


def error_png(results: Sequence[RunResult], theme: Theme = LIGHT) -> bytes:
    """Relative spectrum error over frequency and training iteration, clamped to ±1, a panel per run."""
    figure = _figure(4.2 * len(results), 3.3, theme)
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for index, (result, axes) in enumerate(zip(results, panels, strict=True)):
        x = np.append(result.frequency[1:], 1.0)
        y = np.array([0, *result.history.steps])
        mesh = axes.pcolormesh(x, y, result.clamped_errors[:, 1:], cmap="bwr", vmin=-1, vmax=1, rasterized=True)
        axes.set_title(result.title)
        axes.set_xlabel("f / f_nyq (corner)")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        if index == 0:
            axes.set_ylabel("Training iteration")
        _style(axes, theme)
    bar = figure.colorbar(mesh, ax=list(panels), pad=0.02, aspect=24, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.set_yticklabels([percent(-1), percent(-0.5), "0", percent(0.5), f"≥ {percent(1)}"])
    bar.ax.tick_params(colors=theme.ink, labelsize=8)
    bar.outline.set_edgecolor(theme.faint)
    return _png(figure)


def psnr_png(results: Sequence[RunResult], theme: Theme = LIGHT) -> bytes:
    """PSNR over training of all runs in one panel."""
    figure = _figure(6.4, 2.8, theme)
    axes = figure.subplots()
    for result in results:
        psnr = result.history.column("psnr")
        psnr[~np.isfinite(psnr)] = np.nan
        color = theme.series[result.color % len(theme.series)]
        marker = "o" if len(psnr) == 1 else ""
        axes.plot(result.history.steps, psnr, color=color, marker=marker, linewidth=1.6, label=result.title)
    axes.set_xlabel("Training iteration")
    axes.set_ylabel("PSNR / dB")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.ink, loc="lower right")
    _style(axes, theme)
    return _png(figure)


def density_limits(results: Sequence[RunResult]) -> tuple[float, float]:
    """Range of all spectral densities without DC, real and generated, with a margin for a logarithmic axis."""
    values = _positive(np.concatenate([density[1:] for result in results for density in (result.real, result.fake)]))
    if np.isnan(values).all():
        return 0.1, 10.0
    return float(np.nanmin(values)) / 2, float(np.nanmax(values)) * 2


def _draw_spectrum(axes: Axes, result: RunResult, theme: Theme) -> None:
    color = theme.series[result.color % len(theme.series)]
    x, real, fake = result.frequency[1:], _positive(result.real[1:]), _positive(result.fake[1:])
    axes.fill_between(x, real, fake, color=color, alpha=0.16, linewidth=0)
    axes.plot(x, real, color=theme.ink, linewidth=1.4, label="real")
    axes.plot(x, fake, color=color, linewidth=1.8, label="generated")
    axes.axvline(_AXIS_NYQUIST, color=theme.faint, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(
        _AXIS_NYQUIST - 0.012, 0.03, "axis Nyquist", rotation=90, va="bottom", ha="right", fontsize=7, color=theme.ink,
        alpha=0.6, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.ink, loc="upper right")


def _style(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.background)
    axes.tick_params(which="both", colors=theme.ink, labelsize=8)
    for spine in axes.spines.values():
        spine.set_edgecolor(theme.faint)
    axes.xaxis.label.set(color=theme.ink, size=9)
    axes.yaxis.label.set(color=theme.ink, size=9)
    axes.title.set(color=theme.ink, size=10, weight="bold")


def _positive(density: FloatArray) -> FloatArray:
    """The density with gaps where a logarithm has none."""
    return np.where((density > 0) & np.isfinite(density), density, np.nan)


def _figure(width: float, height: float, theme: Theme) -> Figure:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
