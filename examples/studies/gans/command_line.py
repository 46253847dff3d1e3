"""Options of `gan_fixes.py`, and the settings they give."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from studies.core import command_line
from studies.core.data.sources import PHOTO_CROPS
from studies.core.data.toyset import TOYSET
from studies.core.errors import InputError

from .architectures import DISCRIMINATORS, PUBLISHED_WIDTH
from .fixes import FIXES, NONE, parse_fixes
from .losses import LOSSES
from .run import GanSettings

_SHARE_OF_RADIUS = 0.625
"""R = 20 at 32², the published one, as a share of the side."""
_SMALLEST_WIDTH = 16

_count = command_line.number(int, lambda count: count >= 0, "at least 0")
_radius = command_line.number(float, lambda radius: 0 < radius < math.inf, "above 0 and finite")
_decay = command_line.number(float, lambda decay: 0 <= decay < 1, "in [0, 1)")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of the script."""
    _add_network_options(parser)
    _add_fix_options(parser)
    images = parser.add_argument_group("images")
    images.add_argument(
        "--data", metavar=f"{PHOTO_CROPS}|{TOYSET}|PATH", default=PHOTO_CROPS,
        help="random crops of the free photographs inside scikit-image and scikit-learn (default), pictures whose "
        "spectrum is two rings, or a folder, archive or array of images: cropped to the centre square and "
        "Lanczos-resampled, a tenth held out",
    )  # fmt: skip
    images.add_argument("--resolution", type=int, choices=PUBLISHED_WIDTH, default=32, help="side (default: 32)")
    images.add_argument("--no-flip", action="store_true", help="mirror no image (toyset: never mirrored)")
    images.add_argument("--workers", metavar="N", type=_count, default=0, help="processes that load (default: 0, none)")
    command_line.add_run_options(parser, steps=100_000, eval_every=1000, batch=64)
    _add_training_options(parser)
    evaluation = parser.add_argument_group("evaluation")
    evaluation.add_argument(
        "--eval-images", metavar="N", type=command_line.positive, default=512,
        help="held-out images, at most, and as many samples (default: 512)",
    )  # fmt: skip
    evaluation.add_argument(
        "--features", metavar="MODULE:CLASS",
        help="network for FID and KID: CLASS(), called with images [n, 3, N, N] in [-1, 1], returns features [n, d]",
    )  # fmt: skip
    evaluation.add_argument("--features-weights", metavar="FILE", help="its state_dict, as torch.save wrote it")
    evaluation.add_argument("--tensorboard", action="store_true", help="also write scalars and samples for TensorBoard")


def settings(options: argparse.Namespace) -> GanSettings:
    """The settings that the options ask for; raises InputError where they contradict each other."""
    fix = parse_fixes(options.fix or [NONE])
    width = options.width or PUBLISHED_WIDTH[options.resolution]
    if width % _SMALLEST_WIDTH:
        raise InputError(f"--width must be a multiple of {_SMALLEST_WIDTH}; got {width}")
    if options.arch == "ssgan" and options.batch % 4:
        raise InputError(
            f"--batch must be a multiple of 4 for --arch ssgan, which turns a quarter; got {options.batch}"
        )
    if options.batch < 2:
        raise InputError("--batch must be at least 2 for batch norm")
    if options.shift_images and "fsg" not in fix:
        raise InputError("--shift-images goes with --fix fsg")
    if options.shift_images and not all((2 * share).is_integer() for share in options.shift):
        raise InputError("--shift-images needs a --shift of multiples of ½, which can be undone")
    if options.features_weights and not options.features:
        raise InputError("--features-weights goes with --features")
    return GanSettings.of(
        options,
        fix=fix,
        width=width,
        radius=_SHARE_OF_RADIUS * options.resolution if options.radius is None else options.radius,
        decay_steps=options.decay_steps or options.steps,
    )


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    network = parser.add_argument_group("network")
    network.add_argument("--arch", choices=DISCRIMINATORS, default="sngan", help="default: sngan")
    network.add_argument(
        "--width", metavar="N", type=command_line.positive,
        help="channels of the generator at 4x4, which all others follow; a multiple of 16 "
        "(default: the published 256 at 32x32, 1024 at 64x64; a CPU trains 32)",
    )  # fmt: skip
    network.add_argument("--loss", choices=LOSSES, default="hinge", help="default: hinge")


def _add_fix_options(parser: argparse.ArgumentParser) -> None:
    fixes = parser.add_argument_group("fixes")
    fixes.add_argument(
        "--fix", metavar="NAME", action="append",
        help=f"{', '.join((NONE, *FIXES))}; several joined by + or given one by one (default: {NONE})",
    )  # fmt: skip
    fixes.add_argument(
        "--radius", metavar="R", type=_radius,
        help="of hff and hfc, in cycles per image: D is not shown the frequencies from R on (default: 0.625 N)",
    )  # fmt: skip
    fixes.add_argument(
        "--shift", metavar="FX,FY", type=_shift, default=(0.5, 0.5), help="of fsg, in cycles per pixel (default: .5,.5)"
    )
    fixes.add_argument(
        "--shift-images",
        action="store_true",
        help="with fsg: the real images are shifted too, and samples shifted back",
    )
    fixes.add_argument("--regularization-weight", metavar="W", type=command_line.weight, default=1.0, help="default: 1")
    fixes.add_argument("--focal-weight", metavar="W", type=command_line.weight, default=1.0, help="default: 1")


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    training = parser.add_argument_group("training")
    training.add_argument(
        "--discriminator-steps", metavar="N", type=command_line.positive, default=5, help="per step (default: 5)"
    )
    training.add_argument("--lr", metavar="RATE", type=command_line.weight, default=2e-4, help="default: 2e-4")
    training.add_argument(
        "--decay-steps", metavar="N", type=command_line.positive,
        help="steps over which the rate falls to 0 on a line (default: --steps; of a resumed run, those it began with)",
    )  # fmt: skip
    training.add_argument(
        "--ema", metavar="DECAY", type=_decay, default=0.0,
        help="evaluate a moving average of the generator's weights, 0.999 for example (default: 0, none)",
    )  # fmt: skip
    training.add_argument("--amp", action="store_true", help="bfloat16 inside the networks; losses and spectra float32")
    training.add_argument("--sync-batch-norm", action="store_true", help="with torchrun: batch norm of all processes")


def _shift(text: str) -> tuple[float, float]:
    try:
        fx, fy = (float(part) for part in re.split(",", text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be FX,FY in cycles per pixel; got {text!r}") from error
    if not (math.isfinite(fx) and math.isfinite(fy)):
        raise argparse.ArgumentTypeError(f"must be finite; got {text!r}")
    return fx, fy


def source_name(data: str) -> str:
    """What config.json records of `--data`."""
    return data if data in (PHOTO_CROPS, TOYSET) else str(Path(data).resolve())
