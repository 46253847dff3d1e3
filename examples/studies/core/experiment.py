"""An experiment: one or several trainings, from command line options to a report."""

from __future__ import annotations

import argparse
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import torch

from . import distributed
from .errors import InputError, TrainingError
from .record.folder import Config, check_folder, fixed_settings, prepare_folder, record
from .training import Observer, Settings, Training, restore, train, write_metrics

T = TypeVar("T", bound=Training)


class Study(ABC, Generic[T]):
    """What a kind of experiment is: its settings, its trainings and its reports. Made once torch's threads are set."""

    testbed: ClassVar[str]
    """What config.json calls it."""
    fixed: ClassVar[tuple[str, ...]] = ()
    """What a resumed run has to share of `recorded`."""
    fixed_comparison: ClassVar[tuple[str, ...]] = ("testbed",)
    """What a resumed comparison of several runs has to share of its record."""
    written: ClassVar[tuple[str, ...]] = ()
    """Names of files and folders beside those that every run writes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @abstractmethod
    def settings(self) -> Sequence[Settings]:
        """Those of each run; raises InputError where options contradict each other."""

    def recorded(self) -> Config:
        """What config.json records beside the settings."""
        return {}

    @abstractmethod
    def training(self, settings: Settings, device: torch.device) -> T:
        """The run before its first step."""

    def announce(self, training: T) -> None:
        """Say on the terminal what is to be known before a run goes on; every process calls it."""

    def observers(self, training: T) -> Sequence[Observer]:
        """What is called after each evaluation."""
        return ()

    @abstractmethod
    def write_report(self, folder: Path, training: T, config: Config) -> None:
        """Write the page and the pictures of a run."""

    def write_comparison(self, folder: Path, trainings: Sequence[T], config: Config) -> None:
        """Write the page and the pictures of several runs."""
        raise NotImplementedError

    @abstractmethod
    def table(self, trainings: Sequence[T]) -> str:
        """Final numbers as text."""


def run_script(kind: type[Study[T]], options: argparse.Namespace, program: str) -> int:
    """Print what `run_study` returns, or in one line why it could not; returns the exit code."""
    try:
        print(run_study(kind, options))
    except InputError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; go on with the same command and --resume (results so far: {options.out})", file=sys.stderr)
        return 130
    return 0


def run_study(kind: type[Study[T]], options: argparse.Namespace) -> str:
    """Train what the options ask for, write all results to `options.out` and return the final numbers.

    One run is written to that folder, each of several to the folder of its mode inside. Everything is checked before
    any folder is touched, and every checkpoint read before any training. The first of several processes alone writes.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    study = kind(options)
    settings = study.settings()
    modes = [each.mode for each in settings]
    if len(set(modes)) < len(modes):
        raise InputError(f"a run is named twice: {' '.join(modes)}")
    with distributed.process_group(options.device) as device:
        folders = {mode: options.out / mode if len(modes) > 1 else options.out for mode in modes}
        more = study.recorded()
        configs = {each.mode: record(study.testbed, each, options.device, **more) for each in settings}
        comparison: Config = {"testbed": f"{study.testbed} comparison", "runs": modes}
        _check(study, settings[0], folders, configs, comparison)
        trainings = {each.mode: study.training(each, device) for each in settings}
        if options.resume:
            for mode, training in trainings.items():
                restore(training, folders[mode])
        observers = {mode: study.observers(training) for mode, training in trainings.items()}
        _prepare(study, folders, configs, comparison)
        for mode, training in trainings.items():
            study.announce(training)
            show_progress = sys.stderr.isatty() and distributed.is_first()
            train(training, folders[mode], show_progress=show_progress, observers=observers[mode])
            if distributed.is_first():
                write_metrics(training, folders[mode])
                study.write_report(folders[mode], training, configs[mode])
        finished = list(trainings.values())
        if not distributed.is_first():
            return ""
        if len(modes) > 1:
            study.write_comparison(options.out, finished, configs[modes[0]] | {"runs": modes})
        return study.table(finished)


def _check(
    study: Study[T], settings: Settings, folders: dict[str, Path], configs: dict[str, Config], comparison: Config
) -> None:
    """Raise InputError where a folder may not be written to; `settings` are of any of the runs."""
    resume, overwrite = study.options.resume, study.options.overwrite
    if len(folders) > 1:
        check_folder(study.options.out, comparison, study.fixed_comparison, resume=resume, overwrite=overwrite)
    fixed = [*fixed_settings(settings), "testbed", *study.fixed]
    for mode, folder in folders.items():
        check_folder(folder, configs[mode], fixed, resume=resume, overwrite=overwrite)


def _prepare(study: Study[T], folders: dict[str, Path], configs: dict[str, Config], comparison: Config) -> None:
    """Make the folders and write the records, before any process goes on."""
    overwrite = study.options.overwrite
    distributed.wait()
    if distributed.is_first():
        if len(folders) > 1:
            prepare_folder(study.options.out, comparison, overwrite=overwrite, written=study.written)
        for mode, folder in folders.items():
            prepare_folder(folder, configs[mode], overwrite=overwrite, written=study.written)
    distributed.wait()
