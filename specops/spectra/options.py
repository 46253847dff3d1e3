"""The arguments of `specops spectrum`; nothing that the extra `examples` brings is needed to read them."""

from __future__ import annotations

import argparse
from pathlib import Path

from specops import geometry


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to a parser."""
    add = parser.add_argument
    add(
        "sets",
        metavar="SET",
        nargs="+",
        type=Path,
        help="picture, folder, .zip, .tar, .npy or .npz; the first is the reference",
    )
    add("--out", metavar="DIR", type=Path, required=True, help="folder of the page and the numbers")
    add("--name", metavar="NAME", action="append", default=[], help="of a set, in their order")
    add("--size", metavar="N", type=int, help="take the centre square of N pixels a side of each picture")
    add(
        "--resize",
        metavar="N",
        type=int,
        help="resample the centre square of each picture to N pixels a side, antialiased",
    )
    add("--range", metavar=("LOW", "HIGH"), nargs=2, type=float, default=(-1.0, 1.0), help="of floating-point values")
    add("--convention", choices=geometry.CONVENTIONS, default="schwarz2021", help="of radial bins")
    add("--window", choices=("hann",), help="multiplied to pictures first")
    add("--swd", action="store_true", help="sliced Wasserstein distances by level, too, of 512 pictures of each set")
    add("--device", default="cpu", help="where spectra are computed")
    add("--workers", metavar="N", type=int, default=2, help="processes that decode pictures")
    add(
        "--batch",
        metavar="N",
        type=int,
        help="pictures that are decoded and measured together (default: 16 MB of them)",
    )
    add("--limit", metavar="N", type=int, help="pictures of each set, from the first on")
    add("--resume", action="store_true", help="go on where a run into the same folder was cut off")
    add("--overwrite", action="store_true", help="replace what is in the folder")
