"""Batches of real images by number, made ahead by worker processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .images import from_8bit
from .sources import Source


class Loader:
    """Batches `first`, `first` + 1, … of a source: float32 `[n, 3, N, N]` in [-1, 1] on the device.

    Batch k is the same for any `first` and any number of `workers`. `places` are those of the `batch` images that this
    process computes.
    """

    def __init__(
        self, source: Source, *, seed: int, batch: int, places: range, first: int, workers: int, device: torch.device
    ) -> None:
        self._device = device
        self._loader: DataLoader[Tensor] = DataLoader(
            _Batches(source, seed, batch, places),
            batch_size=None,
            sampler=_From(first),
            num_workers=workers,
            # Forked, the workers share what the source has read.
            multiprocessing_context=multiprocessing.get_context("fork") if workers else None,
            generator=torch.Generator(),  # else each start of it would draw from torch's own
            pin_memory=device.type == "cuda",
        )
        self._batches: Iterator[Tensor] | None = None

    def next(self) -> Tensor:
        """The next batch."""
        if self._batches is None:
            self._batches = iter(self._loader)
        return from_8bit(next(self._batches).to(self._device, non_blocking=True))


class _Batches(Dataset[Tensor]):
    def __init__(self, source: Source, seed: int, batch: int, places: range) -> None:
        self._source, self._seed, self._batch, self._places = source, seed, batch, places

    def __getitem__(self, number: int) -> Tensor:
        return self._source.images(self._seed, self._batch, number, self._places)


class _From(torch.utils.data.Sampler[int]):
    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        number = self._first
        while True:
            yield number
            number += 1
