"""One or several runs on planar cosines, from command line options to a report."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import torch

from studies.core.errors import InputError
from studies.core.loop import train
from studies.core.record.folder import Config, check_folder, prepare_folder
from studies.core.record.records import fixed_settings, record
from studies.core.training import restore, write_metrics

from .measures import WaveDensities
from .report import FILES, write_comparison, write_run_report
from .run import CosineRun, CosineSettings
from .waves import Frequency


def run_experiment(options: argparse.Namespace) -> str:
    """Train a run per generator and set of frequencies, write all results to `options.out` and return the final table.

    Everything is checked before any folder is touched, and every checkpoint read before any training.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    settings = [_settings(options, *pair) for pair in itertools.product(options.generator, options.frequencies)]
    modes = [each.mode for each in settings]
    if len(set(modes)) < len(modes):
        raise InputError(f"a run is named twice: {' '.join(modes)}")
    several = len(settings) > 1
    folders = [options.out / mode if several else options.out for mode in modes]
    configs = [record(CosineRun.testbed, each, options.device) for each in settings]
    comparison: Config = {"testbed": "cosines comparison", "runs": modes}
    if several:
        check_folder(options.out, comparison, tuple(comparison), resume=options.resume, overwrite=options.overwrite)
    fixed = ["testbed", *fixed_settings(settings[0])]
    for folder, config in zip(folders, configs, strict=True):
        check_folder(folder, config, fixed, resume=options.resume, overwrite=options.overwrite)
    runs = [CosineRun(each, options.device) for each in settings]
    if options.resume:
        for run, folder in zip(runs, folders, strict=True):
            restore(run, folder, options.steps)
    if several:
        prepare_folder(options.out, comparison, overwrite=options.overwrite, written=FILES)
    for folder, config in zip(folders, configs, strict=True):
        prepare_folder(folder, config, overwrite=options.overwrite, written=FILES)
    densities = [_finish(*each) for each in zip(runs, folders, configs, strict=True)]
    if several:
        write_comparison(options.out, runs, densities, configs[0] | {"runs": modes})
    return _table(runs)


def _finish(run: CosineRun, folder: Path, config: Config) -> WaveDensities:
    """Train the run to its end and write its files; returns the densities of its last images."""
    settings = run.settings
    train(
        run,
        folder,
        steps=settings.steps,
        eval_every=settings.eval_every,
        title=settings.mode,
        show_progress=sys.stderr.isatty(),
    )
    write_metrics(run, folder)
    densities = run.densities()
    write_run_report(folder, run, densities, config)
    return densities


def _settings(options: argparse.Namespace, generator: str, frequencies: tuple[Frequency, ...]) -> CosineSettings:
    names = ("resolution", "width", "steps", "eval_every", "batch", "seed")
    return CosineSettings(
        **{name: getattr(options, name) for name in names}, generator=generator, frequencies=frequencies
    )


def _table(runs: list[CosineRun]) -> str:
    """Final numbers of all runs as aligned text."""
    columns = ("leakage", "leakage_hann")
    body = [(run.settings.mode, *(f"{run.history.rows[-1][name]:.3f}" for name in columns)) for run in runs]
    width = max(len(row[0]) for row in body)
    lines = [("run", *columns), *body]
    return "\n".join(row[0].ljust(width) + "".join(f"  {cell:>12}" for cell in row[1:]) for row in lines)
