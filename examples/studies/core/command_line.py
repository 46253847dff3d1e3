"""Command line options that the testbeds share, and their checks."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch

from studies.core.data.images import BUNDLED, ImageSet, highpass, load_bundled, load_images
from studies.core.data.toyset import TOYSET, load_toyset
from studies.testbeds.networks.arithmetic import ARITHMETICS

from .errors import InputError, TrainingError


class Parser(argparse.ArgumentParser):
    """Argument parser that tells wrong usage in one line, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print `message` without the usage text and exit."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def add_shared_options(parser: argparse.ArgumentParser, *, steps: int, eval_every: int) -> None:
    """Add the options of every testbed; `steps` and `eval_every` are the defaults."""
    images = parser.add_argument_group("images (default: --data photo)")
    images.add_argument(
        "--image", metavar="PATH", type=Path, action="append", default=[],
        help="picture, folder of pictures, or .npy [3, N, N] in [-1, 1] with N the resolution; may be repeated. "
        "Pictures are turned upright, cropped to the centre square and Lanczos-resampled (smaller ones enlarged); "
        "alpha is dropped, grey is repeated, 16-bit grey keeps its depth",
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


def add_run_options(
    parser: argparse.ArgumentParser, *, steps: int, eval_every: int, batch: int
) -> argparse._ArgumentGroup:
    """Add the options of every run whatever it trains on, with these defaults; returns those of the run itself."""
    run = parser.add_argument_group("run")
    run.add_argument("--steps", metavar="N", type=positive, default=steps, help=f"training steps (default: {steps})")
    run.add_argument(
        "--eval-every", metavar="N", type=positive, default=eval_every,
        help=f"steps between evaluations; each also saves a checkpoint (default: {eval_every})",
    )  # fmt: skip
    run.add_argument(
        "--batch", metavar="N", type=positive, default=batch, help=f"images per step, at most (default: {batch})"
    )
    run.add_argument("--seed", metavar="N", type=seed, default=0, help="of latents, weights and order (default: 0)")
    run.add_argument("--device", metavar="NAME", type=device, default="cpu", help="cpu, cuda, cuda:1, … (default: cpu)")
    run.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: torch's choice)")
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for all results")
    existing = output.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume", action="store_true",
        help="go on with the run in DIR, to the same numbers as if it had never stopped; --steps may grow. "
        "Starts a run if DIR is missing or empty",
    )  # fmt: skip
    existing.add_argument("--overwrite", action="store_true", help="replace the results in DIR")
    return run


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


def shared_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of `RunSettings` among the options."""
    return {
        name: getattr(options, name) for name in ("resolution", "steps", "eval_every", "batch", "seed", "arithmetic")
    }


def report_errors(run: Callable[[argparse.Namespace], str], options: argparse.Namespace, program: str) -> int:
    """Print what `run(options)` returns, or in one line why it could not; returns the exit code."""
    try:
        print(run(options))
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


def positive(text: str) -> int:
    """An integer of at least 1."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value


def weight(text: str) -> float:
    """A finite number that is not negative."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number; got {text!r}") from error
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0 and finite; got {text}")
    return value


def resolution(text: str) -> int:
    """A power of two from 8 to 1024, where the last layers of the shuffling network have one channel."""
    value = _integer(text)
    if not 8 <= value <= 1024 or value & (value - 1):
        raise argparse.ArgumentTypeError(f"must be a power of two from 8 to 1024; got {value}")
    return value


def seed(text: str) -> int:
    """A seed that torch takes."""
    value = _integer(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be in [0, 2^63); got {value}")
    return value


def device(text: str) -> torch.device:
    """A device that holds a tensor here and now."""
    try:
        found = torch.device(text)
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"cannot use device {text!r}: {reason}") from error
    return found


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be an integer; got {text!r}") from error
