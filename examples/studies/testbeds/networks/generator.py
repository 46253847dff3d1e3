"""The generator of the testbed: Progressive GAN without growing, with a choice of upsampling and padding."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from .arithmetic import FAST, Arithmetic

PADDINGS = ("reflect", "zeros")
LATENT_CHANNELS = 64
_FIRST_SIDE = 4
_MET = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
"""Which of 3 taps meets this nail and the next, on a nail and between two."""


def channels_at(side: int, *, divisor: int) -> int:
    """Channels of the layers at `side` pixels: min(16384 // side, 512) // divisor."""
    return min(16384 // side, 512) // divisor


class EqualizedConv(nn.Module):
    """Convolution whose weights are N(0, 1) and scaled at run time by gain / sqrt(fan_in); the bias starts at 0."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        gain: float = math.sqrt(2),
        padding: int = 0,
        padding_mode: str = "zeros",
        arithmetic: Arithmetic = FAST,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel, generator=generator))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.scale = gain / math.sqrt(in_channels * kernel * kernel)
        self.padding = padding
        self.padding_mode = padding_mode
        self.arithmetic = arithmetic

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, in_channels, H, W]` → `[n, out_channels, H', W']`."""
        padding = self.padding
        if padding and self.padding_mode == "reflect":
            x = functional.pad(x, (padding,) * 4, mode="reflect")
            padding = 0
        return self.arithmetic.conv2d(x, self.weight * self.scale, self.bias, padding=padding)

    def of_bed_of_nails(self, x: Tensor) -> Tensor:
        """The 3 × 3 convolution of `upsample(x, 2, mode="zeros")` from x alone: `[n, C, H, W]` → `[n, C', 2H, 2W]`.

        An output meets 1, 2, 2 or 4 samples by its place among the nails, so a 2 × 2 convolution gives the four places
        as channels, with 16 products per sample and pair of channels instead of 36.
        """
        met = _MET.to(self.weight)
        places = torch.einsum("aiy, bjx, ncyx -> nabcij", met, met, self.weight * self.scale)
        # Beyond its last nail an extended image has zeros, or, where it is reflected, the last nail again.
        x = functional.pad(x, (0, 1, 0, 1), mode="replicate" if self.padding_mode == "reflect" else "constant")
        weight, bias = places.reshape(-1, places.shape[3], 2, 2), self.bias.repeat_interleave(4)
        return functional.pixel_shuffle(self.arithmetic.conv2d(x, weight, bias, padding=0), 2)


class GeneratorLayer(nn.Module):
    """Pixel norm, optional upsampling by 2, convolution, LeakyReLU 0.2: in this order."""

    def __init__(self, conv: EqualizedConv, *, upsampling: str | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.upsampling = upsampling

    def forward(self, x: Tensor) -> Tensor:
        """`x [n, C, H, W]` → `[n, C', H, W]`, with twice the sides if the layer upsamples."""
        arithmetic = self.conv.arithmetic
        x = arithmetic.pixel_norm(x)
        if self.upsampling == "zeros" and arithmetic.is_lean:
            return arithmetic.leaky_relu(self.conv.of_bed_of_nails(x))
        if self.upsampling is not None:
            x = arithmetic.upsample(self.upsampling)(x)
        return arithmetic.leaky_relu(self.conv(x))


class ProgressiveGenerator(nn.Module):
    """Maps latents `[n, 64]` to images `[n, 3, resolution, resolution]` (Schwarz et al. 2021, generator testbed).

    Two layers per scale from 4 × 4 up, upsampling in the first layer of each scale but 4 × 4. Pixel shuffle moves
    factors of 4 from channels to pixels, so with it the layers before an upsampling have 4 times the channels, and all
    channels are divided by 12 instead of 8 to keep the parameter count. Like the published network it owns an output
    layer per scale, of which the last is used.

    Weights are drawn from `generator` scale by scale: first convolution, second convolution, output.
    """

    def __init__(
        self,
        resolution: int,
        *,
        upsampling: str,
        padding: str,
        arithmetic: Arithmetic = FAST,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        expansion, divisor = (4, 12) if upsampling == "shuffle" else (1, 8)
        self.layers = nn.ModuleList()
        self.outputs = nn.ModuleList()
        conv = partial(EqualizedConv, arithmetic=arithmetic, generator=generator)
        conv3 = partial(conv, kernel=3, padding=1, padding_mode=padding)
        in_channels, side = LATENT_CHANNELS, _FIRST_SIDE
        while side <= resolution:
            width = channels_at(side, divisor=divisor)
            width_out = width * expansion if side < resolution else width
            if side == _FIRST_SIDE:  # from 1 × 1: padded to 7 × 7, the kernel has a position per output pixel
                first = GeneratorLayer(conv(in_channels, width, kernel=4, padding=3))
            else:
                first = GeneratorLayer(conv3(in_channels, width), upsampling=upsampling)
            self.layers.extend([first, GeneratorLayer(conv3(width, width_out))])
            self.outputs.append(conv(width, 3, kernel=1, gain=1.0))
            in_channels, side = width, side * 2
        arithmetic.lay_out(self)

    def forward(self, z: Tensor) -> Tensor:
        """`z [n, 64]` → images `[n, 3, resolution, resolution]`, unbounded (no tanh)."""
        x = self.arithmetic.pixel_norm(z)[:, :, None, None]
        for layer in self.layers:
            x = layer(x)
        return self.outputs[-1](self.arithmetic.pixel_norm(x))
