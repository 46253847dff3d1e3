"""Random arguments of upfirdn2d, from a seed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype
from specops.ops.resample.contract import BOUNDARIES, output_size

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Draw:
    """Random arguments of upfirdn2d, from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = self.choice(DTYPES)
        while True:
            self.size = (self.integer(1, 9), self.integer(1, self.choice((9, 40, 150))))
            self.taps = (self.integer(1, 6), self.integer(1, 13))
            self.along_axes = self.integer(0, 3) == 0  # taps that are 1-D
            if self.along_axes:
                self.taps = (self.taps[1], self.taps[1])
            self.up = (self.integer(1, 5), self.integer(1, 4))
            self.down = (self.integer(1, 5), self.integer(1, 4))
            self.padding = tuple(self.integer(-3, self.choice((3, 15))) for _ in range(4))
            self.out = output_size(self.size, self.taps, self.up, self.down, self.padding)
            if min(self.out) >= 1:
                break
        self.boundary = self.choice(BOUNDARIES)
        self.gain = self.choice((1.0, 0.75, 3.0))
        self.batch = self.choice(((), (2,), (2, 3), (1, 5), (2, 19)))
        self.layout = self.choice(("contiguous", "channels_last", "transposed", "sliced", "expanded"))

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def choice(self, options: tuple[Any, ...]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def randn(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def image(self, size: tuple[int, int]) -> Tensor:
        x = self.randn(*self.batch, *size).to(self.dtype)
        if self.layout == "channels_last" and x.dim() == 4:
            return x.contiguous(memory_format=torch.channels_last)
        if self.layout == "transposed":
            return x.mT.contiguous().mT
        if self.layout == "sliced":
            return torch.nn.functional.pad(x, (3, 2, 1, 1), value=math.nan)[..., 1:-1, 3:-2]
        if self.layout == "expanded" and x.dim() > 2:
            return x[:1].expand_as(x)
        return x

    def filter(self) -> Tensor:
        """1-D ones; of others half are outer products, with zeros here and there."""
        if self.along_axes:
            return self.randn(self.taps[0]).to(compute_dtype(self.dtype))
        taps = self.randn(*self.taps)
        if self.integer(0, 1):
            taps = torch.outer(taps[:, 0], taps[0])
        if self.integer(0, 3) == 0:
            taps[:, self.integer(0, self.taps[1] - 1)] = 0
        return taps.to(compute_dtype(self.dtype))

    def describe(self) -> str:
        return str({name: value for name, value in vars(self).items() if name != "generator"})
