"""One or several runs of the generator testbed, from command line options to a report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import specops

from .command_line import read_images
from .errors import InputError
from .generator_run import GeneratorRun, GeneratorSettings, restore, train, write_metrics
from .images import ImageSet
from .networks import UPSAMPLINGS
from .report import write_report
from .results import RunResult, format_table
from .run_folder import Config, check_folder, prepare_folder

TITLES = {
    "bilinear": "Bilinear",
    "nearest": "Nearest neighbour",
    "zeros": "Bed of nails (zeros)",
    "shuffle": "Pixel shuffle",
}

_FIXED = ("testbed", "upsample", "padding", "resolution", "batch", "seed", "eval_every", "pixels_sha256")
"""Settings that a resumed run must share with what it resumes; steps, device and threads may differ."""


def run_experiment(options: argparse.Namespace) -> str:
    """Train a generator per upsampling mode, write all results to `options.out` and return the final table.

    Everything is checked before any folder is touched, and every checkpoint read before any training.
    """
    if len(set(options.upsample)) < len(options.upsample):
        raise InputError(f"--upsample names a mode twice: {' '.join(options.upsample)}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    images = read_images(options)
    folders = _folders(options)
    configs = {mode: _config(options, mode, images) for mode in options.upsample}
    comparison = {"testbed": "generator comparison", "runs": options.upsample}
    if len(folders) > 1:
        check_folder(options.out, comparison, ("testbed",), resume=options.resume, overwrite=options.overwrite)
    for mode, folder in folders.items():
        check_folder(folder, configs[mode], _FIXED, resume=options.resume, overwrite=options.overwrite)
    runs = {mode: GeneratorRun(_settings(options, mode), images, options.device) for mode in options.upsample}
    if options.resume:
        for mode, run in runs.items():
            restore(run, folders[mode])
    if len(folders) > 1:
        prepare_folder(options.out, comparison, overwrite=options.overwrite)
    for mode, folder in folders.items():
        prepare_folder(folder, configs[mode], overwrite=options.overwrite)
    results = []
    for mode, run in runs.items():
        train(run, folders[mode], show_progress=sys.stderr.isatty())
        write_metrics(run, folders[mode])
        results.append(_result(run))
        write_report(folders[mode], results[-1:], _shown(configs[mode]))
    if len(results) > 1:
        write_report(options.out, results, _shown(configs[options.upsample[0]] | {"upsample": options.upsample}))
    return format_table(results)


def _folders(options: argparse.Namespace) -> dict[str, Path]:
    if len(options.upsample) == 1:
        return {options.upsample[0]: options.out}
    return {mode: options.out / mode for mode in options.upsample}


def _settings(options: argparse.Namespace, mode: str) -> GeneratorSettings:
    return GeneratorSettings(
        upsample=mode,
        padding=options.padding,
        resolution=options.resolution,
        steps=options.steps,
        eval_every=options.eval_every,
        batch=options.batch,
        seed=options.seed,
    )


def _config(options: argparse.Namespace, mode: str, images: ImageSet) -> Config:
    """What config.json records of a run."""
    return {
        "testbed": "generator",
        **asdict(_settings(options, mode)),
        "images": list(images.names),
        "pixels_sha256": images.sha256,
        "device": str(options.device),
        "threads": torch.get_num_threads(),
        "versions": {"specops": specops.__version__, "torch": torch.__version__},
    }


def _shown(config: Config) -> dict[str, Any]:
    """The settings as the report shows them."""
    texts = {name: _text(value) for name, value in config.items()}
    return {name.replace("_", " "): text for name, text in texts.items()}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _result(run: GeneratorRun) -> RunResult:
    return RunResult(
        mode=run.settings.upsample,
        title=TITLES[run.settings.upsample],
        resolution=run.settings.resolution,
        real=run.real_spectrum,
        real_pictures=run.real_pictures,
        history=run.history,
        color=UPSAMPLINGS.index(run.settings.upsample),
    )
