"""Command line options of every run, and their checks."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import torch

T = TypeVar("T", int, float)


def number(kind: type[T], allowed: Callable[[T], bool], told: str) -> Callable[[str], T]:
    """The type of an option that takes `allowed` integers, or numbers; errors say that it must be `told`."""

    def parse(text: str) -> T:
        try:
            value = kind(text)
        except ValueError as error:
            expected = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {expected}; got {text!r}") from error
        if not allowed(value):
            raise argparse.ArgumentTypeError(f"must be {told}; got {text}")
        return value

    return parse


positive = number(int, lambda n: n >= 1, "at least 1")
weight = number(float, lambda w: 0 <= w < math.inf, "at least 0 and finite")
seed = number(int, lambda n: 0 <= n < 2**63, "in [0, 2^63)")
resolution = number(int, lambda n: 8 <= n <= 1024 and n & (n - 1) == 0, "a power of two from 8 to 1024")
"""At the largest, the last layers of the shuffling network have one channel."""


class Parser(argparse.ArgumentParser):
    """Argument parser that tells wrong usage in one line, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print `message` without the usage text and exit."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def add_run_options(
    parser: argparse.ArgumentParser, *, steps: int, eval_every: int, batch: int
) -> argparse._ArgumentGroup:
    """Add the options of every run whatever it trains on, with these defaults; returns those of the run itself."""
    run = parser.add_argument_group("run")
    run.add_argument("--steps", metavar="N", type=positive, default=steps, help=f"training steps (default: {steps})")
    run.add_argument(
        "--eval-every", metavar="N", type=positive, default=eval_every,
        help=f"steps between evaluations; each also saves a checkpoint (default: {eval_every})",
    )  # fmt: skip
    run.add_argument(
        "--batch", metavar="N", type=positive, default=batch, help=f"images per step, at most (default: {batch})"
    )
    run.add_argument("--seed", metavar="N", type=seed, default=0, help="of latents, weights and order (default: 0)")
    run.add_argument("--device", metavar="NAME", type=device, default="cpu", help="cpu, cuda, cuda:1, … (default: cpu)")
    run.add_argument("--threads", metavar="N", type=positive, help="CPU threads (default: torch's choice)")
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for all results")
    existing = output.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume", action="store_true",
        help="go on with the run in DIR, to the same numbers as if it had never stopped; --steps may grow. "
        "Starts a run if DIR is missing or empty",
    )  # fmt: skip
    existing.add_argument("--overwrite", action="store_true", help="replace the results in DIR")
    return run


def device(text: str) -> torch.device:
    """A device that holds a tensor here and now."""
    try:
        found = torch.device(text)
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"cannot use device {text!r}: {reason}") from error
    return found
