"""What both testbeds do between command line and report, and the options that they share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from studies.core.command_line import add_run_options, resolution
from studies.core.data.images import BUNDLED, ImageSet, highpass, load_bundled, load_images
from studies.core.data.toyset import TOYSET, load_toyset, recipe_of
from studies.core.errors import InputError
from studies.core.experiment import Study
from studies.core.record.folder import Config
from studies.core.record.results import RunResult

from .networks.arithmetic import ARITHMETICS
from .report import FILES, write_report
from .run import Run
from .summary import format_table


def add_shared_options(parser: argparse.ArgumentParser, *, steps: int, eval_every: int) -> None:
    """Add the options of both testbeds; `steps` and `eval_every` are the defaults."""
    images = parser.add_argument_group("images (default: --data photo)")
    images.add_argument(
        "--image", metavar="PATH", type=Path, action="append", default=[],
        help="picture, folder of pictures, archive or array of images, or .npy [3, N, N] in [-1, 1] with N the "
        "resolution; may be repeated. Pictures are turned upright, cropped to the centre square and Lanczos-resampled "
        "(smaller ones enlarged); alpha is laid on black, grey is repeated, 16 bits and floats keep their values",
    )  # fmt: skip
    images.add_argument(
        "--data", choices=(*BUNDLED, TOYSET),
        help="a picture inside scikit-image (a cat, or a grass texture), or ten whose spectrum is two rings",
    )  # fmt: skip
    images.add_argument("--highpass", action="store_true", help="train on the differences of diagonal neighbours")
    images.add_argument("--resolution", metavar="N", type=resolution, default=64, help="side in pixels (default: 64)")
    run = add_run_options(parser, steps=steps, eval_every=eval_every, batch=10)
    run.add_argument(
        "--arithmetic", choices=ARITHMETICS, default="fast",
        help="published: torch's own layers, for the published modes, which add as the published code (default: fast)",
    )  # fmt: skip


class ReconstructionStudy(Study[Run]):
    """Runs of one testbed on the same images."""

    fixed = ("toyset_recipe", "pixels_sha256")
    written = FILES
    run: ClassVar[type[Run]]
    titles: ClassVar[Mapping[str, str]]
    """Modes as reports name them, in the order of their colours; a mode that is not there is its own title."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._images = read_images(options)

    def recorded(self) -> Config:
        return {
            "images": list(self._images.names),
            "toyset_recipe": recipe_of(self.options.data),
            "highpass": self.options.highpass,
            "pixels_sha256": self._images.sha256,
        }

    def training(self, settings: Any, device: torch.device) -> Run:
        return self.run(settings, self._images, device)

    def write_report(self, folder: Path, training: Run, config: Config) -> None:
        write_report(folder, self._results([training]), config)

    def write_comparison(self, folder: Path, trainings: Sequence[Run], config: Config) -> None:
        write_report(folder, self._results(trainings), config)

    def table(self, trainings: Sequence[Run]) -> str:
        return format_table([training.result() for training in trainings])

    def _results(self, trainings: Sequence[Run]) -> list[RunResult]:
        modes = [training.settings.mode for training in trainings]
        return [
            training.result(title=self.titles.get(mode, mode), color=[*self.titles, mode].index(mode))
            for mode, training in zip(modes, trainings, strict=True)
        ]


def read_images(options: argparse.Namespace) -> ImageSet:
    """The images that the options ask for."""
    if options.image and options.data:
        raise InputError("give either --image or --data, not both")
    if options.image:
        images = load_images(options.image, options.resolution)
    elif options.data == TOYSET:
        images = load_toyset(options.resolution)
    else:
        images = load_bundled(options.data or "photo", options.resolution)
    return replace(images, pixels=highpass(images.pixels)) if options.highpass else images
