"""A run of `gan_fixes.py` between command line and report."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from studies.core import distributed
from studies.core.data.sources import open_source
from studies.core.data.toyset import recipe_of
from studies.core.errors import InputError
from studies.core.evaluator import load_features
from studies.core.experiment import Study
from studies.core.record.folder import CONFIG, Config, read_config
from studies.core.training import Observer, Training

from . import command_line
from .report import FILES, format_row, write_report
from .run import GanRun, GanSettings

TENSORBOARD = "tensorboard"


class GanStudy(Study[GanRun]):
    """One adversarial training."""

    testbed = GanRun.testbed
    fixed = ("data", "toyset_recipe", "flip", "features")
    written = (*FILES, TENSORBOARD)

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._settings = command_line.settings(options)
        if options.resume and options.decay_steps is None:
            self._settings = _with_recorded_decay(self._settings, options.out)
        self._source = open_source(options.data, self._settings.resolution, flip=not options.no_flip)

    def settings(self) -> list[GanSettings]:
        return [self._settings]

    def recorded(self) -> Config:
        return {
            "data": command_line.source_name(self.options.data),
            "toyset_recipe": recipe_of(self.options.data),
            "flip": not self.options.no_flip,
            "features": self.options.features,
            "processes": distributed.size(),
        }

    def training(self, settings: Any, device: torch.device) -> GanRun:
        options, features = self.options, None
        if options.features:
            features = load_features(options.features, options.features_weights, settings.resolution, device)
        return GanRun(settings, self._source, device, workers=options.workers, features=features)

    def observers(self, training: GanRun) -> Sequence[Observer]:
        if not self.options.tensorboard or not distributed.is_first():
            return []
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError("--tensorboard needs the package: pip install tensorboard") from error
        # What an interrupted run wrote beyond its checkpoint is dropped; the folder is made at the first evaluation.
        return [_TensorBoard(partial(SummaryWriter, str(self.options.out / TENSORBOARD), purge_step=training.step + 1))]

    def write_report(self, folder: Path, training: GanRun, config: Config) -> None:
        write_report(folder, training.result(), config)

    def table(self, trainings: Sequence[GanRun]) -> str:
        return format_row(trainings[0].history.rows[-1])


def _with_recorded_decay(settings: GanSettings, folder: Path) -> GanSettings:
    """The settings with the decay of the run in `folder`, if there is one: further steps do not change its rates."""
    path = folder / CONFIG
    if not path.is_file():
        return settings
    return replace(settings, decay_steps=read_config(path).get("decay_steps", settings.decay_steps))


class _TensorBoard:
    """Writes each evaluation's row and samples."""

    def __init__(self, open_writer: Callable[[], Any]) -> None:
        self._open_writer = lru_cache(maxsize=1)(open_writer)

    def __call__(self, training: Training) -> None:
        writer, row = self._open_writer(), training.history.rows[-1]
        step = int(row["step"])
        for name, value in row.items():
            if name not in ("step", "seconds"):
                writer.add_scalar(name, value, step)
        writer.add_images("samples", training.history.pictures[step], step)
        writer.flush()
