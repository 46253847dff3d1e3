"""What a run hands to plots, tables and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .evaluation import BANDS, FloatArray, checkerboard_error, relative_error
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

    @property
    def frequency(self) -> FloatArray:
        """Lower edges of the bins `[K]` as a share of the corner frequency, √2 · N/2 cycles per image."""
        return np.arange(len(self.real)) / (np.sqrt(2) * self.resolution / 2)

    @property
    def fake(self) -> FloatArray:
        """Final spectral density `[K]` of the generated images."""
        return self.history.spectra[-1]

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


def format_table(results: Sequence[RunResult]) -> str:
    """Final numbers of all runs as aligned text."""
    head = ("mode", "PSNR", *(f"e_{band}" for band in BANDS), "checkerboard")
    body = [
        (
            result.mode,
            f"{result.psnr:.2f}",
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
