"""Writes the toyset, 8-bit pictures whose spectrum is two rings, as PNG files (Schwarz, Liao, Geiger 2021)."""

from __future__ import annotations

import sys
from pathlib import Path

from testbeds import command_line
from testbeds.errors import InputError
from testbeds.toyset import FULL_SIZE, write_toyset


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures; returns the exit code."""
    parser = command_line.Parser(description=__doc__)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--resolution", metavar="N", type=command_line.resolution, default=64, help="default: 64")
    parser.add_argument(
        "--count", metavar="N", type=command_line.positive, default=FULL_SIZE, help=f"pictures (default: {FULL_SIZE})"
    )
    options = parser.parse_args(arguments)
    try:
        paths = write_toyset(options.out, options.resolution, range(options.count))
    except InputError as error:
        print(f"make_toyset.py: error: {error}", file=sys.stderr)
        return 2
    print(f"{len(paths)} pictures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
