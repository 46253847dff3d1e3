"""What a run hands to plots, tables and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from specops.geometry import BANDS
from specops.spectra.bands import FloatArray, relative_error
from studies.core.errors import InputError
from studies.core.evaluation import checkerboard_error

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
    of: int = 1
    """Runs that have a colour each beside it."""
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
    def last_pictures(self) -> Tensor:
        """Final pictures, 8-bit `[n, 3, N, N]`."""
        return self.history.pictures[self.history.steps[-1]]

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


def load_result(folder: Path, *, title: str = "", color: int = 0, of: int = 1, group: str = "") -> RunResult:
    """The result of the run in `folder`, finished or not, as far as its last checkpoint."""
    config = load_config(folder)
    try:
        history = History.from_tensors(load_checkpoint(folder / CHECKPOINT)["history"])
        with np.load(folder / SPECTRA) as spectra:
            real = spectra["real"]
        with Image.open(folder / TARGET_PICTURE) as rows:
            pixels = torch.from_numpy(np.array(rows.convert("RGB"))).permute(2, 0, 1)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"run {folder} cannot be read ({error}); let it finish with --resume first") from error
    side = config["resolution"]
    return RunResult(
        mode=folder.name,
        title=title or folder.name,
        resolution=side,
        real=real,
        real_pictures=torch.stack(
            [picture for row in pixels.split(side, dim=-2) for picture in row.split(side, dim=-1)]
        ),
        history=history,
        color=color,
        of=of,
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


def by_group(results: Iterable[RunResult]) -> dict[str, list[RunResult]]:
    """The runs that differ in the seed alone, by their name."""
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group or result.title, []).append(result)
    return groups


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation of at least two values."""
    return float(np.mean(values)), float(np.std(values, ddof=1))
