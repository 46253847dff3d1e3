"""What is measured: one entry per claim and size, and where entries are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Run = Callable[[], Any]


class PeerError(Exception):
    """Says why a peer cannot run on this machine: its entry is then left out."""


@dataclass(frozen=True)
class Timed:
    """A function to time, and on how many threads."""

    run: Run
    threads: int = 1


@dataclass(frozen=True)
class Timings:
    """What an entry times.

    Attributes:
        ours: the function of specops.
        peers: named functions of others; those in `against` make the ratio.
        against: names of peers whose times are combined.
        combine: `sum` of their times, or `min`: the best of them.
    """

    ours: Timed
    peers: dict[str, Timed]
    against: tuple[str, ...]
    combine: Callable[[Iterable[float]], float] = sum


@dataclass(frozen=True)
class Entry:
    """One claim at one size.

    Attributes:
        claim: what is compared with what; entries of one claim make one line of the plot.
        case: size or dtype.
        tests: files under tests/ that must pass before a speed of this op is shown.
        setup: returns what to time, or raises PeerError; called once, just before.
        must, aim: bounds of the ratio ours / peers; None where there is none.
        pixels: input pixels per call, for ns per pixel; 0 where calls are what counts.
        alone: timed in a process of its own that recycles memory. Else the large temporaries of a published procedure
            may be mapped anew in each call or in none, which doubles its time or not.
    """

    claim: str
    case: str
    tests: tuple[str, ...]
    setup: Callable[[], Timings]
    must: float | None = None
    aim: float | None = None
    pixels: int = 0
    alone: bool = False


@dataclass(frozen=True)
class MemoryEntry:
    """A bound on the peak of resident memory beyond inputs, outputs and gradients.

    Attributes:
        prepare: source text that defines `run` and `held`, the bytes of outputs and gradients; it runs in a process of
            its own.
        bound: bytes allowed beyond those.
    """

    claim: str
    case: str
    tests: tuple[str, ...]
    prepare: str
    bound: int


@dataclass(frozen=True)
class AccuracyEntry:
    """A bound on an error.

    Attributes:
        measure: returns the error, and how much is allowed.
    """

    claim: str
    case: str
    tests: tuple[str, ...]
    measure: Callable[[], tuple[float, float]]


@dataclass
class Registry:
    """Entries in the order in which they are run."""

    entries: list[Entry] = field(default_factory=list)
    memory: list[MemoryEntry] = field(default_factory=list)
    accuracy: list[AccuracyEntry] = field(default_factory=list)


REGISTRY = Registry()
