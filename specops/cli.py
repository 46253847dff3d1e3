"""The commands `python -m specops info` and `python -m specops spectrum`."""

from __future__ import annotations

import argparse
import io
import os
import platform
import sys
from collections.abc import Sequence
from typing import NoReturn

import torch

import specops
from specops import _library, backends
from specops.spectra.options import add_options


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):  # names of files have letters that a terminal may not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _Parser(prog="specops", description=specops.__doc__)
    parser.add_argument("--version", action="version", version=specops.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, build, instruction set, and which backend serves each op and why")
    spectrum = commands.add_parser("spectrum", help="radial spectra of sets of pictures, compared on an HTML page")
    add_options(spectrum)
    options = parser.parse_args(argv)
    if options.command == "spectrum":
        return spectrum_of(options)
    return tell(info())


class _Parser(argparse.ArgumentParser):
    """Argument parser that tells wrong usage in one line, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def spectrum_of(options: argparse.Namespace) -> int:
    """Runs `python -m specops spectrum` and returns its exit code.

    2 for wrong input, 3 where pictures were skipped, 130 after Ctrl-C, 1 where the machine lets it go no further.
    """
    try:
        from specops.spectra.command import run
        from specops.spectra.errors import CutOffError, InputError
    except ImportError as error:
        return failed(2, f"{error.name} is not installed; pip install 'specops[examples,metrics]' installs it")
    try:
        code, text = run(options)
    except InputError as error:
        return failed(2, str(error))
    except KeyboardInterrupt:
        return failed(130, "interrupted; give --resume to go on")
    except CutOffError as error:
        return failed(1, f"{error}; give --resume to go on")
    except OSError as error:
        return failed(1, f"{error.filename or options.out}: {error.strerror or error}; give --resume to go on")
    return tell(text) or code


def failed(code: int, reason: str) -> int:
    """Prints in one line why `specops spectrum` failed, and returns the code."""
    print(f"specops spectrum: error: {reason}", file=sys.stderr)
    return code


def tell(text: str) -> int:
    """Prints a text, and returns 1 where that fails; a reader that has seen enough, as `head`, is no failure."""
    try:
        print(text, end="\n" if text else "", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the rest fails when Python ends
        return 0 if isinstance(error, BrokenPipeError) else failed(1, f"stdout: {error.strerror}")
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
