"""GAN fixes: real adversarial training, and what each fix of the frequency bias does to it, by the same yardsticks.

SNGAN, SSGAN or InfoMax-GAN on photographs, on pictures whose spectrum is two rings, or on a folder of yours; evaluated
against held-out real images. Several processes: torchrun --nproc-per-node 2 examples/gan_fixes.py …
"""

from __future__ import annotations

import argparse
import sys

from studies.core.command_line import Parser
from studies.core.experiment import run_script
from studies.gans.command_line import add_options
from studies.gans.study import GanStudy

EXAMPLES = """\
examples:
  python examples/gan_fixes.py --data photo-crops --fix hfc --width 32 --steps 2000 --out output/hfc
  python examples/gan_fixes.py --data faces/ --arch ssgan --fix hff+spectrum-discriminator --out output/faces
  python examples/gan_fixes.py --data toyset --fix fsg --shift-images --width 32 --steps 2000 --out output/shifted
  torchrun --nproc-per-node 2 examples/gan_fixes.py --data faces/ --device cuda --amp --out output/faces2

DIR gets metrics.csv, spectra.npz, config.json, report.html, figures, samples and a checkpoint.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Train the network; returns the exit code."""
    return run_script(GanStudy, parse(arguments), "gan_fixes.py")


if __name__ == "__main__":
    sys.exit(main())
