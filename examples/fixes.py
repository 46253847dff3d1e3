"""Every GAN fix against none and the sweep over carrier frequencies, three seeds each; writes docs/fixes.md.

Two runs at a time, one thread each. What is finished is not run again: stop it at any moment, and start it again.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from pathlib import Path

from gans import cosine_sweep, fix_sweep
from testbeds import plots
from testbeds.command_line import Parser, positive, report_errors
from testbeds.files import write_atomically
from testbeds.sweep import effort, run_all

DOCUMENT = Path(__file__).parents[1] / "docs" / "fixes.md"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("output/fixes"), help="default: output/fixes")
    parser.add_argument("--at-once", metavar="N", type=positive, default=2, help="runs at a time (default: 2)")
    parser.add_argument("--document", metavar="FILE", type=Path, default=DOCUMENT, help="default: docs/fixes.md")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> str:
    """Run what is not finished and write the document; returns where it is."""
    gans, cosines = fix_sweep.jobs(options.out / "gans"), cosine_sweep.jobs(options.out / "cosines")
    run_all([*gans, *cosines], at_once=options.at_once)
    costs = fix_sweep.measured_costs(options.out / "cost.json")
    results = fix_sweep.load(options.out / "gans")
    folders = [job.folder for job in cosines]
    pictures = options.document.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    write_atomically(pictures / "spectra.png", plots.png(fix_sweep.spectra_figure(results)))
    write_atomically(pictures / "cosines.png", plots.png(cosine_sweep.figure(folders)))
    samples = io.BytesIO()
    fix_sweep.samples_picture(options.out / "gans").save(samples, format="PNG", optimize=True)
    write_atomically(pictures / "samples.png", samples.getvalue())
    text = fix_sweep.document(
        results,
        costs,
        cosines=[cosine_sweep.introduction(), "", *cosine_sweep.table(folders)],
        effort=effort([*(job.folder for job in gans), *cosine_sweep.run_folders(folders)]),
        pictures=pictures.name,
    )
    write_atomically(options.document, text.encode())
    return f"{options.document} and {pictures}/*.png"


def main(arguments: list[str] | None = None) -> int:
    """Run the sweep; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that runs under way are ended too
    return report_errors(run, parse(arguments), "fixes.py")


if __name__ == "__main__":
    sys.exit(main())
