"""Writes the toyset, 8-bit pictures whose spectrum is two rings, as PNG files (Schwarz, Liao, Geiger 2021)."""

from __future__ import annotations

import argparse
from pathlib import Path

from studies.core import command_line
from studies.core.data.toyset import FULL_SIZE, write_toyset


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--resolution", metavar="N", type=command_line.resolution, default=64, help="default: 64")
    parser.add_argument(
        "--count", metavar="N", type=command_line.positive, default=FULL_SIZE, help=f"pictures (default: {FULL_SIZE})"
    )


def run(options: argparse.Namespace) -> int:
    """Write the pictures."""
    paths = write_toyset(options.out, options.resolution, range(options.count))
    print(f"{len(paths)} pictures in {options.out}")
    return 0
