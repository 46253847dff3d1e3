"""A run of `gan_fixes.py` between command line and report."""

from __future__ import annotations

import argparse
import sys
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
from .cost import trial_seconds
from .report import FILES, format_row, write_report
from .run import GanRun, GanSettings

TENSORBOARD = "tensorboard"
_TRIED_FROM = 2000
"""Images of a run, real and generated, whose time is estimated on a CPU before it starts."""
_WARNED_FROM = 3600.0
"""Seconds of a run."""
_OF_A_CPU = {"width": 32, "batch": 16, "discriminator_steps": 1, "steps": 2000}
"""Settings of a run of minutes."""


class GanStudy(Study[GanRun]):
    """One adversarial training."""

    testbed = GanRun.testbed
    fixed = ("data", "pictures", "toyset_recipe", "flip", "features")
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
            "pictures": self._source.record(),
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

    def announce(self, training: GanRun) -> None:
        """Warn of a run that takes hours on a CPU, with what makes it shorter."""
        settings = training.settings
        steps = settings.steps - training.step
        images = steps * settings.batch * (settings.discriminator_steps + 1)
        if self.options.device.type != "cpu" or images < _TRIED_FROM:
            return
        seconds = trial_seconds(settings, self._source)
        if seconds * steps > _WARNED_FROM and distributed.is_first():
            print(_warning(settings, steps, seconds), file=sys.stderr)

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


def _warning(settings: GanSettings, steps: int, seconds: float) -> str:
    """What to know of a run of so many steps, each of which takes so long."""
    shorter = {name: (least, getattr(settings, name)) for name, least in _OF_A_CPU.items()}
    options = [
        f"--{name.replace('_', '-')} {least} ({now:,} now)" for name, (least, now) in shorter.items() if now > least
    ]
    advice = f"Shorter on a CPU: {', '.join(options)}; or" if options else "Shorter:"
    each = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return (
        f"warning: {steps:,} steps take about {duration(seconds * steps)} on this CPU, {each} each. "
        f"{advice} --device cuda on a GPU"
    )


def duration(seconds: float) -> str:
    """A time in its largest unit, "3 hours"."""
    for unit, length in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"


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
