"""An adversarial training in memory: networks, optimizers, average and history after `step` steps of the generator."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

import specops
from studies.core import distributed
from studies.core.data import draws
from studies.core.data.images import from_8bit, to_8bit
from studies.core.data.loader import Loader
from studies.core.data.sources import Source
from studies.core.evaluation import reduced_spectrum
from studies.core.evaluator import Evaluator
from studies.core.record.checkpoints import State
from studies.core.training import Settings, Training

from .architectures import DISCRIMINATORS, LATENT_CHANNELS, Generator, widened
from .fixes import FixOptions, make_fixes
from .objectives import DiscriminatorObjective, GeneratorObjective
from .synchronized import synchronize

SHOWN_IMAGES = 16
_BETAS = (0.0, 0.9)


@dataclass(frozen=True, kw_only=True)
class GanSettings(Settings):
    """What a run does."""

    resolution: int = 32
    steps: int = 100_000
    eval_every: int = 1000
    batch: int = 64
    arch: str = "sngan"
    fix: tuple[str, ...] = ()
    loss: str = "hinge"
    width: int = 256
    radius: float = 20.0
    shift: tuple[float, float] = (0.5, 0.5)
    shift_images: bool = False
    regularization_weight: float = 1.0
    focal_weight: float = 1.0
    decay_steps: int = 100_000
    eval_images: int = 512
    discriminator_steps: int = 5
    lr: float = 2e-4
    ema: float = 0.0
    amp: bool = False
    sync_batch_norm: bool = False

    @property
    def mode(self) -> str:
        """What tells this run from others: "sngan, hfc+ssd"."""
        return f"{self.arch}, {'+'.join(self.fix) or 'no fix'}"


class GanRun(Training):
    """A run. Latents and images are drawn from the seed and their number alone; only weights are drawn in order."""

    testbed: ClassVar[str] = "gan"
    advice: ClassVar[str] = "try a smaller --lr, another --loss, or without --amp"
    settings: GanSettings

    def __init__(
        self,
        settings: GanSettings,
        source: Source,
        device: torch.device,
        *,
        workers: int = 0,
        features: nn.Module | None = None,
    ) -> None:
        super().__init__(settings)
        self._source, self._device, self._workers = source, device, workers
        self._loader: Loader | None = None
        self._places = distributed.share(settings.batch)
        self._carrier = _carrier(settings).to(device)
        self._make_networks()
        self._held_out = from_8bit(source.held_out(settings.eval_images)).to(device)
        self.real_pictures = to_8bit(self._held_out[:SHOWN_IMAGES]).cpu()
        self._evaluator = Evaluator(self._held_out, features=features) if distributed.is_first() else None
        if self._evaluator is not None:
            self.real_spectrum = self._evaluator.real_spectrum
        self._sums: dict[str, Tensor] = {}
        self._steps_summed = 0

    def advance(self) -> Tensor:
        """Train D for `discriminator_steps` steps, then the generator for one; returns the generator's loss."""
        if self._loader is None:
            self._loader = self._make_loader()
        self._set_learning_rate()
        for number in range(self.settings.discriminator_steps):
            real = self._loader.next() * self._carrier
            self._train_discriminator(real, self.step * self.settings.discriminator_steps + number)
        loss = self._train_generator(real)
        self._add_to_average()
        for name, part in self.parts.items():
            self._sums[name] = self._sums[name] + part if name in self._sums else part
        self._steps_summed += 1
        self.step += 1
        return loss

    def measure(self, loss: Tensor) -> None:
        """Evaluate samples and add them to the history, with the mean losses since the last evaluation."""
        names = list(self._sums)
        means = distributed.mean_of_processes(torch.stack([self._sums[name] for name in names]) / self._steps_summed)
        if self.step % self.settings.eval_every == 0:  # else the last of a run that may go on from here
            self._sums, self._steps_summed = {}, 0
        if self._evaluator is None:
            return
        fake = self.generate(len(self._held_out))
        row = {"step": float(self.step), "seconds": self.seconds}
        row |= dict(zip(names, means.tolist(), strict=True)) | self._evaluator.measure(fake)
        self.history.add(row, reduced_spectrum(fake), to_8bit(fake[:SHOWN_IMAGES]).cpu())

    def skipped(self) -> dict[str, str]:
        return self._source.skipped()

    def generate(self, count: int) -> Tensor:
        """Samples `[count, 3, N, N]` of always the same latents, by the averaged weights if there are any."""
        latents = _latents(draws.generator(self.settings.seed, "evaluated latents", 0), count).to(self._device)
        network = (self.average or self.generator).eval()
        with torch.no_grad():
            samples = torch.cat([network(z).float() for z in latents.split(self.settings.batch)])
        network.train()
        return samples * self._carrier

    def state(self) -> State:
        sums = {**self._sums, "steps": torch.tensor(self._steps_summed)} if self._steps_summed else {}
        average = {} if self.average is None else self.average.state_dict()
        return super().state() | {"average": average, "sums": sums}

    def load_state(self, state: State) -> None:
        super().load_state(state)
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._sums = {name: total.to(self._device) for name, total in state.get("sums", {}).items()}
        self._steps_summed = int(self._sums.pop("steps", 0))
        self._loader = None

    def _make_networks(self) -> None:
        settings = self.settings
        options = FixOptions(
            resolution=settings.resolution,
            radius=settings.radius,
            shift=settings.shift,
            regularization_weight=settings.regularization_weight,
            focal_weight=settings.focal_weight,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            generator: nn.Module = Generator(settings.resolution, settings.width)
            discriminator = DISCRIMINATORS[settings.arch](settings.resolution, settings.width)
            fixes = make_fixes(settings.fix, options)
        generator = fixes.change_generator(generator)
        if settings.sync_batch_norm:
            generator = synchronize(generator)
        self.generator = generator.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = discriminator.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.fixes = fixes.to(self._device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False) if settings.ema else None
        self._networks = {"generator": self.generator, "discriminator": self.discriminator, "fixes": self.fixes}
        judges = [*self.discriminator.parameters(), *self.fixes.parameters()]
        self._optimizers = {
            f"{name}_optimizer": torch.optim.Adam(parameters, lr=settings.lr, betas=_BETAS, fused=True)
            for name, parameters in (("generator", list(self.generator.parameters())), ("discriminator", judges))
        }
        self._judges = judges
        common = {"arch": settings.arch, "loss": settings.loss, "amp": settings.amp}
        self._discriminator_objective = distributed.wrap(
            DiscriminatorObjective(self.discriminator, self.fixes, **common)  # type: ignore[arg-type]
        )
        self._generator_objective = distributed.wrap(
            GeneratorObjective(self.generator, self.discriminator, self.fixes, **common)  # type: ignore[arg-type]
        )

    def _make_loader(self) -> Loader:
        return Loader(
            self._source,
            seed=self.settings.seed,
            batch=self.settings.batch,
            places=self._places,
            first=self.step * self.settings.discriminator_steps,
            workers=self._workers,
            device=self._device,
        )

    def _train_discriminator(self, real: Tensor, number: int) -> None:
        z = self._draw("discriminator latents", number)
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.amp):
            fake = self.generator(z)
        self._descend("discriminator", *self._discriminator_objective(widened(fake), real))

    def _train_generator(self, real: Tensor) -> Tensor:
        for parameter in self._judges:
            parameter.requires_grad_(False)
        loss = self._descend("generator", *self._generator_objective(self._draw("latents", self.step), real))
        for parameter in self._judges:
            parameter.requires_grad_(True)
        return loss

    def _descend(self, name: str, loss: Tensor, parts: dict[str, Tensor]) -> Tensor:
        optimizer = self._optimizers[f"{name}_optimizer"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.parts |= parts
        return loss.detach()

    def _draw(self, stream: str, number: int) -> Tensor:
        """Latents of this process's places in the batch."""
        latents = _latents(draws.generator(self.settings.seed, stream, number), self.settings.batch)
        return latents[self._places.start : self._places.stop].to(self._device)

    def _set_learning_rate(self) -> None:
        rate = self.settings.lr * max(0.0, 1 - self.step / self.settings.decay_steps)
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _add_to_average(self) -> None:
        if self.average is None:
            return
        averaged, present = list(self.average.parameters()), list(self.generator.parameters())
        torch._foreach_lerp_(averaged, [weight.detach() for weight in present], 1 - self.settings.ema)
        for kept, now in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            kept.copy_(now)


def _latents(draw: torch.Generator, count: int) -> Tensor:
    return torch.randn(count, LATENT_CHANNELS, generator=draw)


def _carrier(settings: GanSettings) -> Tensor:
    """What real images are multiplied by before D sees them, and samples before they are measured: `[N, N]` or `[]`.

    ±1 everywhere, so that shifting back is shifting again.
    """
    if not settings.shift_images:
        return torch.ones(())
    side = settings.resolution
    return specops.frequency_shift(torch.ones(side, side), settings.shift).round()
