"""The commands of `python examples/studies`: what is done with many runs of the example scripts.

Each is a module with `add_options` and `run`, which returns the exit code.
"""

from __future__ import annotations

import argparse
import signal
import sys

from studies.core.command_line import Parser
from studies.core.errors import InputError, TrainingError

from . import claims, compare, fixes, toyset

COMMANDS = {"claims": claims, "compare": compare, "fixes": fixes, "toyset": toyset}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command and its options."""
    parser = Parser(prog="studies", description="Runs the example scripts many times, and compares what they measured.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        description = str(module.__doc__)
        command = commands.add_parser(
            name,
            help=description.partition("\n")[0],
            description=description,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(command)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code, or 2 with a line that says why it could not be run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that trainings under way are ended too
    options = parse(arguments)
    try:
        return COMMANDS[options.command].run(options)
    except (InputError, TrainingError) as error:
        print(f"studies {options.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on (results so far: {options.out})", file=sys.stderr)
        return 130
