"""A training in memory: what every one keeps between settings and results, and how a checkpoint brings it back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from studies.core.record.checkpoints import State, load_checkpoint, load_optimizer, optimizer_tensors
from studies.core.record.folder import CHECKPOINT, METRICS, SPECTRA
from studies.core.record.history import History

from .errors import InputError
from .evaluation import FloatArray
from .files import write_atomically


class Training(ABC):
    """Networks, optimizers, random states and history after `step` training steps.

    A subclass fills `_networks` and `_optimizers`, which checkpoints hold.
    """

    def __init__(self, seed: int) -> None:
        self.step = 0
        self.seconds = 0.0
        self.history = History()
        self.parts: dict[str, Tensor] = {}
        """Further losses of the last step, by column of metrics.csv."""
        self._networks: dict[str, torch.nn.Module] = {}
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        self._global_random = torch.Generator().manual_seed(seed).get_state()

    @abstractmethod
    def advance(self) -> Tensor:
        """Do one training step and return its loss (a scalar tensor, from before the update)."""

    @abstractmethod
    def measure(self, loss: Tensor) -> None:
        """Evaluate the present images and add them to the history."""

    @property
    @abstractmethod
    def real_spectrum(self) -> FloatArray:
        """Spectral density `[K]` of the real images."""

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


def restore(training: Training, folder: Path, steps: int) -> None:
    """Load the checkpoint in `folder` into the training, if there is one, unless it is beyond `steps`."""
    path = folder / CHECKPOINT
    if not path.exists():
        return
    state = load_checkpoint(path)
    try:
        training.load_state(state)
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        message = f"checkpoint {path} does not fit this run; start anew with --overwrite"
        raise InputError(message) from error
    if training.step > steps:
        raise InputError(f"{folder} has already reached step {training.step}; --steps must be at least that")


def write_metrics(training: Training, folder: Path) -> None:
    """Write metrics.csv and spectra.npz as of now."""
    write_atomically(folder / METRICS, training.history.metrics_csv())
    write_atomically(folder / SPECTRA, training.history.spectra_npz(training.real_spectrum))
