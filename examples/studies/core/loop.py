"""The training loop: evaluates, saves, and stops where a loss is no longer finite."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from studies.core.record.checkpoints import save_checkpoint
from studies.core.record.folder import CHECKPOINT

from . import distributed
from .errors import TrainingError
from .training import Training, write_metrics

_LOOK_EVERY = 10
"""Steps between looks at the losses: each look waits for the device."""

Observer = Callable[[Training], None]


def train(
    training: Training,
    folder: Path,
    *,
    steps: int,
    eval_every: int,
    title: str,
    show_progress: bool,
    observers: Sequence[Observer] = (),
) -> None:
    """Train to `steps`; evaluate, save to `folder` and call the `observers` every `eval_every` steps and at the end.

    The first process alone writes. Raises TrainingError where a loss or a weight is no longer finite: the checkpoint in
    `folder` is then an earlier one, all of whose numbers are finite, even if that is the one of step 0.
    """
    if training.step < steps:
        training.history.drop_irregular(eval_every)
    training.take_global_random_state()
    if training.step == 0:
        _save(training, folder)
    start = time.perf_counter() - training.seconds
    watch = _FiniteWatch(folder)
    bar = tqdm(total=steps, initial=training.step, desc=title, unit="step", disable=not show_progress)
    with bar:
        while training.step < steps:
            loss = training.advance()
            watch.add(training.step, {"loss": loss, **training.parts})
            due = training.step % eval_every == 0 or training.step == steps
            if due or training.step % _LOOK_EVERY == 0:
                watch.look()
            bar.update()
            if due:
                watch.look_at_weights(training)
                training.seconds = time.perf_counter() - start
                training.measure(loss)
                _save(training, folder)
                for observer in observers if distributed.is_first() else ():
                    observer(training)
                bar.set_postfix_str(f"loss {loss.item():.4f}")


class _FiniteWatch:
    """Losses of the steps since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        self._steps: list[int] = []
        self._losses: list[Tensor] = []

    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        self._names = list(losses)
        self._steps.append(step)
        self._losses.append(torch.stack([loss.detach().float() for loss in losses.values()]))

    def look(self) -> None:
        """Raise TrainingError at the first loss that is not finite, in every process where one of them met it."""
        losses = distributed.mean_of_processes(torch.stack(self._losses)).cpu()
        for step, values in zip(self._steps, losses, strict=True):
            bad = [name for name, finite in zip(self._names, values.isfinite().tolist(), strict=True) if not finite]
            if bad:
                raise TrainingError(self._message(f"not finite at step {step}: {', '.join(bad)}"))
        self._steps, self._losses = [], []

    def look_at_weights(self, training: Training) -> None:
        """Raise TrainingError where a loss was finite and the weights after its step are not."""
        if not distributed.mean_of_processes(training.largest_weight()).isfinite():
            raise TrainingError(self._message(f"not finite after step {training.step}: weights"))

    def _message(self, what: str) -> str:
        advice = "try a smaller --lr, another --loss, or without --amp"
        return f"{what}; {self._folder / CHECKPOINT} is from before that, and finite: {advice}"


def _save(training: Training, folder: Path) -> None:
    if distributed.is_first():
        save_checkpoint(folder / CHECKPOINT, training.state())
        if training.history.rows:
            write_metrics(training, folder)
    distributed.wait()
