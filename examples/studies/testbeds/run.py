"""A run of a testbed: what all of them do between settings and results."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from studies.core.data.images import ImageSet, to_8bit
from studies.core.evaluation import evaluate, reduced_spectrum
from studies.core.record.checkpoints import State
from studies.core.training import Settings, Training

_SHOWN_IMAGES = 4
"""Images of which pictures are kept."""


class Run(Training):
    """A run in memory.

    Images are drawn in random order, all of them once per epoch; the last batch of an epoch may be smaller. A subclass
    makes its networks from `_random`.
    """

    def __init__(self, settings: Settings, images: ImageSet, device: torch.device) -> None:
        super().__init__(settings)
        self._random = torch.Generator().manual_seed(settings.seed)
        self._real, self._skipped = images.pixels.to(device), dict(images.skipped)
        self._queue = torch.empty(0, dtype=torch.int64)
        self.real_spectrum = reduced_spectrum(self._real)
        self.real_pictures = _pictures(images.pixels)

    @abstractmethod
    def generate(self) -> Tensor:
        """Images `[n, 3, N, N]`, one per real image, without gradient."""

    def skipped(self) -> dict[str, str]:
        return self._skipped

    def average(self) -> Tensor | None:
        """A moving average of the images `[n, 3, N, N]`, where the testbed keeps one."""
        return None

    def measure(self, loss: Tensor) -> None:
        """Evaluate the present images and add them to the history."""
        fake, average, averaged = self.generate(), self.average(), None
        found = evaluate(fake, self._real)
        row = {"step": self.step, "seconds": self.seconds, "loss": loss.item(), **found.row}
        row |= {name: part.item() for name, part in self.parts.items()}
        if average is not None:
            of_average = evaluate(average, self._real)
            row |= {f"average_{name}": value for name, value in of_average.row.items()}
            averaged = of_average.spectrum, _pictures(average)
        self.history.add(row, found.spectrum, _pictures(fake), average=averaged)

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
