"""StyleGAN2-like networks as examples of `--model studies.testbeds.stylegan2:Generator` and `…:Discriminator`.

Written from the formulas of Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN": modulated
convolutions, skip outputs in the generator, residual blocks in the discriminator, resampling with [1, 3, 3, 1] filters.
Smaller than the original (the channels of the testbeds), without its noise inputs and style mixing.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

import specops
from studies.testbeds.networks.generator import LATENT_CHANNELS, channels_at
from studies.testbeds.networks.gradients import pixel_norm

_TAPS = (0.125, 0.375, 0.375, 0.125)
_WIDTH_DIVISOR = 8
_STYLE_CHANNELS = 64
_MAPPING_LAYERS = 2
_FIRST_SIDE = 4


def upsampled(x: Tensor) -> Tensor:
    """`x [n, C, H, W]` → `[n, C, 2H, 2W]`: zeros inserted, then the filter with gain 4."""
    return specops.upfirdn2d(x, x.new_tensor(_TAPS), up=2, padding=(2, 1, 2, 1), gain=4)


def downsampled(x: Tensor) -> Tensor:
    """`x [n, C, H, W]` → `[n, C, H/2, W/2]`: the filter, then every second pixel."""
    return specops.upfirdn2d(x, x.new_tensor(_TAPS), down=2, padding=(1, 1, 1, 1))


def activate(x: Tensor) -> Tensor:
    """√2 · LeakyReLU 0.2: keeps the variance of a normal input about the same."""
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


class Linear(nn.Module):
    """Dense layer with weights N(0, 1) over sqrt(fan_in) at run time; the bias starts at `bias`."""

    def __init__(self, in_features: int, out_features: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.full((out_features,), bias))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight / math.sqrt(self.weight.shape[1]), self.bias)


class Conv(nn.Module):
    """Convolution with weights N(0, 1) over sqrt(fan_in) at run time, zero padding and unchanged size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        scale = 1 / math.sqrt(self.weight[0].numel())
        return functional.conv2d(x, self.weight * scale, self.bias, padding=self.weight.shape[-1] // 2)


class ModulatedConv(nn.Module):
    """Convolution whose weights are scaled per image: w'_oik = s_i·w_oik, over sqrt(Σ_ik w'² + 1e-8) if demodulated.

    Both scalings commute with the convolution, so the input is scaled before it and the output after it (equations 1
    and 3 of the paper).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, demodulate: bool = True) -> None:
        super().__init__()
        self.style = Linear(_STYLE_CHANNELS, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor, *, upsample: bool = False) -> Tensor:
        """`x [n, C, H, W]`, `w [n, 64]` → `[n, C', H, W]`, with twice the sides if upsampled first."""
        style = self.style(w)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        x = x * style[:, :, None, None]
        if upsample:
            x = upsampled(x)
        x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            energy = style.square() @ weight.square().sum(dim=(2, 3)).T  # [n, C']
            x = x * torch.rsqrt(energy + 1e-8)[:, :, None, None]
        return x + self.bias[:, None, None]


class GeneratorBlock(nn.Module):
    """The layers of one scale, and its contribution to the image."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ModulatedConv(in_channels, out_channels, 3)
        self.second = ModulatedConv(out_channels, out_channels, 3)
        self.to_rgb = ModulatedConv(out_channels, 3, 1, demodulate=False)

    def forward(self, x: Tensor, image: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Features and image at `[H, W]`, both with twice the sides."""
        x = activate(self.first(x, w, upsample=True))
        x = activate(self.second(x, w))
        return x, upsampled(image) + self.to_rgb(x, w)


class Generator(nn.Module):
    """Maps latents `[n, 64]` to images `[n, 3, resolution, resolution]`: mapping network, constant input, skips."""

    latent_channels = LATENT_CHANNELS

    def __init__(self, resolution: int) -> None:
        super().__init__()
        widths = _widths(resolution)
        self.mapping = nn.ModuleList(Linear(LATENT_CHANNELS, _STYLE_CHANNELS) for _ in range(_MAPPING_LAYERS))
        self.start = nn.Parameter(torch.randn(1, widths[0], _FIRST_SIDE, _FIRST_SIDE))
        self.first = ModulatedConv(widths[0], widths[0], 3)
        self.to_rgb = ModulatedConv(widths[0], 3, 1, demodulate=False)
        self.blocks = nn.ModuleList(GeneratorBlock(before, after) for before, after in itertools.pairwise(widths))

    def forward(self, z: Tensor) -> Tensor:
        """`z [n, 64]` → images `[n, 3, resolution, resolution]`, unbounded."""
        w = pixel_norm(z)
        for layer in self.mapping:
            w = activate(layer(w))
        x = activate(self.first(self.start.expand(len(z), -1, -1, -1), w))
        image = self.to_rgb(x, w)
        for block in self.blocks:
            x, image = block(x, image, w)
        return image


class DiscriminatorBlock(nn.Module):
    """Two convolutions and downsampling, beside a linear shortcut: (f(x) + g(x)) / √2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = Conv(in_channels, in_channels, 3)
        self.second = Conv(in_channels, out_channels, 3)
        self.shortcut = Conv(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, C, H, W]` → `[n, C', H/2, W/2]`."""
        deep = activate(downsampled(self.second(activate(self.first(x)))))
        return (deep + self.shortcut(downsampled(x))) / math.sqrt(2)


class Discriminator(nn.Module):
    """Maps images `[n, 3, resolution, resolution]` to logits `[n, n_logits]` through residual blocks."""

    def __init__(self, resolution: int, n_logits: int) -> None:
        super().__init__()
        widths = _widths(resolution)[::-1]
        self.from_rgb = Conv(3, widths[0], 1)
        self.blocks = nn.ModuleList(DiscriminatorBlock(before, after) for before, after in itertools.pairwise(widths))
        self.last = Conv(widths[-1], widths[-1], 3)
        self.hidden = Linear(widths[-1] * _FIRST_SIDE**2, widths[-1])
        self.logits = Linear(widths[-1], n_logits)

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, 3, resolution, resolution]` → logits `[n, n_logits]`."""
        x = activate(self.from_rgb(x))
        for block in self.blocks:
            x = block(x)
        x = activate(self.last(x)).flatten(1)
        return self.logits(activate(self.hidden(x)))


def _widths(resolution: int) -> list[int]:
    """Channels at 4 × 4, 8 × 8, … up to the resolution."""
    sides = [2**power for power in range(int(math.log2(_FIRST_SIDE)), int(math.log2(resolution)) + 1)]
    return [channels_at(side, divisor=_WIDTH_DIVISOR) for side in sides]
