"""How far a run is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TypeVar

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0
SECONDS_UNTOLD = 10.0
T = TypeVar("T")


def told(name: str, sets: Sequence[T]) -> Iterator[T]:
    """Yields sets, of which is told how many are done where that takes long."""
    with progress(name, len(sets), unit="sets", at_once=False) as tell:
        for done, one in enumerate(sets, 1):
            yield one
            tell(done)


@contextmanager
def progress(
    name: str, total: int | None, start: int = 0, shown: bool = True, unit: str = "images", at_once: bool = True
) -> Iterator[Callable[[int], None]]:
    """Yields a function of the number that is done; what is not told at once is only where it takes long."""
    terminal = sys.stderr.isatty()
    with tqdm(
        desc=name,
        total=total,
        initial=start,
        unit=f" {unit}",
        delay=0 if at_once else SECONDS_UNTOLD,
        disable=not shown,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        dynamic_ncols=terminal,
        bar_format=None
        if terminal or total is None
        else f"{{desc}}: {{n_fmt}} of {{total_fmt}} {unit}, {{rate_fmt}}, {{remaining}} left",
        mininterval=0.1 if terminal else SECONDS_BETWEEN_LINES,
        maxinterval=10 if terminal else SECONDS_BETWEEN_LINES,
        miniters=None if terminal else 1,
    ) as bar:
        yield lambda done: bar.update(done - bar.n)


class _Lines:
    """A stream on which each state of a bar is a line of its own."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            self.stream.write(f"{line}\n")

    def flush(self) -> None:
        self.stream.flush()
