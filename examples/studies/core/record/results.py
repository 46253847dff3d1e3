"""What a run hands to plots, tables and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from studies.core.errors import InputError
from studies.core.evaluation import BANDS, FloatArray, checkerboard_error, relative_error

from .checkpoints import load_checkpoint
from .folder import CHECKPOINT, CONFIG, SPECTRA, TARGET_PICTURE, read_config
from .history import History


@dataclass(frozen=True)
class RunResult:
    """History of a run beside the real images' spectral density `real [K]` and 8-bit pictures `[n, 3, N, N]`."""

    mode: str
    title: str
    resolution: int
    real: FloatArray
    real_pictures: Tensor
    history: History
    color: int = 0
    """Place in the series of plot colours."""
    testbed: str = "generator"
    group: str = ""
    """Name of the runs that differ from this one in the seed alone; this run's title if empty."""

    @property
    def frequency(self) -> FloatArray:
        """Lower edges of the bins `[K]` as a share of the corner frequency, √2 · N/2 cycles per image."""
        return np.arange(len(self.real)) / (np.sqrt(2) * self.resolution / 2)

    @property
    def fake(self) -> FloatArray:
        """Final spectral density `[K]` of the generated images."""
        return self.history.spectra[-1]

    @property
    def average(self) -> FloatArray | None:
        """Final spectral density `[K]` of the moving average of the images, where the testbed keeps one."""
        return self.history.averages[-1] if self.history.averages else None

    @property
    def average_psnr(self) -> float | None:
        """Final PSNR in dB of the moving average."""
        return self.history.rows[-1].get("average_psnr")

    @property
    def average_pictures(self) -> Tensor | None:
        """Final pictures of the moving average, 8-bit `[n, 3, N, N]`; also None where an earlier version kept none."""
        return self.history.average_pictures.get(self.history.steps[-1])

    @property
    def clamped_errors(self) -> FloatArray:
        """Relative spectrum error per evaluation `[T, K]`, clamped to ±1."""
        return np.clip(relative_error(self.history.spectra_array(), self.real), -1.0, 1.0)

    @property
    def psnr(self) -> float:
        """Final PSNR in dB."""
        return self.history.rows[-1]["psnr"]

    @property
    def errors(self) -> dict[str, float]:
        """Final error of each band."""
        return {band: self.history.rows[-1][f"e_{band}"] for band in BANDS}

    @property
    def checkerboard(self) -> float:
        """Final relative error of the last bin, not clamped."""
        return checkerboard_error(self.fake, self.real)


@dataclass(frozen=True)
class GroupSummary:
    """Mean and standard deviation (of the sample) of the final numbers of runs that differ in the seed alone."""

    name: str
    count: int
    psnr: tuple[float, float]
    average_psnr: tuple[float, float] | None
    errors: dict[str, tuple[float, float]]


def load_result(folder: Path, *, title: str = "", color: int = 0, group: str = "") -> RunResult:
    """The result of the run in `folder`, finished or not, as far as its last checkpoint."""
    config = load_config(folder)
    try:
        history = History.from_tensors(load_checkpoint(folder / CHECKPOINT)["history"])
        with np.load(folder / SPECTRA) as spectra:
            real = spectra["real"]
        with Image.open(folder / TARGET_PICTURE) as row:
            pixels = torch.from_numpy(np.array(row.convert("RGB"))).permute(2, 0, 1)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"run {folder} cannot be read ({error}); let it finish with --resume first") from error
    return RunResult(
        mode=folder.name,
        title=title or folder.name,
        resolution=config["resolution"],
        real=real,
        real_pictures=torch.stack(pixels.split(config["resolution"], dim=-1)),
        history=history,
        color=color,
        testbed=config["testbed"],
        group=group,
    )


def load_config(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is not the folder of a run: it holds no {CONFIG}")
    config = read_config(folder / CONFIG)
    if "resolution" not in config:
        raise InputError(f"{folder} holds several runs; give their folders: {folder}/*/")
    return config


def summarise(results: Sequence[RunResult]) -> list[GroupSummary]:
    """A summary per group of at least two runs, in order."""
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group or result.title, []).append(result)
    return [
        GroupSummary(
            name,
            len(members),
            mean_and_deviation([member.psnr for member in members]),
            _mean_of_averages(members),
            {band: mean_and_deviation([member.errors[band] for member in members]) for band in BANDS},
        )
        for name, members in groups.items()
        if len(members) > 1
    ]


def _mean_of_averages(members: Sequence[RunResult]) -> tuple[float, float] | None:
    values = [member.average_psnr for member in members if member.average_psnr is not None]
    return mean_and_deviation(values) if len(values) == len(members) else None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation of at least two values."""
    return float(np.mean(values)), float(np.std(values, ddof=1))


def format_table(results: Sequence[RunResult]) -> str:
    """Final numbers of all runs as aligned text; the PSNR of the moving average stands where testbeds keep one."""
    averages = [result.average_psnr for result in results]
    averaged = ("average_PSNR",) if None not in averages else ()
    head = ("mode", "PSNR", *averaged, *(f"e_{band}" for band in BANDS), "checkerboard")
    body = [
        (
            result.mode,
            f"{result.psnr:.2f}",
            *(f"{result.average_psnr:.2f}" for _ in averaged),
            *(f"{result.errors[band]:+.3f}" for band in BANDS),
            f"{result.checkerboard:+.3g}",
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    lines = []
    for row in (head, *body):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([row[0].ljust(len(first)), *others]))
    return "\n".join(lines)
