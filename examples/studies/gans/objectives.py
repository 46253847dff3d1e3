"""What a step of each network minimises: modules with one forward pass per backward pass, so that DDP can wrap them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .architectures import Discriminator, normalized_once, widened
from .fixes import Fixes
from .losses import LOSSES, SELF_SUPERVISION

Losses = dict[str, Tensor]


class DiscriminatorObjective(nn.Module):
    """Called with images `fake, real [n, 3, N, N]`: D's loss, and its parts by name."""

    def __init__(self, discriminator: Discriminator, fixes: Fixes, *, arch: str, loss: str, amp: bool) -> None:
        super().__init__()
        self.discriminator, self.fixes = discriminator, fixes
        self._loss, self._extra, self._amp = LOSSES[loss].discriminator, SELF_SUPERVISION[arch], amp

    def forward(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Losses]:
        images = torch.cat([real, fake])
        # One pass over both halves: D has no batch norm, so it is the same, with half the calls.
        shown = torch.cat(self.fixes.shown(fake, real)[::-1]) if self.fixes.filters else images
        n = len(real)
        with normalized_once(self.discriminator):
            with _precision(images, self._amp):
                logits = self.discriminator(shown)
            judged = self.fixes.judged(widened(logits), images)
            parts = {f"loss_d{i}" if i else "loss_d": self._loss(each[n:], each[:n]) for i, each in enumerate(judged)}
            total = torch.stack(list(parts.values())).sum()
            if self._extra is not None:
                with _precision(images, self._amp):
                    parts["loss_d_self"] = self._extra.loss(self.discriminator, real)
                total = total + self._extra.discriminator_weight * parts["loss_d_self"]
        return total, {name: part.detach() for name, part in parts.items()}


class GeneratorObjective(nn.Module):
    """Called with latents `z [n, 128]` and images `real [n, 3, N, N]`: the generator's loss, and its parts by name.

    Discriminator and fixes are not this module's own: they get no gradient here.
    """

    def __init__(
        self, generator: nn.Module, discriminator: Discriminator, fixes: Fixes, *, arch: str, loss: str, amp: bool
    ) -> None:
        super().__init__()
        self.generator = generator
        self._judges = (discriminator, fixes)
        self._loss, self._extra, self._amp = LOSSES[loss].generator, SELF_SUPERVISION[arch], amp

    def forward(self, z: Tensor, real: Tensor) -> tuple[Tensor, Losses]:
        discriminator, fixes = self._judges
        with _precision(z, self._amp):
            fake = self.generator(z)
        fake = widened(fake)
        shown, _ = fixes.shown(fake, real)
        with normalized_once(discriminator):
            with _precision(z, self._amp):
                logits = discriminator(shown)
            losses = [self._loss(each) for each in fixes.judged(widened(logits), fake)]
            parts = {"loss_g": torch.stack(losses).mean()}
            total = parts["loss_g"]
            for penalty in fixes.penalties(fake, real):
                parts["penalty"] = parts.get("penalty", 0) + penalty
                total = total + penalty
            if self._extra is not None:
                with _precision(z, self._amp):
                    parts["loss_g_self"] = self._extra.loss(discriminator, fake)
                total = total + self._extra.generator_weight * parts["loss_g_self"]
        return total, {name: part.detach() for name, part in parts.items()}


def _precision(x: Tensor, amp: bool) -> torch.autocast:
    return torch.autocast(x.device.type, torch.bfloat16, enabled=amp)
