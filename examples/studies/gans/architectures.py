"""Networks of SNGAN, SSGAN and InfoMax-GAN: ResNets for 32² and 64², with spectral norm in every layer of D.

Miyato et al. 2018, Chen et al. 2019 and Lee et al. 2021, in the layout of the library mimicry. `width` is the number of
the generator's channels at 4², 256 at 32² and 1024 at 64² there; all others follow it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

import specops.nn

LATENT_CHANNELS = 128
PUBLISHED_WIDTH = {32: 256, 64: 1024}
PROJECTED_CHANNELS = 1024
"""Of the features that InfoMax-GAN compares."""

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class UpBlock(nn.Module):
    """BN, ReLU, ×2, conv 3×3, BN, ReLU, conv 3×3, and a 1×1 shortcut after ×2: `[n, in, h, w]` → `[n, out, 2h, 2w]`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(out_channels)
        self.first = _conv(in_channels, out_channels, 3)
        self.second = _conv(out_channels, out_channels, 3)
        self.shortcut = _conv(in_channels, out_channels, 1)
        self.upsample = specops.nn.Upsample(2, mode="bilinear")

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(self.upsample(functional.relu(self.first_norm(x))))
        h = self.second(functional.relu(self.second_norm(h)))
        shortcut: Tensor = self.shortcut(self.upsample(x))
        return shortcut + h


class Generator(nn.Module):
    """Images `[n, 3, N, N]` in (-1, 1) from latents `[n, 128]`."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        channels = [width] * 4 if resolution == 32 else [width // 2**level for level in range(5)]
        self.dense = _initialized(nn.Linear(LATENT_CHANNELS, width * 4 * 4), gain=1.0)
        self.blocks = nn.Sequential(*(UpBlock(*pair) for pair in pairwise(channels)))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.colours = _conv(channels[-1], 3, 3)

    @property
    def last_block(self) -> UpBlock:
        """The block with the last upsampling."""
        return cast(UpBlock, self.blocks[-1])

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.dense(z).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last))
        return torch.tanh(self.colours(functional.relu(self.norm(h))))


class DownBlock(nn.Module):
    """ReLU, conv 3×3, ReLU, conv 3×3, 2×2 mean if `down`, and a shortcut, 1×1 where shapes change.

    The `first` block of a network has no ReLU on the image, and takes the mean before the 1×1.
    """

    def __init__(self, in_channels: int, out_channels: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        hidden = out_channels if first else in_channels
        self.is_first, self.down = first, down
        self.convs = nn.ModuleList(
            [spectral_norm(_conv(in_channels, hidden, 3)), spectral_norm(_conv(hidden, out_channels, 3))]
        )
        learned = down or in_channels != out_channels
        self.shortcut = spectral_norm(_conv(in_channels, out_channels, 1)) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.convs[0](x if self.is_first else functional.relu(x))
        h = self.convs[1](functional.relu(h))
        if not self.down:
            return h + self.shortcut(x)
        if self.is_first:
            return functional.avg_pool2d(h, 2) + self.shortcut(functional.avg_pool2d(x, 2))
        return functional.avg_pool2d(h + self.shortcut(x), 2)


class Discriminator(nn.Module):
    """Logits `[n]` of images `[n, 3, N, N]`, and the features that they come from."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        if resolution == 32:
            channels, down = [width // 2] * 4, [True, True, False, False]
        else:
            channels, down = [width // 2**level for level in (4, 3, 2, 1, 0)], [True] * 5
        pairs = pairwise([3, *channels])
        self.blocks = nn.Sequential(
            *(
                DownBlock(*pair, down=halved, first=i == 0)
                for i, (pair, halved) in enumerate(zip(pairs, down, strict=True))
            )
        )
        self.local_channels, self.channels = channels[-2], channels[-1]
        self.dense = spectral_norm(_initialized(nn.Linear(self.channels, 1), gain=1.0))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Local features `[n, c, h, w]`, before the last block, and global ones `[n, C]`, summed after it."""
        local = self.blocks[:-1](x.contiguous(memory_format=torch.channels_last))
        return local, functional.relu(self.blocks[-1](local)).sum(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """Logits `[n]` of global features `[n, C]`."""
        logits: Tensor = self.dense(features).squeeze(1)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x)[1])


class RotationDiscriminator(Discriminator):
    """SSGAN's: also tells by how many quarter turns an image was rotated."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__(resolution, width)
        self.turns = spectral_norm(_initialized(nn.Linear(self.channels, 4), gain=1.0))


class ProjectingDiscriminator(Discriminator):
    """InfoMax-GAN's: also projects local and global features of an image into one space, where they are compared."""

    projected: ClassVar[int] = PROJECTED_CHANNELS

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__(resolution, width)
        self.of_local = Projection(self.local_channels, self.projected)
        self.of_global = Projection(self.channels, self.projected)


class Projection(nn.Module):
    """A 1×1 layer, ReLU, a 1×1 layer, and a 1×1 shortcut: `[n, in, h, w]` → `[n, out, h, w]`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = spectral_norm(_conv(in_channels, in_channels, 1))
        self.second = spectral_norm(_conv(in_channels, out_channels, 1))
        self.shortcut = spectral_norm(_conv(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.second(functional.relu(self.first(x))) + self.shortcut(x)
        return projected


DISCRIMINATORS: dict[str, type[Discriminator]] = {
    "sngan": Discriminator,
    "ssgan": RotationDiscriminator,
    "infomax": ProjectingDiscriminator,
}
"""By name of the architecture."""


@contextlib.contextmanager
def normalized_once(network: nn.Module) -> Iterator[None]:
    """Inside, every spectral norm keeps the weight that it has on entry.

    One power iteration for any number of passes, and in float32 whatever the precision inside.
    """
    with parametrize.cached():
        for layer in network.modules():
            if parametrize.is_parametrized(layer, "weight"):
                layer.weight  # noqa: B018  evaluated here, kept by the cache
        yield


def widened(x: Tensor) -> Tensor:
    """x in float32 where it is of half precision."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _conv(in_channels: int, out_channels: int, side: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, side, padding=side // 2)
    return _initialized(conv, gain=math.sqrt(2) if side > 1 else 1.0)


def _initialized(layer: Layer, *, gain: float) -> Layer:
    """The layer with Glorot-uniform weights; the bias stays torch's."""
    nn.init.xavier_uniform_(layer.weight, gain)
    return layer
