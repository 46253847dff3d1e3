"""What a run has measured so far: a row and a spectrum per evaluation, and a few pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specops.spectra.bands import FloatArray


@dataclass
class History:
    """Evaluations of a run in order; `pictures[step]` are 8-bit images `[n, 3, N, N]`, thinned out over time.

    `averages` and `average_pictures` are the spectra and pictures of a moving average of the images, in testbeds that
    keep one.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    spectra: list[FloatArray] = field(default_factory=list)
    averages: list[FloatArray] = field(default_factory=list)
    pictures: dict[int, Tensor] = field(default_factory=dict)
    average_pictures: dict[int, Tensor] = field(default_factory=dict)

    def add(
        self,
        row: dict[str, float],
        spectrum: FloatArray,
        pictures: Tensor,
        *,
        average: tuple[FloatArray, Tensor] | None = None,
    ) -> None:
        """Add an evaluation with the columns of `row`, "step" and "seconds" among them, always the same ones.

        `average` are spectrum and pictures of a moving average of the images, which a run gives always or never.
        """
        step = int(row["step"])
        self.rows.append(row)
        self.spectra.append(spectrum)
        if average is not None:
            self.averages.append(average[0])
            self.average_pictures[step] = average[1]
        if len(self.rows) > 1 and not _is_kept(len(self.rows) - 1):
            self._forget(int(self.rows[-2]["step"]))
        self.pictures[step] = pictures

    def drop_irregular(self, eval_every: int) -> None:
        """Forget a last evaluation off the grid, so that a run that goes on equals one that never stopped there."""
        if self.rows and self.rows[-1]["step"] % eval_every:
            self._forget(int(self.rows.pop()["step"]))
            self.spectra.pop()
            if self.averages:
                self.averages.pop()

    def _forget(self, step: int) -> None:
        """Drop the pictures of `step`, unless an earlier call has."""
        self.pictures.pop(step, None)
        self.average_pictures.pop(step, None)

    @property
    def steps(self) -> list[int]:
        """Training steps of the evaluations."""
        return [int(row["step"]) for row in self.rows]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of metrics.csv."""
        return tuple(self.rows[0])

    def column(self, name: str) -> FloatArray:
        """One column `[T]` of metrics.csv."""
        return np.array([row[name] for row in self.rows], dtype=np.float64)

    def spectra_array(self) -> FloatArray:
        """Spectral densities of the generated images `[T, K]`."""
        return np.stack(self.spectra)

    def metrics_csv(self) -> bytes:
        """metrics.csv: numbers as their shortest exact decimal, seconds to the millisecond."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({**row, "step": int(row["step"]), "seconds": f"{row['seconds']:.3f}"})
        return text.getvalue().encode()

    def spectra_npz(self, real: FloatArray) -> bytes:
        """spectra.npz: `step [T]`, `real [K]`, `fake [T, K]` and, of a moving average, `average [T, K]`."""
        archive = io.BytesIO()
        arrays: dict[str, Any] = {"step": np.array(self.steps), "real": real, "fake": self.spectra_array()}
        if self.averages:
            arrays["average"] = np.stack(self.averages)
        np.savez_compressed(archive, **arrays)
        return archive.getvalue()

    def tensors(self) -> dict[str, Tensor]:
        """The history as tensors for a checkpoint, none before the first evaluation; `from_tensors` is the inverse."""
        if not self.rows:
            return {}
        columns = self.columns
        averages = {"averages": torch.from_numpy(np.stack(self.averages))} if self.averages else {}
        if self.average_pictures:
            averages |= _stacked("average_pictures", self.average_pictures)
        return {
            "columns": torch.tensor(list(",".join(columns).encode()), dtype=torch.uint8),
            "rows": torch.tensor([[row[name] for name in columns] for row in self.rows], dtype=torch.float64),
            "spectra": torch.from_numpy(self.spectra_array()),
            **averages,
            **_stacked("pictures", self.pictures),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> History:
        """The history that `tensors` came from."""
        if not tensors:
            return cls()
        columns = bytes(tensors["columns"].tolist()).decode().split(",")
        rows = [dict(zip(columns, values, strict=True)) for values in tensors["rows"].tolist()]
        return cls(
            rows=rows,
            spectra=list(tensors["spectra"].numpy()),
            averages=list(tensors["averages"].numpy()) if "averages" in tensors else [],
            pictures=_by_step("pictures", tensors),
            average_pictures=_by_step("average_pictures", tensors) if "average_pictures" in tensors else {},
        )


def _stacked(name: str, pictures: dict[int, Tensor]) -> dict[str, Tensor]:
    """Pictures by step as two tensors, their steps the first; `_by_step` is the inverse."""
    return {_steps_of(name): torch.tensor(list(pictures)), name: torch.stack(list(pictures.values()))}


def _by_step(name: str, tensors: Mapping[str, Tensor]) -> dict[int, Tensor]:
    return dict(zip(tensors[_steps_of(name)].tolist(), tensors[name], strict=True))


def _steps_of(name: str) -> str:
    """The name of the steps: picture_steps of pictures."""
    return f"{name.removesuffix('s')}_steps"


def _is_kept(number: int) -> bool:
    """Whether the picture of the `number`-th evaluation stays: 1, 2, 3, 4, 6, 8, 12, 16, 24, …

    Picked without knowing the length of the run, so that a run may be prolonged.
    """
    while number % 2 == 0:
        number //= 2
    return number in (1, 3)
