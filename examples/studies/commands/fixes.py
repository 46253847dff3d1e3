"""Every GAN fix against none and the sweep over carrier frequencies, three seeds each; writes docs/fixes.md.

Two runs at a time, one thread each. What is finished is not run again: stop it at any moment, and start it again.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from specops.report.figures import png
from specops.report.files import write_atomically
from studies.core.command_line import positive
from studies.core.sweep import effort, run_all
from studies.cosines import sweep as cosine_sweep
from studies.gans import sweep as fix_sweep

DOCUMENT = Path(__file__).parents[3] / "docs" / "fixes.md"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("output/fixes"), help="default: output/fixes")
    parser.add_argument("--at-once", metavar="N", type=positive, default=2, help="runs at a time (default: 2)")
    parser.add_argument("--document", metavar="FILE", type=Path, default=DOCUMENT, help="default: docs/fixes.md")


def run(options: argparse.Namespace) -> int:
    """Run what is not finished and write the document."""
    gans, cosines = fix_sweep.jobs(options.out / "gans"), cosine_sweep.jobs(options.out / "cosines")
    run_all([*gans, *cosines], at_once=options.at_once)
    costs = fix_sweep.measured_costs(options.out / "cost.json")
    results = fix_sweep.load(options.out / "gans")
    folders = [job.folder for job in cosines]
    pictures = options.document.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    write_atomically(pictures / "spectra.png", png(fix_sweep.spectra_figure(results)))
    write_atomically(pictures / "cosines.png", png(cosine_sweep.figure(folders)))
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
    print(f"{options.document} and {pictures}/*.png")
    return 0
