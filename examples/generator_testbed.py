"""Generator testbed: which frequencies does a generator learn, with which upsampling?

A generator regresses fixed images from fixed noise; the reconstruction, its spectrum and the evolution of its spectrum
error show the bias of the architecture (Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models, NeurIPS
2021).
"""

from __future__ import annotations

import argparse
import sys

from studies.core.command_line import Parser, weight
from studies.core.experiment import run_script
from studies.testbeds.generator_run import LOSSES, GeneratorRun, GeneratorSettings
from studies.testbeds.networks.generator import PADDINGS
from studies.testbeds.study import ReconstructionStudy, add_shared_options

TITLES = {
    "bilinear": "Bilinear",
    "nearest": "Nearest neighbour",
    "zeros": "Bed of nails (zeros)",
    "shuffle": "Pixel shuffle",
    "binomial": "Binomial",
    "sinc": "Windowed sinc",
}

EXAMPLES = """\
examples:
  python examples/generator_testbed.py --data photo --upsample bilinear nearest zeros --out output/photo
  python examples/generator_testbed.py --image cat.png --image dogs/ --upsample shuffle --out output/pets
  python examples/generator_testbed.py --image cat.png --image dogs/ --upsample shuffle --out output/pets --resume
  python examples/generator_testbed.py --data toyset --padding zeros --loss mse+log-spectrum --out output/toyset
  python examples/generator_testbed.py --model studies.testbeds.stylegan2:Generator --out output/stylegan2

With one --upsample, DIR gets metrics.csv, spectra.npz, config.json, report.html, pictures and a checkpoint. With
several, each run gets the folder DIR/MODE and DIR a report that compares them.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    network = parser.add_argument_group("network")
    kind = network.add_mutually_exclusive_group()
    kind.add_argument(
        "--upsample", nargs="+", choices=TITLES, default=["bilinear"], metavar="MODE",
        help=f"one or more of {', '.join(TITLES)}; zeros is bed of nails (default: bilinear)",
    )  # fmt: skip
    kind.add_argument(
        "--model", metavar="MODULE:CLASS",
        help="a network of yours instead: CLASS(resolution), called with z [n, 64], returns images [n, 3, N, N]",
    )  # fmt: skip
    network.add_argument(
        "--padding", choices=PADDINGS, default="reflect", help="of 3x3 convolutions (default: reflect)"
    )
    network.add_argument("--loss", choices=LOSSES, default="mse", help="log-spectrum sees the checkerboard")
    network.add_argument(
        "--loss-weights", nargs=2, type=weight, default=[1.0, 0.01], metavar=("MSE", "LOG_SPECTRUM"),
        help="of the two parts of mse+log-spectrum (default: 1 0.01)",
    )  # fmt: skip
    add_shared_options(parser, steps=1500, eval_every=50)
    return parser.parse_args(arguments)


class GeneratorStudy(ReconstructionStudy):
    """A run per --upsample, or one of the --model."""

    testbed = GeneratorRun.testbed
    run = GeneratorRun
    titles = TITLES

    def settings(self) -> list[GeneratorSettings]:
        weights = dict(zip(("mse_weight", "log_spectrum_weight"), self.options.loss_weights, strict=True))
        return [GeneratorSettings.of(self.options, upsample=mode, **weights) for mode in self.options.upsample]


def main(arguments: list[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    return run_script(GeneratorStudy, parse(arguments), "generator_testbed.py")


if __name__ == "__main__":
    sys.exit(main())
