"""The generator testbed: a network regresses fixed images from fixed latents by pixel MSE.

Schwarz, Liao, Geiger: On the Frequency Bias of Generative Models, NeurIPS 2021, section 3.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from .checkpoints import State, load_checkpoint, load_optimizer, optimizer_tensors, save_checkpoint
from .errors import InputError
from .evaluation import FloatArray, evaluate, reduced_spectrum
from .files import write_atomically
from .history import History
from .images import ImageSet, to_8bit
from .networks import LATENT_CHANNELS, ProgressiveGenerator
from .run_folder import CHECKPOINT, METRICS, SPECTRA

_SHOWN_IMAGES = 4
"""Images of which pictures are kept."""


@dataclass(frozen=True)
class GeneratorSettings:
    """What a run of the testbed does; with the images, it determines every number but the seconds."""

    upsample: str
    padding: str = "reflect"
    resolution: int = 64
    steps: int = 1500
    eval_every: int = 50
    batch: int = 10
    seed: int = 0


class GeneratorRun:
    """A run in memory: network, optimizer, random state and history after `step` training steps.

    One generator seeded with `settings.seed` gives, in this order: a latent per image, the weights, and the order in
    which images are drawn (all of them once per epoch; the last batch of an epoch may be smaller).
    """

    def __init__(self, settings: GeneratorSettings, images: ImageSet, device: torch.device) -> None:
        self.settings = settings
        self.images = images
        self.step = 0
        self.seconds = 0.0
        self.history = History()
        self._random = torch.Generator().manual_seed(settings.seed)
        self._real = images.pixels.to(device)
        self._latents = torch.randn(len(self._real), LATENT_CHANNELS, generator=self._random).to(device)
        network = ProgressiveGenerator(
            settings.resolution, upsampling=settings.upsample, padding=settings.padding, generator=self._random
        )
        self.network = network.to(device)
        self._optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.0, 0.99), eps=1e-8, foreach=True)
        self._queue = torch.empty(0, dtype=torch.int64)
        self._real_spectrum = reduced_spectrum(self._real)

    @property
    def real_spectrum(self) -> FloatArray:
        """Spectral density `[K]` of the real images."""
        return self._real_spectrum

    @property
    def real_pictures(self) -> Tensor:
        """The shown real images, 8-bit `[n, 3, N, N]`."""
        return to_8bit(self.images.pixels[:_SHOWN_IMAGES])

    def generate(self) -> Tensor:
        """Images `[n, 3, N, N]` of all latents, made in batches, without gradient."""
        with torch.no_grad():
            return torch.cat([self.network(z) for z in self._latents.split(self.settings.batch)])

    def advance(self) -> Tensor:
        """Do one training step and return its loss (a scalar tensor, from before the update)."""
        batch = self._draw()
        self._optimizer.zero_grad()
        loss = functional.mse_loss(self.network(self._latents[batch]), self._real[batch])
        loss.backward()
        self._optimizer.step()
        self.step += 1
        return loss.detach()

    def measure(self, loss: Tensor) -> None:
        """Evaluate the present network and add it to the history."""
        fake = self.generate()
        pictures = to_8bit(fake[:_SHOWN_IMAGES]).cpu()
        self.history.append(self.step, self.seconds, loss.item(), evaluate(fake, self._real), pictures)

    def state(self) -> State:
        """Everything needed to go on."""
        return {
            "model": self.network.state_dict(),
            "optimizer": optimizer_tensors(self._optimizer),
            "random": {"state": self._random.get_state(), "queue": self._queue},
            "progress": {"step": torch.tensor(self.step), "seconds": torch.tensor(self.seconds, dtype=torch.float64)},
            "history": self.history.tensors(),
        }

    def load_state(self, state: State) -> None:
        """Become the run whose `state()` was `state`."""
        self.network.load_state_dict(state["model"])
        load_optimizer(self._optimizer, state["optimizer"])
        self._random.set_state(state["random"]["state"])
        self._queue = state["random"]["queue"]
        self.step = int(state["progress"]["step"])
        self.seconds = float(state["progress"]["seconds"])
        self.history = History.from_tensors(state["history"])

    def _draw(self) -> Tensor:
        """Indices of the next batch."""
        if not len(self._queue):
            self._queue = torch.randperm(len(self._real), generator=self._random)
        batch, self._queue = self._queue.tensor_split([self.settings.batch])
        return batch.to(self._real.device)


def restore(run: GeneratorRun, folder: Path) -> None:
    """Load the checkpoint in `folder` into the run, if there is one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return
    state = load_checkpoint(path)
    try:
        run.load_state(state)
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        message = f"checkpoint {path} does not fit this run; start anew with --overwrite"
        raise InputError(message) from error
    if run.step > run.settings.steps:
        raise InputError(f"{folder} has already reached step {run.step}; --steps must be at least that")


def train(run: GeneratorRun, folder: Path, *, show_progress: bool) -> None:
    """Train to `settings.steps`; evaluate, and save to `folder`, every `eval_every` steps and at the end."""
    settings = run.settings
    if run.step < settings.steps:
        run.history.drop_irregular(settings.eval_every)
    start = time.perf_counter() - run.seconds
    bar = tqdm(total=settings.steps, initial=run.step, desc=settings.upsample, unit="step", disable=not show_progress)
    with bar:
        while run.step < settings.steps:
            loss = run.advance()
            bar.update()
            if run.step % settings.eval_every == 0 or run.step == settings.steps:
                run.seconds = time.perf_counter() - start
                run.measure(loss)
                save_checkpoint(folder / CHECKPOINT, run.state())
                write_metrics(run, folder)
                row = run.history.rows[-1]
                bar.set_postfix_str(f"loss {row['loss']:.5f}, {row['psnr']:.2f} dB")


def write_metrics(run: GeneratorRun, folder: Path) -> None:
    """Write metrics.csv and spectra.npz as of now."""
    write_atomically(folder / METRICS, run.history.metrics_csv())
    write_atomically(folder / SPECTRA, run.history.spectra_npz(run.real_spectrum))
