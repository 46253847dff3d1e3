"""Small networks and runs of the discriminator testbed, in memory."""

from __future__ import annotations

import torch
from studies.core.data.images import ImageSet
from studies.testbeds.discriminator_run import DiscriminatorRun, DiscriminatorSettings
from studies.testbeds.networks.discriminators import ProgressiveDiscriminator


def network(resolution: int, downsampling: str = "avg", n_logits: int = 1) -> ProgressiveDiscriminator:
    generator = torch.Generator().manual_seed(0)
    return ProgressiveDiscriminator(
        resolution, n_logits, downsampling=downsampling, padding="zeros", generator=generator
    )


def run(n: int = 3, batch: int = 2, **settings: object) -> DiscriminatorRun:
    torch.set_num_threads(1)
    pixels = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    images = ImageSet(tuple(map(str, range(n))), pixels)
    chosen = DiscriminatorSettings(resolution=8, batch=batch, **settings)
    return DiscriminatorRun(chosen, images, torch.device("cpu"))
