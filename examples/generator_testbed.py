"""Generator testbed: which frequencies does a generator learn, with which upsampling?

A generator regresses fixed images from fixed noise; the reconstruction, its spectrum and the evolution of its spectrum
error show the bias of the architecture (Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models, NeurIPS
2021).
"""

from __future__ import annotations

import argparse
import sys

from studies.core import command_line
from studies.testbeds.experiment import run_experiment
from studies.testbeds.generator_run import LOSSES, GeneratorRun, GeneratorSettings
from studies.testbeds.networks.generator import PADDINGS

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
    parser = command_line.Parser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        "--loss-weights", nargs=2, type=command_line.weight, default=[1.0, 0.01], metavar=("MSE", "LOG_SPECTRUM"),
        help="of the two parts of mse+log-spectrum (default: 1 0.01)",
    )  # fmt: skip
    command_line.add_shared_options(parser, steps=1500, eval_every=50)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> str:
    """Train what the options ask for; returns the final table."""
    mse_weight, log_spectrum_weight = options.loss_weights
    settings = [
        GeneratorSettings(
            **command_line.shared_settings(options),
            upsample=mode,
            padding=options.padding,
            loss=options.loss,
            mse_weight=mse_weight,
            log_spectrum_weight=log_spectrum_weight,
            model=options.model,
        )
        for mode in options.upsample
    ]
    return run_experiment(options, GeneratorRun, settings, TITLES)


def main(arguments: list[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    return command_line.report_errors(run, parse(arguments), "generator_testbed.py")


if __name__ == "__main__":
    sys.exit(main())
