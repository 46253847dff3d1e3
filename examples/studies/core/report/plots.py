"""Figures of the testbeds, and the functions that turn them into PNG, SVG and animated WebP files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from studies.core.evaluation import FloatArray
from studies.core.record.results import RunResult

from .reading import percent

_AXIS_NYQUIST = 1 / np.sqrt(2)
_MAX_SNAPSHOTS = 6
_DPI = 160
SMALL = 9
"""Points; a panel of 4 inches stays readable across a phone."""
_SETTLED = 0.2
"""Share of the evaluations, at the end of a run, over which bands are drawn."""
_DASHES = (0, (4, 3))
_ANIMATION_SIDE = 256
_FRAME_MILLISECONDS, _LAST_FRAME_MILLISECONDS = 450, 2000


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; `background` may be "none"."""

    background: str
    ink: str
    faint: str
    series: tuple[str, ...]


LIGHT = Theme("white", "#1b1f24", "#c9ced6", ("#0b6fb8", "#c9500f", "#0a8a63", "#a8478d", "#7a6a00", "#5b5bd6"))
DARK = Theme("none", "#e6e8eb", "#3c434d", ("#5cb3f0", "#f59552", "#3ecf9e", "#e394cb", "#d8c24a", "#9d9df5"))


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure of that many inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, theme: Theme) -> None:
    """Background, ticks, frame and letters of the panel in the colours of the theme."""
    axes.set_facecolor(theme.background)
    axes.tick_params(which="both", colors=theme.ink, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_edgecolor(theme.faint)
    axes.xaxis.label.set(color=theme.ink, size=10)
    axes.yaxis.label.set(color=theme.ink, size=10)
    axes.title.set(color=theme.ink, size=11, weight="bold")


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


def tiles(result: RunResult) -> dict[str, Tensor]:
    """Pictures by caption: the target, the snapshots, and the moving average at the end where the testbed keeps one."""
    shown = {"target": result.real_pictures}
    shown |= {f"step {step:,}": pictures for step, pictures in snapshots(result).items()}
    return shown if result.average_pictures is None else shown | {"moving average": result.average_pictures}


def png(figure: Figure, *, dpi: int = _DPI) -> bytes:
    """The figure as a PNG file."""
    figure.set_dpi(dpi)
    return _save(figure, "png")


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file whose letters are outlines: it looks the same with any fonts."""
    return _save(figure, "svg")


def animation_webp(results: Sequence[RunResult]) -> bytes:
    """The target and the reconstruction of every run beside it, a frame per kept step, as a lossless WebP."""
    steps = sorted({step for result in results for step in result.history.pictures})
    frames = [_frame(results, step) for step in steps]
    durations = [_FRAME_MILLISECONDS] * (len(frames) - 1) + [_LAST_FRAME_MILLISECONDS]
    stream = io.BytesIO()
    frames[0].save(
        stream, format="WebP", save_all=True, append_images=frames[1:], duration=durations, loop=0, lossless=True
    )
    return stream.getvalue()


def evolution(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """The first real image, its reconstruction over training and the moving average of that, a row per run."""
    shown = [tiles(result) for result in results]
    columns = max(len(pictures) for pictures in shown)
    figure = new_figure(1.45 * columns, 1.75 * len(results), theme)
    grid = figure.subplots(len(results), columns, squeeze=False)
    for result, pictures, row in zip(results, shown, grid, strict=True):
        for axes in row:
            axes.axis("off")
        for axes, (caption, images) in zip(row, pictures.items(), strict=False):
            axes.imshow(images[0].permute(1, 2, 0).numpy(), interpolation="nearest")
            axes.set_title(caption, fontsize=8, color=theme.ink, pad=4)
        row[0].text(
            -0.08, 0.5, result.title, rotation=90, va="center", ha="right", fontsize=9, fontweight="bold",
            color=theme.ink, transform=row[0].transAxes,
        )  # fmt: skip
    return figure


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
            axes.set_ylabel("Training iteration")
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
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group or result.title, []).append(result)
    for index, (name, members) in enumerate(groups.items()):
        color = theme.series[index % len(theme.series)]
        x = members[0].frequency[1:]
        if len(members) > 1:
            ratios = np.stack([member.fake[1:] / _positive(member.real[1:]) for member in members])
        else:
            ratios = settled_spectra(members[0])[:, 1:] / _positive(members[0].real[1:])
        mean, low, high = log_band(ratios)
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(x, mean, color=color, linewidth=1.7, label=f"{name} ({len(members)} runs)" if members[1:] else name)
    axes.axhline(1, color=theme.ink, linewidth=1, linestyle=_DASHES)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    axes.set_ylabel("S_gen / S_real")
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=theme.ink)
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


def psnr(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """PSNR over training of all runs in one panel."""
    figure = new_figure(4.6, 2.9, theme)
    axes = figure.subplots()
    for result in results:
        values = result.history.column("psnr")
        values[~np.isfinite(values)] = np.nan
        color = theme.series[result.color % len(theme.series)]
        marker = "o" if len(values) == 1 else ""
        axes.plot(result.history.steps, values, color=color, marker=marker, linewidth=1.6, label=result.title)
    axes.set_xlabel("Training iteration")
    axes.set_ylabel("PSNR / dB")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=theme.ink, loc="lower right")
    style_axes(axes, theme)
    return figure


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
        axes.plot(x, average, color=color, linewidth=1.4, linestyle=_DASHES, label="moving average")
    axes.axvline(_AXIS_NYQUIST, color=theme.faint, linewidth=1, linestyle=_DASHES)
    axes.text(
        _AXIS_NYQUIST - 0.012, 0.03, "axis Nyquist", rotation=90, va="bottom", ha="right", fontsize=8, color=theme.ink,
        alpha=0.75, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("f / f_nyq (corner)")
    axes.grid(color=theme.faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=theme.ink, loc="lower left")


def _positive(density: FloatArray) -> FloatArray:
    """The density with gaps where a logarithm has none."""
    return np.where((density > 0) & np.isfinite(density), density, np.nan)


def _save(figure: Figure, format: str) -> bytes:
    if figure.get_layout_engine() is not None:  # lay out once: a second layout would start from the first
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "specops"}):  # the same bytes from the same numbers
        figure.savefig(stream, format=format, metadata={"Date": None} if format == "svg" else None)
    return stream.getvalue()


def _frame(results: Sequence[RunResult], step: int) -> Image.Image:
    """Target and reconstructions at `step`, or each run's last ones before it, with captions."""
    tiles = [("target", results[0].real_pictures[0])]
    for result in results:
        known = [kept for kept in result.history.pictures if kept <= step] or [min(result.history.pictures)]
        tiles.append((result.title, result.history.pictures[max(known)][0]))
    font = ImageFont.load_default(15)
    margin, head = 12, 28
    width = margin + (_ANIMATION_SIDE + margin) * len(tiles)
    frame = Image.new("RGB", (width, _ANIMATION_SIDE + 2 * head), "white")
    draw = ImageDraw.Draw(frame)
    for index, (caption, picture) in enumerate(tiles):
        left = margin + (_ANIMATION_SIDE + margin) * index
        tile = Image.fromarray(picture.permute(1, 2, 0).numpy())
        frame.paste(tile.resize((_ANIMATION_SIDE,) * 2, Image.Resampling.NEAREST), (left, head))
        draw.text((left, 5), caption, fill=LIGHT.ink, font=font)
    draw.text((margin, head + _ANIMATION_SIDE + 4), f"step {step:,}", fill=LIGHT.ink, font=font)
    return frame
