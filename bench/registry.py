"""What is measured: an entry is one claim at one size, on the devices for which it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

Run = Callable[..., Any]


class PeerError(Exception):
    """Says why a peer cannot run on this machine: its entry is then left out."""


class Side(NamedTuple):
    """A function to time, and on how many threads of the host."""

    run: Run
    threads: int = 1


@dataclass(frozen=True)
class Sides:
    """What an entry times.

    Attributes:
        ours: the function of specops.
        peers: functions of others by name.
        inputs: sets of arguments; each side is called with all of them in turn.
        against: names of the peers that our time is divided by; all peers where it is empty.
        combine: makes one time of theirs: `sum`, or `min` for the best of them.
        error: how much, in relative L2, a result may differ from the first peer's; None where they are not compared.
    """

    ours: Side
    peers: Mapping[str, Side]
    inputs: Sequence[Sequence[Tensor]] = ((),)
    against: tuple[str, ...] = ()
    combine: Callable[[Iterable[float]], float] = sum
    error: float | None = None


class Figure(NamedTuple):
    """A number of bytes or an error that was measured, and how large it may be."""

    value: float
    allowed: float


@dataclass(frozen=True)
class Entry:
    """One claim at one size.

    Attributes:
        claim: what is compared with what; entries of one claim make one line of the plot.
        case: number and size of the planes, then what is special about them.
        tests: files under tests/ that must pass before the entry is measured.
        setup: device -> what to time, or a figure; raises PeerError. Called once, just before the timing.
        must, aim: bounds of the ratio ours / peers; None where there is none.
        pixels: input pixels per call, for ns per pixel; 0 where calls are what counts.
        moved: bytes that a call must read or write, for GB/s; 0 where they are not counted.
        op: op whose backends on the device are each timed by themselves; "" for the backend that is selected.
        devices: types of the devices on which the entry is measured.
        alone: timed in a process of its own that recycles memory. Else the large temporaries of a published procedure
            may be mapped anew in each call or in none, which doubles its time or not.
        quick: whether a quick run has it.
    """

    claim: str
    case: str
    tests: tuple[str, ...]
    setup: Callable[[torch.device], Sides | Figure]
    must: float | None = None
    aim: float | None = None
    pixels: int = 0
    moved: int = 0
    op: str = ""
    devices: tuple[str, ...] = ("cpu",)
    alone: bool = False
    quick: bool = True


def case_of(shape: Sequence[int], dtype: torch.dtype = torch.float32, *words: str) -> str:
    """Returns number and size of the planes of images [..., H, W], then the type unless it is float32, then the words.

    Example:
        >>> case_of((4, 64, 32, 32), torch.float16)
        '256 x 32², float16'
    """
    *batch, H, W = shape
    size = f"{H}²" if H == W else f"{H} x {W}"
    kind = () if dtype == torch.float32 else (str(dtype).removeprefix("torch."),)
    return ", ".join((f"{torch.Size(batch).numel()} x {size}", *kind, *words))
