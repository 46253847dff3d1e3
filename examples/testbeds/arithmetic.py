"""In which order a training adds: the fastest one here, or the published code's.

The same formulas, and the same numbers up to rounding, which training amplifies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

import specops

FAST, PUBLISHED = "fast", "published"
ARITHMETICS = (FAST, PUBLISHED)

_current = FAST


@contextlib.contextmanager
def arithmetic(name: str) -> Iterator[None]:
    """Within it, networks and optimizers are made, and trained, with this arithmetic.

    Args:
        name: `fast`: lean gradients, channels_last, fused Adam, specops' kernels; `published`: torch's own layers,
            their derivatives by autograd, memory order and Adam, and specops' reference, which is torch's too.
    """
    global _current
    before, _current = _current, name
    try:
        with specops.backends.use("reference") if name == PUBLISHED else contextlib.nullcontext():
            yield
    finally:
        _current = before


def is_published() -> bool:
    """Whether the present arithmetic is the published one."""
    return _current == PUBLISHED


def memory_format() -> torch.memory_format:
    """Of images and weights of convolutions."""
    return torch.contiguous_format if is_published() else torch.channels_last


def adam(parameters: Iterable[Tensor], rate: float) -> torch.optim.Adam:
    """The optimizer of Schwarz et al. 2021."""
    return torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.99), eps=1e-8, fused=None if is_published() else True)
