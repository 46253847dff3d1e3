"""A training in memory, and the loop that takes it to its last step: evaluates, saves, and stops where it diverges."""

from __future__ import annotations

import argparse
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from specops.report.files import write_atomically
from specops.spectra.bands import FloatArray

from . import distributed
from .errors import InputError, TrainingError
from .record.checkpoints import State, load_checkpoint, load_optimizer, optimizer_tensors, save_checkpoint
from .record.folder import CHECKPOINT, METRICS, SPECTRA
from .record.history import History
from .record.results import RunResult
from .record.skipped import SkippedPictures

_LOOK_EVERY = 10
"""Steps between looks at the losses: each look waits for the device."""


T = TypeVar("T", bound="Settings")


@dataclass(frozen=True, kw_only=True)
class Settings(ABC):
    """What the settings of every training have; with the images, they determine every number but the seconds."""

    resolution: int = 64
    steps: int = 1500
    eval_every: int = 50
    batch: int = 10
    seed: int = 0

    @property
    @abstractmethod
    def mode(self) -> str:
        """What tells this run from others of the same command: a folder name."""

    @classmethod
    def of(cls: type[T], options: argparse.Namespace, **own: Any) -> T:
        """The settings that the options ask for: `own`, and every other field that an option is called by."""
        shared = {each.name for each in fields(cls)} & vars(options).keys() - own.keys()
        return cls(**own, **{name: getattr(options, name) for name in shared})


class Training(ABC):
    """Networks, optimizers, random states and history after `step` training steps.

    A subclass fills `_networks` and `_optimizers`, which checkpoints hold, and says which images are real.
    """

    testbed: ClassVar[str]
    """What config.json calls this kind of training."""
    advice: ClassVar[str] = ""
    """What to do where a loss is no longer finite."""
    real_spectrum: FloatArray
    """Spectral density `[K]` of the real images; the first process alone has it."""
    real_pictures: Tensor
    """The real images that are shown, 8-bit `[n, 3, N, N]`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.step = 0
        self.seconds = 0.0
        self.history = History()
        self.parts: dict[str, Tensor] = {}
        """Further losses of the last step, by column of metrics.csv."""
        self._networks: dict[str, torch.nn.Module] = {}
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        self._global_random = torch.Generator().manual_seed(settings.seed).get_state()

    @abstractmethod
    def advance(self) -> Tensor:
        """Do one training step and return its loss (a scalar tensor, from before the update)."""

    @abstractmethod
    def measure(self, loss: Tensor) -> None:
        """Evaluate the present images and add them to the history."""

    def skipped(self) -> dict[str, str]:
        """Reasons, by name, of the pictures that could not be read so far."""
        return {}

    def result(self, *, title: str = "", color: int = 0) -> RunResult:
        """What plots and tables need."""
        return RunResult(
            mode=self.settings.mode,
            title=title or self.settings.mode,
            resolution=self.settings.resolution,
            real=self.real_spectrum,
            real_pictures=self.real_pictures,
            history=self.history,
            color=color,
            testbed=self.testbed,
        )

    def state(self) -> State:
        """Everything needed to go on."""
        return {
            **{name: network.state_dict() for name, network in self._networks.items()},
            **{name: optimizer_tensors(optimizer) for name, optimizer in self._optimizers.items()},
            "random": {"global": torch.get_rng_state()},
            "progress": {"step": torch.tensor(self.step), "seconds": torch.tensor(self.seconds, dtype=torch.float64)},
            "history": self.history.tensors(),
        }

    def load_state(self, state: State) -> None:
        """Become the training whose `state()` was `state`."""
        for name, network in self._networks.items():
            network.load_state_dict(state.get(name, {}))
        for name, optimizer in self._optimizers.items():
            load_optimizer(optimizer, state.get(name, {}))
        self._global_random = state["random"]["global"]
        self.step = int(state["progress"]["step"])
        self.seconds = float(state["progress"]["seconds"])
        self.history = History.from_tensors(state.get("history", {}))

    def largest_weight(self) -> Tensor:
        """The largest magnitude among all that is trained or tracked (a scalar tensor); not finite if one is not."""
        tracked = [tensor for network in self._networks.values() for tensor in network.state_dict().values()]
        groups = [group for optimizer in self._optimizers.values() for group in optimizer.param_groups]
        trained = [parameter.detach() for group in groups for parameter in group["params"]]
        tensors = [tensor for tensor in tracked + trained if tensor.is_floating_point()]
        return torch.stack(torch._foreach_norm(tensors, float("inf"))).amax()

    def take_global_random_state(self) -> None:
        """Set torch's own random state, which networks of users may draw from, to that of this training."""
        torch.set_rng_state(self._global_random)


Observer = Callable[[Training], None]
"""What is called after each evaluation."""


def train(training: Training, folder: Path, *, show_progress: bool, observers: Sequence[Observer] = ()) -> None:
    """Train to the last step; evaluate, save to `folder` and call the `observers` every `eval_every` steps and there.

    The first process alone writes. Raises TrainingError where a loss or a weight is no longer finite: the checkpoint in
    `folder` is then an earlier one, all of whose numbers are finite, even if that is the one of step 0.
    """
    steps, eval_every = training.settings.steps, training.settings.eval_every
    if training.step < steps:
        training.history.drop_irregular(eval_every)
    training.take_global_random_state()
    if training.step == 0:
        _save(training, folder)
    start = time.perf_counter() - training.seconds
    watch, skipped = _FiniteWatch(training, folder), SkippedPictures(folder)
    _list_skipped(training, skipped)
    title = training.settings.mode
    with tqdm(total=steps, initial=training.step, desc=title, unit="step", disable=not show_progress) as bar:
        while training.step < steps:
            loss = training.advance()
            watch.add(loss)
            due = training.step % eval_every == 0 or training.step == steps
            if due or training.step % _LOOK_EVERY == 0:
                watch.look()
            bar.update()
            if due:
                watch.look_at_weights()
                training.seconds = time.perf_counter() - start
                training.measure(loss)
                _save(training, folder)
                _list_skipped(training, skipped)
                for observer in observers if distributed.is_first() else ():
                    observer(training)
                bar.set_postfix_str(f"loss {loss.item():.4f}")


def restore(training: Training, folder: Path) -> None:
    """Load the checkpoint in `folder` into the training, if there is one, unless it is beyond the last step."""
    path = folder / CHECKPOINT
    if not path.exists():
        return
    state = load_checkpoint(path)
    try:
        training.load_state(state)
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        message = f"checkpoint {path} does not fit this run; start anew with --overwrite"
        raise InputError(message) from error
    if training.step > training.settings.steps:
        raise InputError(f"{folder} has already reached step {training.step}; --steps must be at least that")


def write_metrics(training: Training, folder: Path) -> None:
    """Write metrics.csv and spectra.npz as of now."""
    write_atomically(folder / METRICS, training.history.metrics_csv())
    write_atomically(folder / SPECTRA, training.history.spectra_npz(training.real_spectrum))


class _FiniteWatch:
    """Losses of the steps since the last look."""

    def __init__(self, training: Training, folder: Path) -> None:
        self._training, self._folder = training, folder
        self._names: list[str] = []
        self._steps: list[int] = []
        self._losses: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Keep the losses of the last step."""
        losses = {"loss": loss, **self._training.parts}
        self._names = list(losses)
        self._steps.append(self._training.step)
        self._losses.append(torch.stack([each.detach().float() for each in losses.values()]))

    def look(self) -> None:
        """Raise TrainingError at the first loss that is not finite, in every process where one of them met it."""
        losses = distributed.mean_of_processes(torch.stack(self._losses)).cpu()
        for step, values in zip(self._steps, losses, strict=True):
            bad = [name for name, finite in zip(self._names, values.isfinite().tolist(), strict=True) if not finite]
            if bad:
                raise TrainingError(self._message(f"not finite at step {step}: {', '.join(bad)}"))
        self._steps, self._losses = [], []

    def look_at_weights(self) -> None:
        """Raise TrainingError where a loss was finite and the weights after its step are not."""
        if not distributed.mean_of_processes(self._training.largest_weight()).isfinite():
            raise TrainingError(self._message(f"not finite after step {self._training.step}: weights"))

    def _message(self, what: str) -> str:
        advice = f": {self._training.advice}" if self._training.advice else ""
        return f"{what}; {self._folder / CHECKPOINT} is from before that, and finite{advice}"


def _list_skipped(training: Training, listed: SkippedPictures) -> None:
    """List what any of the processes could not read."""
    found = distributed.union(training.skipped())
    if distributed.is_first():
        listed.add(found)


def _save(training: Training, folder: Path) -> None:
    if distributed.is_first():
        save_checkpoint(folder / CHECKPOINT, training.state())
        if training.history.rows:
            write_metrics(training, folder)
    distributed.wait()
