"""The commands `python -m specops info` and `python -m specops spectrum`."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch

import specops
from specops import _library, backends


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    parser = _Parser(prog="specops", description=specops.__doc__)
    parser.add_argument("--version", action="version", version=specops.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, build, instruction set, and which backend serves each op and why")
    spectrum = commands.add_parser("spectrum", help="radial spectra of folders of pictures, compared on an HTML page")
    spectrum.add_argument("sources", metavar="DIR_OR_IMAGE", nargs="+", type=Path, help="a folder or a picture each")
    spectrum.add_argument("--out", metavar="FILE", type=Path, required=True, help="the page, self-contained HTML")
    spectrum.add_argument(
        "--size", metavar="N", type=int, help="side of the centre square of pictures (default: the largest in all)"
    )
    options = parser.parse_args(argv)
    if options.command == "spectrum":
        return write_spectra(options.sources, options.out, options.size)
    print(info())
    return 0


class _Parser(argparse.ArgumentParser):
    """Argument parser that tells wrong usage in one line, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def write_spectra(sources: Sequence[Path], out: Path, size: int | None) -> int:
    """Writes the page of `python -m specops spectrum`, prints its table and returns the exit code."""
    try:
        from specops.spectra.page import write_spectrum_report
        from specops.spectra.sources import InputError
    except ImportError as error:
        hint = "pip install 'specops[examples]' installs it"
        print(f"specops spectrum: error: {error.name} is not installed; {hint}", file=sys.stderr)
        return 2
    try:
        print(write_spectrum_report(sources, out, size=size))
    except InputError as error:
        print(f"specops spectrum: error: {error}", file=sys.stderr)
        return 2
    return 0


def info() -> str:
    """Returns what `python -m specops info` prints."""
    lines = [
        f"specops    {specops.__version__}",
        f"torch      {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads",
    ]
    if missing := backends.no_extension():
        lines.append(f"extension  none: {missing}")
    else:
        built = _library.build_info()
        lines.append(f"extension  built by {built['compiler']}")
        try:
            isa = _library.isa()
        except RuntimeError as error:
            isa = f"none: {error}"
        lines.append(f"ISA        {isa} (compiled: {', '.join(built['isas'])})")
        without = backends.cuda_build()
        lines.append(f"CUDA       none: {without}" if without else f"CUDA       kernels for {built['cuda']}")
    for device in backends.ORDER:
        lines += ["", f"on {device} tensors"]
        rows = backends.report(device)
        for op in backends.ops():
            states: dict[str, list[str]] = {}
            for row in rows:
                if row["op"] == op:
                    states.setdefault(row["state"], []).append(row["backend"])
            serving = ", ".join(states.pop("in use", ["none"]))
            others = "; ".join(f"{', '.join(names)}: {state}" for state, names in states.items())
            lines.append(f"  {op:{max(map(len, backends.ops()))}}  {serving:9}  ({others})")
    return "\n".join(lines)
