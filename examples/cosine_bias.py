"""Planar cosines: does the error of a GAN grow with the frequency that it has to make, and does a shift move that?

A WGAN-GP learns images of one wave, whose amplitude and phase have known densities. Measured are the power that leaks
to other frequencies and how far both densities are from the true ones (Khayatkhoei, Elgammal: Spatial Frequency Bias in
Convolutional Generative Adversarial Networks, AAAI 2022).
"""

from __future__ import annotations

import argparse
import sys

from studies.core import command_line
from studies.core.experiment import run_script
from studies.cosines.networks import GENERATORS, PUBLISHED_WIDTH
from studies.cosines.study import CosineStudy
from studies.cosines.waves import Frequency

EXAMPLES = """\
examples:
  python examples/cosine_bias.py --frequencies 3,3 16,16 29,29 --generator plain shifted --out output/cosines
  python examples/cosine_bias.py --frequencies 3,3+29,29 --generator fsg16 --out output/mixture
  python examples/cosine_bias.py --resolution 128 --width 64 --frequencies 61,61 --device cuda --out output/full

The last has the published sizes. One run writes metrics.csv, spectra.npz, config.json, report.html, figures and a
checkpoint to DIR. Several, one per generator and per frequency, write to DIR/GENERATOR-FREQUENCY, and all their rows
and spectra to DIR as well.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = command_line.Parser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    images = parser.add_argument_group("waves and networks")
    images.add_argument(
        "--frequencies", metavar="U,V", nargs="+", type=frequencies, default=[((3, 3),), ((16, 16),), ((29, 29),)],
        help="cycles per image along columns and rows, a run each; U,V+U,V is the mean of waves, one run. "
        "U,V and -U,-V are the same wave: write it with U >= 0 (default: 3,3 16,16 29,29)",
    )  # fmt: skip
    images.add_argument(
        "--generator", metavar="NAME", nargs="+", choices=GENERATORS, default=["plain"],
        help=f"one or more of {', '.join(GENERATORS)} (default: plain)",
    )  # fmt: skip
    images.add_argument(
        "--resolution", metavar="N", type=command_line.resolution, default=64, help="side in pixels (default: 64)"
    )
    images.add_argument(
        "--width", metavar="N", type=command_line.positive, default=16,
        help=f"channels of the networks' layers next to the image; {PUBLISHED_WIDTH} was published (default: 16)",
    )  # fmt: skip
    command_line.add_run_options(parser, steps=1000, eval_every=50, batch=32)
    return parser.parse_args(arguments)


def frequencies(text: str) -> tuple[Frequency, ...]:
    """The waves of one data set: "3,3" or "3,3+29,29"."""
    try:
        return tuple((int(u), int(v)) for u, v in (wave.split(",") for wave in text.split("+")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be U,V or U,V+U,V in cycles per image; got {text!r}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the experiment; returns the exit code."""
    return run_script(CosineStudy, parse(arguments), "cosine_bias.py")


if __name__ == "__main__":
    sys.exit(main())
