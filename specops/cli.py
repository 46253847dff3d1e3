"""The command line of specops."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence

import torch

import specops
from specops import backends


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="specops", description=specops.__doc__)
    parser.add_argument("--version", action="version", version=specops.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, build, instruction set, and which backend serves each op and why")
    parser.parse_args(argv)
    print(info())
    return 0


def info() -> str:
    """Returns what `python -m specops info` prints."""
    extension = backends.native()
    lines = [
        f"specops    {specops.__version__}",
        f"torch      {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads",
    ]
    if isinstance(extension, str):
        lines.append(f"extension  none: {extension}")
    else:
        built = ", ".join(f"{key} {value}" for key, value in extension.build_info().items())
        lines += [f"extension  {built}", f"ISA        {extension.isa()}"]
    for device in backends.ORDER:
        lines += ["", f"on {device} tensors"]
        rows = backends.report(device)
        width = max(len(row["op"]) for row in rows)
        for op in backends.ops():
            states = [row for row in rows if row["op"] == op]
            for name, row in zip([op, *[""] * len(states)], states, strict=False):
                lines.append(f"  {name:{width}}  {row['backend']:9}  {row['state']}")
    return "\n".join(lines)
