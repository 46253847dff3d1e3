"""Generator testbed: which frequencies does a generator learn, with which upsampling?

A generator regresses fixed images from fixed noise by pixel MSE; the reconstruction, its spectrum and the evolution of
its spectrum error show the bias of the architecture (Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models,
NeurIPS 2021).
"""

from __future__ import annotations

import argparse
import sys

from testbeds import command_line
from testbeds.errors import InputError
from testbeds.generator_experiment import run_experiment
from testbeds.networks import PADDINGS, UPSAMPLINGS

EXAMPLES = """\
examples:
  python examples/generator_testbed.py --data photo --upsample bilinear nearest zeros --out output/photo
  python examples/generator_testbed.py --image cat.png --image dogs/ --upsample shuffle --out output/pets
  python examples/generator_testbed.py --image cat.png --image dogs/ --upsample shuffle --out output/pets --resume

With one --upsample, DIR gets metrics.csv, spectra.npz, config.json, report.html, pictures and a checkpoint. With
several, each run gets the folder DIR/MODE and DIR a report that compares them.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = command_line.Parser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--upsample", nargs="+", choices=UPSAMPLINGS, default=["bilinear"], metavar="MODE",
        help=f"one or more of {', '.join(UPSAMPLINGS)}; zeros is bed of nails (default: bilinear)",
    )  # fmt: skip
    network.add_argument(
        "--padding", choices=PADDINGS, default="reflect", help="of 3x3 convolutions (default: reflect)"
    )
    command_line.add_shared_options(parser, steps=1500, eval_every=50)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    options = parse(arguments)
    try:
        print(run_experiment(options))
    except InputError as error:
        print(f"generator_testbed.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; go on with the same command and --resume (results so far: {options.out})", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
