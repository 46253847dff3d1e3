"""A run of `gan_fixes.py`, from command line options to a report."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
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
from studies.core.loop import Observer, train
from studies.core.record.folder import CONFIG, check_folder, prepare_folder, read_config
from studies.core.record.records import fixed_settings, record
from studies.core.training import Training, restore

from . import command_line
from .report import FIGURES, format_row, result_of, write_report
from .run import GanRun, GanSettings

TENSORBOARD = "tensorboard"


def run_gan(options: argparse.Namespace) -> str:
    """Train what the options ask for, write all results to `options.out` and return the final numbers.

    Everything is checked before the folder is touched.
    """
    settings = command_line.settings(options)
    if options.resume and options.decay_steps is None:
        settings = _with_recorded_decay(settings, options.out)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    source = open_source(options.data, settings.resolution, flip=not options.no_flip)
    with distributed.process_group(options.device) as device:
        config = record(
            GanRun.testbed,
            settings,
            options.device,
            data=command_line.source_name(options.data),
            toyset_recipe=recipe_of(options.data),
            flip=not options.no_flip,
            features=options.features,
            processes=distributed.size(),
        )
        fixed = [*fixed_settings(settings), "testbed", "data", "toyset_recipe", "flip", "features"]
        check_folder(options.out, config, fixed, resume=options.resume, overwrite=options.overwrite)
        features = None
        if options.features:
            features = load_features(options.features, options.features_weights, settings.resolution, device)
        run = GanRun(settings, source, device, workers=options.workers, features=features)
        if options.resume:
            restore(run, options.out, settings.steps)
        observers = _observers(options, run)
        distributed.wait()
        if distributed.is_first():
            if options.overwrite:
                shutil.rmtree(options.out / TENSORBOARD, ignore_errors=True)
            prepare_folder(options.out, config, overwrite=options.overwrite, written=FIGURES)
        distributed.wait()
        train(
            run,
            options.out,
            steps=settings.steps,
            eval_every=settings.eval_every,
            title=settings.title,
            show_progress=sys.stderr.isatty() and distributed.is_first(),
            observers=observers,
        )
        if not distributed.is_first():
            return ""
        write_report(options.out, result_of(run), config)
        return format_row(run.history.rows[-1])


def _with_recorded_decay(settings: GanSettings, folder: Path) -> GanSettings:
    """The settings with the decay of the run in `folder`, if there is one: further steps do not change its rates."""
    path = folder / CONFIG
    if not path.is_file():
        return settings
    return replace(settings, decay_steps=read_config(path).get("decay_steps", settings.decay_steps))


def _observers(options: argparse.Namespace, run: GanRun) -> list[Observer]:
    if not options.tensorboard or not distributed.is_first():
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs the package: pip install tensorboard") from error
    # What an interrupted run wrote beyond its checkpoint is dropped; the folder is made at the first evaluation.
    writer = partial(SummaryWriter, str(options.out / TENSORBOARD), purge_step=run.step + 1)
    return [_TensorBoard(writer)]


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
