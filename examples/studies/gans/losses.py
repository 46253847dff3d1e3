"""Losses of adversarial training: those of the logits by name, and those of SSGAN and InfoMax-GAN on features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .architectures import Discriminator, ProjectingDiscriminator, RotationDiscriminator, widened


@dataclass(frozen=True)
class AdversarialLoss:
    """`discriminator(fake, real)` and `generator(fake)`, both from logits `[n]` to a scalar."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


LOSSES = {
    "hinge": AdversarialLoss(
        lambda fake, real: functional.relu(1 - real).mean() + functional.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
    "non-saturating": AdversarialLoss(
        lambda fake, real: functional.softplus(-real).mean() + functional.softplus(fake).mean(),
        lambda fake: functional.softplus(-fake).mean(),
    ),
    "minimax": AdversarialLoss(
        lambda fake, real: functional.softplus(-real).mean() + functional.softplus(fake).mean(),
        lambda fake: -functional.softplus(fake).mean(),
    ),
    "wasserstein": AdversarialLoss(lambda fake, real: fake.mean() - real.mean(), lambda fake: -fake.mean()),
    "least-squares": AdversarialLoss(
        lambda fake, real: ((real - 1).square().mean() + fake.square().mean()) / 2,
        lambda fake: (fake - 1).square().mean() / 2,
    ),
}


@dataclass(frozen=True)
class SelfSupervision:
    """A loss on unfiltered images and its weights: on fakes in the generator's step, on real ones in D's."""

    generator_weight: float
    discriminator_weight: float
    loss: Callable[[Discriminator, Tensor], Tensor]


def rotation_loss(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Cross-entropy of D's guess how far images `[n, 3, N, N]` were turned: a quarter of them by 0°, then by 90°, …

    Chen, Zhai, Ritter, Lucic, Houlsby: Self-Supervised GANs via Auxiliary Rotation Loss, CVPR 2019.
    """
    assert isinstance(discriminator, RotationDiscriminator)
    turns = torch.arange(len(images), device=images.device) * 4 // len(images)
    turned = torch.cat([torch.rot90(images[turns == k], k, (2, 3)) for k in range(4)])
    return functional.cross_entropy(widened(discriminator.turns(discriminator.features(turned)[1])), turns)


def info_nce_loss(discriminator: Discriminator, images: Tensor) -> Tensor:
    """Cross-entropy of finding an image's own local features by its global ones, among those of other images.

    Per image and place: the product with its own local feature against those with the local features of all other
    images. Lee, Tran, Cheung: InfoMax-GAN, WACV 2021.
    """
    assert isinstance(discriminator, ProjectingDiscriminator)
    local, pooled = discriminator.features(images)
    of_local = widened(discriminator.of_local(local)).flatten(2)  # [n, P, hw]
    of_global = widened(discriminator.of_global(pooled[..., None, None])).flatten(1)  # [n, P]
    n, _, places = of_local.shape
    products = torch.einsum("ip,jpk->ijk", of_global, of_local)
    own = products.diagonal(dim1=0, dim2=1).T  # [n, hw]
    others = ~torch.eye(n, dtype=torch.bool, device=images.device)
    of_others = products[others].reshape(n, (n - 1) * places)
    normalizer = torch.logaddexp(own, of_others.logsumexp(dim=1, keepdim=True))
    return (normalizer - own).mean()


SELF_SUPERVISION = {
    "sngan": None,
    "ssgan": SelfSupervision(0.2, 1.0, rotation_loss),
    "infomax": SelfSupervision(0.2, 0.2, info_nce_loss),
}
"""By name of the architecture."""
