"""Figures of the testbeds alone: reconstructions over training, their animation and their PSNR."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from specops.report.figures import new_figure
from specops.report.palette import LIGHT, Theme
from studies.core.record.results import RunResult
from studies.core.report.figures import Curve, curves, snapshots

_ANIMATION_SIDE = 256
_FRAME_MILLISECONDS, _LAST_FRAME_MILLISECONDS = 450, 2000


def tiles(result: RunResult) -> dict[str, Tensor]:
    """Pictures by caption: the target, the snapshots, and the moving average at the end where the testbed keeps one."""
    shown = {"target": result.real_pictures}
    shown |= {f"step {step:,}": pictures for step, pictures in snapshots(result).items()}
    return shown if result.average_pictures is None else shown | {"moving average": result.average_pictures}


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
            color=theme.ink, transform=row[0].transAxes, parse_math=False,
        )  # fmt: skip
    return figure


def psnr(results: Sequence[RunResult], theme: Theme = LIGHT) -> Figure:
    """PSNR over training of all runs in one panel."""
    drawn = [
        Curve(each.title, each.history.steps, each.history.column("psnr"), each.color, each.of) for each in results
    ]
    return curves(drawn, theme, name="PSNR / dB")


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
