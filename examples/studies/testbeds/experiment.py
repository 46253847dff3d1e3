"""One or several runs of a testbed, from command line options to a report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

import specops
from studies.core.command_line import read_images
from studies.core.data.images import ImageSet
from studies.core.data.toyset import recipe_of
from studies.core.errors import InputError
from studies.core.record.folder import Config, check_folder, prepare_folder
from studies.core.record.results import RunResult, format_table
from studies.core.training import restore, write_metrics

from .report import write_report
from .run import Run, RunSettings, train

_FREE = ("steps",)
"""Settings that a resumed run need not share with what it resumes."""

_RECORDED = ("testbed", "toyset_recipe", "pixels_sha256")
"""What it has to share beside its settings."""


def run_experiment(
    options: argparse.Namespace, kind: type[Run], settings: Sequence[RunSettings], titles: Mapping[str, str]
) -> str:
    """Train a run of the `kind` per settings, write all results to `options.out` and return the final table.

    Everything is checked before any folder is touched, and every checkpoint read before any training. `titles` name the
    modes in reports, in the order of their colours; a mode that is not there is its own title.
    """
    modes = [each.mode for each in settings]
    if len(set(modes)) < len(modes):
        raise InputError(f"a mode is named twice: {' '.join(modes)}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    images = read_images(options)
    several = len(settings) > 1
    folders = [options.out / mode if several else options.out for mode in modes]
    configs = [_config(options, kind, each, images) for each in settings]
    comparison = {"testbed": f"{kind.testbed} comparison", "runs": modes}
    if several:
        check_folder(options.out, comparison, ("testbed",), resume=options.resume, overwrite=options.overwrite)
    for folder, config in zip(folders, configs, strict=True):
        fixed = [name for name in (*asdict(settings[0]), *_RECORDED) if name not in _FREE]
        check_folder(folder, config, fixed, resume=options.resume, overwrite=options.overwrite)
    runs = [kind(each, images, options.device) for each in settings]
    if options.resume:
        for run, folder in zip(runs, folders, strict=True):
            restore(run, folder, options.steps)
    if several:
        prepare_folder(options.out, comparison, overwrite=options.overwrite)
    for folder, config in zip(folders, configs, strict=True):
        prepare_folder(folder, config, overwrite=options.overwrite)
    results = []
    for run, each, folder, config in zip(runs, settings, folders, configs, strict=True):
        train(run, each, folder, show_progress=sys.stderr.isatty())
        write_metrics(run, folder)
        results.append(_result(run, each, titles))
        write_report(folder, results[-1:], _shown(config))
    if several:
        write_report(options.out, results, _shown(configs[0] | {"runs": modes}))
    return format_table(results)


def _config(options: argparse.Namespace, kind: type[Run], settings: RunSettings, images: ImageSet) -> Config:
    """What config.json records of a run."""
    config = {
        "testbed": kind.testbed,
        **asdict(settings),
        "images": list(images.names),
        "toyset_recipe": recipe_of(options.data),
        "highpass": options.highpass,
        "pixels_sha256": images.sha256,
        "device": str(options.device),
        "threads": torch.get_num_threads(),
        "versions": {"specops": specops.__version__, "torch": torch.__version__},
    }
    return json.loads(json.dumps(config))


def _shown(config: Config) -> dict[str, Any]:
    """The settings as the report shows them."""
    texts = {name: _text(value) for name, value in config.items() if value is not None}
    return {name.replace("_", " "): text for name, text in texts.items()}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _result(run: Run, settings: RunSettings, titles: Mapping[str, str]) -> RunResult:
    mode = settings.mode
    return RunResult(
        mode=mode,
        title=titles.get(mode, mode),
        resolution=settings.resolution,
        real=run.real_spectrum,
        real_pictures=run.real_pictures,
        history=run.history,
        color=[*titles, mode].index(mode),
        testbed=run.testbed,
    )
