"""Discriminator testbed: which frequencies does a discriminator teach, with which downsampling?

The pixels of images are trained by nothing but a discriminator, as in a GAN whose generator is free of any bias; the
images, their spectrum and the evolution of its error show the bias of the discriminator (Schwarz, Liao, Geiger: On the
Frequency Bias of Generative Models, NeurIPS 2021).
"""

from __future__ import annotations

import argparse
import sys

from studies.core.command_line import Parser
from studies.core.experiment import run_script
from studies.testbeds.discriminator_run import MLP, DiscriminatorRun, DiscriminatorSettings
from studies.testbeds.networks.generator import PADDINGS
from studies.testbeds.study import ReconstructionStudy, add_shared_options

TITLES = {
    "avg": "Average",
    "stride": "Stride",
    "schwarz_blur": "Blur and average",
    "blur": "Binomial of 3 taps",
    "binomial": "Binomial of 5 taps",
    "sinc": "Windowed sinc",
}

EXAMPLES = """\
examples:
  python examples/discriminator_testbed.py --downsample avg stride schwarz_blur --out output/downsampling
  python examples/discriminator_testbed.py --downsample stride --spectrum-discriminator --out output/spectrum
  python examples/discriminator_testbed.py --highpass --downsample schwarz_blur --out output/highpass
  python examples/discriminator_testbed.py --model mlp --out output/mlp
  python examples/discriminator_testbed.py --model studies.testbeds.stylegan2:Discriminator --out output/stylegan2

With one --downsample, DIR gets metrics.csv, spectra.npz, config.json, report.html, pictures and a checkpoint. With
several, each run gets the folder DIR/MODE and DIR a report that compares them.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    network = parser.add_argument_group("network")
    kind = network.add_mutually_exclusive_group()
    kind.add_argument(
        "--downsample", nargs="+", choices=TITLES, default=["avg"], metavar="MODE",
        help=f"one or more of {', '.join(TITLES)} (default: avg)",
    )  # fmt: skip
    kind.add_argument(
        "--model", metavar="mlp|MODULE:CLASS",
        help="three hidden dense layers (mlp), or a network of yours: CLASS(resolution, n_logits), called with images "
        "[n, 3, N, N], returns logits [n, n_logits]",
    )  # fmt: skip
    network.add_argument("--padding", choices=PADDINGS, default="zeros", help="of 3x3 convolutions (default: zeros)")
    network.add_argument(
        "--spectrum-discriminator", action="store_true", help="add a discriminator that sees the radial spectrum alone"
    )
    add_shared_options(parser, steps=2000, eval_every=50)
    return parser.parse_args(arguments)


class DiscriminatorStudy(ReconstructionStudy):
    """A run per --downsample, or one of the --model."""

    testbed = DiscriminatorRun.testbed
    run = DiscriminatorRun
    titles = TITLES | {MLP: "MLP"}

    def settings(self) -> list[DiscriminatorSettings]:
        return [DiscriminatorSettings.of(self.options, downsample=mode) for mode in self.options.downsample]


def main(arguments: list[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    return run_script(DiscriminatorStudy, parse(arguments), "discriminator_testbed.py")


if __name__ == "__main__":
    sys.exit(main())
