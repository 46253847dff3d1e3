"""What a run has measured so far: a row and a spectrum per evaluation, and a few pictures."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .evaluation import BANDS, Evaluation, FloatArray

COLUMNS = ("step", "seconds", "loss", "psnr", *(f"e_{band}" for band in BANDS))
"""Columns of metrics.csv."""


@dataclass
class History:
    """Evaluations of a run in order; `pictures[step]` are 8-bit images `[n, 3, N, N]`, thinned out over time."""

    rows: list[dict[str, float]] = field(default_factory=list)
    spectra: list[FloatArray] = field(default_factory=list)
    pictures: dict[int, Tensor] = field(default_factory=dict)

    def append(self, step: int, seconds: float, loss: float, evaluation: Evaluation, pictures: Tensor) -> None:
        """Add the evaluation after training step `step`; `loss` is the training loss of that step."""
        errors = {f"e_{band}": evaluation.errors[band] for band in BANDS}
        self.rows.append({"step": step, "seconds": seconds, "loss": loss, "psnr": evaluation.psnr, **errors})
        self.spectra.append(evaluation.spectrum)
        if len(self.rows) > 1 and not _is_kept(len(self.rows) - 1):
            self.pictures.pop(int(self.rows[-2]["step"]), None)  # already gone where `drop_irregular` came after it
        self.pictures[step] = pictures

    def drop_irregular(self, eval_every: int) -> None:
        """Forget a last evaluation off the grid, so that a run that goes on equals one that never stopped there."""
        if self.rows and self.rows[-1]["step"] % eval_every:
            self.pictures.pop(int(self.rows.pop()["step"]))
            self.spectra.pop()

    @property
    def steps(self) -> list[int]:
        """Training steps of the evaluations."""
        return [int(row["step"]) for row in self.rows]

    def column(self, name: str) -> FloatArray:
        """One column `[T]` of metrics.csv."""
        return np.array([row[name] for row in self.rows], dtype=np.float64)

    def spectra_array(self) -> FloatArray:
        """Spectral densities of the generated images `[T, K]`."""
        return np.stack(self.spectra)

    def metrics_csv(self) -> bytes:
        """metrics.csv: numbers as their shortest exact decimal, seconds to the millisecond."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({**row, "step": int(row["step"]), "seconds": f"{row['seconds']:.3f}"})
        return text.getvalue().encode()

    def spectra_npz(self, real: FloatArray) -> bytes:
        """spectra.npz: `step [T]`, `real [K]`, `fake [T, K]`."""
        archive = io.BytesIO()
        np.savez_compressed(archive, step=np.array(self.steps), real=real, fake=self.spectra_array())
        return archive.getvalue()

    def tensors(self) -> dict[str, Tensor]:
        """The history as tensors for a checkpoint; `from_tensors` is the inverse."""
        return {
            "rows": torch.tensor([[row[name] for name in COLUMNS] for row in self.rows], dtype=torch.float64),
            "spectra": torch.from_numpy(self.spectra_array()),
            "picture_steps": torch.tensor(list(self.pictures)),
            "pictures": torch.stack(list(self.pictures.values())),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> History:
        """The history that `tensors` came from."""
        rows = [dict(zip(COLUMNS, values, strict=True)) for values in tensors["rows"].tolist()]
        pictures = dict(zip(tensors["picture_steps"].tolist(), tensors["pictures"], strict=True))
        return cls(rows=rows, spectra=list(tensors["spectra"].numpy()), pictures=pictures)


def _is_kept(number: int) -> bool:
    """Whether the picture of the `number`-th evaluation stays: 1, 2, 3, 4, 6, 8, 12, 16, 24, …

    Picked without knowing the length of the run, so that a run may be prolonged.
    """
    while number % 2 == 0:
        number //= 2
    return number in (1, 3)
