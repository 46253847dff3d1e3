"""The page of `python -m specops spectrum`: radial spectra of sets of images, compared. Needs the extra `examples`."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageOps

import specops
from specops import geometry

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SMALLEST_SIDE = 8

_LIGHT = ("#1b1f24", "#c9ced6", ("#0b6fb8", "#c9500f", "#0a8a63", "#a8478d", "#7a6a00", "#5b5bd6"))
_DARK = ("#e6e8eb", "#3c434d", ("#5cb3f0", "#f59552", "#3ecf9e", "#e394cb", "#d8c24a", "#9d9df5"))
_DASHES = ("-", "--", ":", "-.")

FloatArray = NDArray[np.float64]


class InputError(Exception):
    """Wrong input, told in one line."""


@dataclass(frozen=True)
class ImageSpectra:
    """Spectral densities `[n, K]` of the images of one set, channels averaged, pixels in [-1, 1]."""

    name: str
    profiles: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Mean over images `[K]`."""
        return self.profiles.mean(axis=0)

    @property
    def factor(self) -> FloatArray:
        """One standard deviation over images as a factor `[K]`: exp of that of the logarithm."""
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.log(self.profiles).std(axis=0)
        return np.exp(np.where(np.isfinite(deviation), deviation, 0.0))


def write_spectrum_report(sources: Sequence[Path], out: Path, *, size: int | None = None) -> str:
    """Writes the page to `out` in one step and returns its table as text.

    Args:
        sources: pictures and folders of pictures (not recursive); each is a set of its own.
        out: the HTML file.
        size: side of the centre square that is cut from every picture; the largest that all have if None. Nothing is
            resampled, which would change the spectra.

    Raises:
        InputError: a source is missing, empty, broken or too small, or `out` cannot be written.
    """
    sets = {source: _pictures(source) for source in dict.fromkeys(sources)}
    smallest, path = min((_side(path), path) for paths in sets.values() for path in paths)
    side = size or smallest
    if side < SMALLEST_SIDE or side > smallest:
        raise InputError(f"{path} has a side of {smallest} pixels; at least {max(side, SMALLEST_SIDE)} are needed")
    names = _names(list(sets))
    spectra = [
        ImageSpectra(name, np.stack([_profile(path, side) for path in paths]))
        for name, paths in zip(names, sets.values(), strict=True)
    ]
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.write_text(render(spectra, side), encoding="utf-8")
        os.replace(partial, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    return _table(spectra, side)


def render(spectra: Sequence[ImageSpectra], side: int) -> str:
    """Returns the self-contained page on `spectra` of squares of `side` pixels."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("spectrum.html.jinja").render(
        spectra=spectra,
        side=side,
        errors=[band_errors(each, spectra[0], side) for each in spectra],
        density=[_url(_density(spectra, side, theme)) for theme in (_LIGHT, _DARK)],
        ratio=[_url(_ratio(spectra, side, theme)) for theme in (_LIGHT, _DARK)] if len(spectra) > 1 else None,
        version=specops.__version__,
    )


def band_errors(spectra: ImageSpectra, reference: ImageSpectra, side: int) -> dict[str, float]:
    """Returns the mean over each band of S / S_reference − 1, clamped to ±1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(spectra.mean == reference.mean, 0.0, spectra.mean / reference.mean - 1)
    bands = geometry.radial_bands(side)
    return {band: float(np.clip(error, -1, 1)[bins].mean()) for band, bins in bands.items()}


def _pictures(source: Path) -> list[Path]:
    if not source.exists():
        raise InputError(f"{source} does not exist")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{source} holds no picture (looked for {', '.join(SUFFIXES)})")
    return found


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is no picture that Pillow can read") from error


def _side(path: Path) -> int:
    with _open(path) as picture:
        return min(picture.size)


def _profile(path: Path, side: int) -> FloatArray:
    """Spectral density `[K]` of the centre square of the picture."""
    try:
        with _open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    square = upright.crop((left, top, left + side, top + side))
    pixels = torch.from_numpy(np.array(square, dtype=np.float64)).permute(2, 0, 1) / 127.5 - 1
    profile: FloatArray = specops.radial_spectrum(pixels).mean(dim=0).numpy()
    return profile


def _names(sources: Sequence[Path]) -> list[str]:
    short = [source.resolve().name for source in sources]
    return short if len(set(short)) == len(short) else [str(source) for source in sources]


def _density(spectra: Sequence[ImageSpectra], side: int, theme: tuple[str, str, tuple[str, ...]]) -> Figure:
    figure = _figure(spectra, [(each.mean, each.factor) for each in spectra], side, theme)
    figure.axes[0].set_ylabel("Spectral density")
    return figure


def _ratio(spectra: Sequence[ImageSpectra], side: int, theme: tuple[str, str, tuple[str, ...]]) -> Figure:
    reference = spectra[0].mean
    with np.errstate(divide="ignore", invalid="ignore"):
        lines = [(each.mean / reference, each.factor) for each in spectra]
    figure = _figure(spectra, lines, side, theme)
    figure.axes[0].set_ylabel(f"Density / that of {spectra[0].name}")
    return figure


def _figure(
    spectra: Sequence[ImageSpectra],
    lines: Sequence[tuple[FloatArray, FloatArray]],
    side: int,
    theme: tuple[str, str, tuple[str, ...]],
) -> Figure:
    """Lines with their bands over frequency, without the mean of the image."""
    ink, faint, series = theme
    figure = Figure(figsize=(4.6, 3.6), layout="constrained", facecolor="none")
    axes = figure.subplots()
    lines = [(np.where((line > 0) & np.isfinite(line), line, np.nan)[1:], factor[1:]) for line, factor in lines]
    for index, (each, (line, factor)) in enumerate(zip(spectra, lines, strict=True)):
        x, color = np.arange(1, len(line) + 1) / side, series[index % len(series)]
        axes.fill_between(x, line / factor, line * factor, color=color, alpha=0.16, linewidth=0)
        style = _DASHES[index // len(series) % len(_DASHES)]
        axes.plot(x, line, color=color, linestyle=style, linewidth=1.7, label=each.name)
    axes.axvline(0.5, color=faint, linewidth=1, linestyle=(0, (4, 3)))
    if any(np.nanmax(line, initial=0) > 0 for line, _ in lines):  # an empty spectrum has no logarithm
        axes.set_yscale("log")
    axes.set_xlim(0, np.sqrt(0.5))
    axes.set_xlabel("Frequency / cycles per pixel")
    axes.grid(color=faint, linewidth=0.5, alpha=0.6)
    axes.legend(fontsize=9, frameon=False, labelcolor=ink, loc="lower left")
    axes.set_facecolor("none")
    axes.tick_params(which="both", colors=ink, labelsize=9)
    for spine in axes.spines.values():
        spine.set_edgecolor(faint)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=ink, size=10)
    return figure


def _url(figure: Figure) -> str:
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "specops"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _table(spectra: Sequence[ImageSpectra], side: int) -> str:
    rows: list[tuple[str, ...]] = [("set", "images", *geometry.BANDS)]
    for each in spectra:
        errors = band_errors(each, spectra[0], side).values()
        rows.append((each.name, str(len(each.profiles)), *(f"{error:+.3f}" for error in errors)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)][1:] for row in rows]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *cells]) for row, cells in zip(rows, numbers, strict=True))
