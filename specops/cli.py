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
        built = extension.build_info()
        lines.append(f"extension  built by {built['compiler']} for torch {built['torch']}")
        try:
            isa = extension.isa()
        except RuntimeError as error:
            isa = f"none: {error}"
        lines.append(f"ISA        {isa} (compiled: {', '.join(built['isas'])})")
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
