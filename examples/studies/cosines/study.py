"""One or several runs on planar cosines between command line and report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from studies.core.experiment import Study
from studies.core.record.folder import Config
from studies.core.report.numbers import final_numbers, table

from .report import FILES, write_comparison, write_run_report
from .run import CosineRun, CosineSettings


class CosineStudy(Study[CosineRun]):
    """A run per generator and set of frequencies."""

    testbed = CosineRun.testbed
    fixed_comparison = ("testbed", "runs")
    written = FILES

    def settings(self) -> list[CosineSettings]:
        pairs = itertools.product(self.options.generator, self.options.frequencies)
        return [CosineSettings.of(self.options, generator=name, frequencies=waves) for name, waves in pairs]

    def training(self, settings: Any, device: torch.device) -> CosineRun:
        return CosineRun(settings, device)

    def write_report(self, folder: Path, training: CosineRun, config: Config) -> None:
        write_run_report(folder, training, config)

    def write_comparison(self, folder: Path, trainings: Sequence[CosineRun], config: Config) -> None:
        write_comparison(folder, trainings, config)

    def table(self, trainings: Sequence[CosineRun]) -> str:
        columns = ("leakage", "leakage_hann", "detectability")
        rows = {run.settings.mode: run.history.rows[-1] for run in trainings}
        return table({mode: final_numbers({name: row[name] for name in columns}) for mode, row in rows.items()})
