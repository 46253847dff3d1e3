"""A run of a testbed: what all of them do between settings and results."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from studies.core.data.images import ImageSet, to_8bit
from studies.core.evaluation import FloatArray, evaluate, reduced_spectrum
from studies.core.record.checkpoints import State
from studies.core.training import Training

_SHOWN_IMAGES = 4
"""Images of which pictures are kept."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What the runs of both testbeds have; with the images, the settings determine every number but the seconds."""

    resolution: int = 64
    steps: int = 1500
    eval_every: int = 50
    batch: int = 10
    seed: int = 0

    @property
    def mode(self) -> str:
        """What tells this run from others of the same command: a folder name."""
        raise NotImplementedError


class Run(Training):
    """A run in memory.

    Images are drawn in random order, all of them once per epoch; the last batch of an epoch may be smaller. A subclass
    makes its networks from `_random`.
    """

    settings: RunSettings

    def __init__(self, settings: RunSettings, images: ImageSet, device: torch.device) -> None:
        super().__init__(settings)
        self.images = images
        self._random = torch.Generator().manual_seed(settings.seed)
        self._real = images.pixels.to(device)
        self._queue = torch.empty(0, dtype=torch.int64)
        self._real_spectrum = reduced_spectrum(self._real)

    @abstractmethod
    def generate(self) -> Tensor:
        """Images `[n, 3, N, N]`, one per real image, without gradient."""

    def average(self) -> Tensor | None:
        """A moving average of the images `[n, 3, N, N]`, where the testbed keeps one."""
        return None

    @property
    def real_spectrum(self) -> FloatArray:
        """Spectral density `[K]` of the real images."""
        return self._real_spectrum

    @property
    def real_pictures(self) -> Tensor:
        """The shown real images, 8-bit `[n, 3, N, N]`."""
        return _pictures(self.images.pixels)

    def measure(self, loss: Tensor) -> None:
        """Evaluate the present images and add them to the history."""
        fake, average = self.generate(), self.average()
        self.history.append(
            self.step,
            self.seconds,
            loss.item(),
            evaluate(fake, self._real),
            _pictures(fake),
            parts={name: part.item() for name, part in self.parts.items()},
            average=None if average is None else (evaluate(average, self._real), _pictures(average)),
        )

    def state(self) -> State:
        state = super().state()
        state["random"] |= {"state": self._random.get_state(), "queue": self._queue}
        return state

    def load_state(self, state: State) -> None:
        super().load_state(state)
        self._random.set_state(state["random"]["state"])
        self._queue = state["random"]["queue"]

    def _draw(self) -> Tensor:
        """Indices of the next batch."""
        if not len(self._queue):
            self._queue = torch.randperm(len(self._real), generator=self._random)
        batch, self._queue = self._queue.tensor_split([self.settings.batch])
        return batch.to(self._real.device)


def _pictures(images: Tensor) -> Tensor:
    """The shown ones of `images`, 8-bit `[n, 3, N, N]`."""
    return to_8bit(images[:_SHOWN_IMAGES]).cpu()
