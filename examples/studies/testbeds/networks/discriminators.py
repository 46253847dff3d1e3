"""The discriminators of the testbed: Progressive GAN without growing, and a network without any downsampling."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .arithmetic import FAST, Arithmetic
from .generator import EqualizedConv, channels_at

_LAST_SIDE = 4
_WIDTH_DIVISOR = 8
_MLP_WIDTH = 512
_LARGEST_GROUP = 16
_LEAST_VARIANCE = 1e-8


class EqualizedLinear(nn.Module):
    """Dense layer of N(0, 1) weights, scaled at run time by gain / sqrt(in_features), and a bias that starts at 0."""

    def __init__(
        self, in_features: int, out_features: int, *, gain: float = math.sqrt(2), generator: torch.Generator
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features, generator=generator))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = gain / math.sqrt(in_features)

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, in_features]` → `[n, out_features]`."""
        return functional.linear(x, self.weight * self.scale, self.bias)


class DiscriminatorScale(nn.Module):
    """Two convolutions, each followed by LeakyReLU 0.2."""

    def __init__(self, first: EqualizedConv, second: EqualizedConv) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, C, H, W]` → `[n, C', H, W]`."""
        leaky_relu = self.first.arithmetic.leaky_relu
        return leaky_relu(self.second(leaky_relu(self.first(x))))


class ProgressiveDiscriminator(nn.Module):
    """Maps images `[n, 3, resolution, resolution]` to logits `[n, n_logits]` (Schwarz et al. 2021).

    A 1 × 1 convolution from RGB; per scale two 3 × 3 convolutions and downsampling by 2; at 4 × 4 the deviation of the
    minibatch as one more channel, a 3 × 3 convolution and two dense layers, the last of them linear with gain 1. All
    others are followed by LeakyReLU 0.2. Like the published network it owns a layer from RGB per scale, of which the
    first is used.

    Weights are drawn from `generator` scale by scale, the largest first: from RGB, then the other two or three layers.
    """

    def __init__(
        self,
        resolution: int,
        n_logits: int,
        *,
        downsampling: str,
        padding: str,
        arithmetic: Arithmetic = FAST,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.downsampling = downsampling
        self.inputs = nn.ModuleList()
        self.scales = nn.ModuleList()
        conv = partial(EqualizedConv, arithmetic=arithmetic, generator=generator)
        conv3 = partial(conv, kernel=3, padding=1, padding_mode=padding)
        side = resolution
        while side > _LAST_SIDE:
            width, width_out = (channels_at(s, divisor=_WIDTH_DIVISOR) for s in (side, side // 2))
            self.inputs.append(conv(3, width, kernel=1))
            self.scales.append(DiscriminatorScale(conv3(width, width), conv3(width, width_out)))
            side //= 2
        width = channels_at(side, divisor=_WIDTH_DIVISOR)
        self.inputs.append(conv(3, width, kernel=1))
        self.last_conv = conv3(width + 1, width)
        self.hidden = EqualizedLinear(width * side * side, width, generator=generator)
        self.logits = EqualizedLinear(width, n_logits, gain=1.0, generator=generator)
        arithmetic.lay_out(self)

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, 3, resolution, resolution]` → logits `[n, n_logits]`."""
        arithmetic = self.arithmetic
        leaky_relu, downsample = arithmetic.leaky_relu, arithmetic.downsample(self.downsampling)
        x = leaky_relu(self.inputs[0](x.contiguous(memory_format=arithmetic.memory_format)))
        for scale in self.scales:
            x = downsample(scale(x))
        x = leaky_relu(self.last_conv(append_deviation(x, lean=arithmetic.is_lean)))
        return self.logits(leaky_relu(self.hidden(x.flatten(1))))


class MLPDiscriminator(nn.Module):
    """Maps images `[n, 3, resolution, resolution]` to logits `[n, n_logits]` by three hidden dense layers."""

    def __init__(self, resolution: int, n_logits: int, *, generator: torch.Generator) -> None:
        super().__init__()
        widths = [3 * resolution**2, _MLP_WIDTH, _MLP_WIDTH, _MLP_WIDTH]
        self.hidden = nn.ModuleList(
            EqualizedLinear(before, after, generator=generator) for before, after in pairwise(widths)
        )
        self.logits = EqualizedLinear(_MLP_WIDTH, n_logits, gain=1.0, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, 3, resolution, resolution]` → logits `[n, n_logits]`."""
        x = x.flatten(1)
        for layer in self.hidden:
            x = FAST.leaky_relu(layer(x))
        return self.logits(x)


def append_deviation(x: Tensor, *, lean: bool = True) -> Tensor:
    """`x [n, C, H, W]` with a channel more: the mean standard deviation of the features within groups of images.

    Groups have min(16, n) images, n / size apart from each other; sqrt(var + 1e-8) is averaged over features.
    A batch that groups of 16 do not fill is one group. An image alone deviates by sqrt(1e-8), whatever it
    shows: `lean` leaves out the derivative of zeros, which R1 would send through all layers below once more.
    """
    n = len(x)
    if n == 1 and lean:
        return torch.cat([x, x.new_full((1, 1, *x.shape[2:]), math.sqrt(_LEAST_VARIANCE))], dim=1)
    size = min(_LARGEST_GROUP, n)
    if n % size:
        size = n
    groups = x.reshape(size, n // size, -1)
    deviation = (groups.var(dim=0, unbiased=False) + _LEAST_VARIANCE).sqrt().mean(dim=1)  # [n / size]
    return torch.cat([x, deviation.repeat(size)[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)
