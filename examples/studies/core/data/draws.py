"""Random draws that depend on their number alone, not on the draws before: nothing of them is in a checkpoint.

The n-th batch of latents or crops is the same after an interruption, and with any number of workers and processes.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch


def sequence(seed: int, stream: str, number: int) -> np.random.SeedSequence:
    """The seeds of draw `number` in a named stream of the run's `seed`."""
    return np.random.SeedSequence([seed, zlib.crc32(stream.encode()), number])


def generator(seed: int, stream: str, number: int) -> torch.Generator:
    """A generator on the CPU for draw `number` in a named stream of the run's `seed`."""
    (state,) = sequence(seed, stream, number).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
