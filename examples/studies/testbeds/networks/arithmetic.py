"""What the testbeds' networks are made of, in two arithmetics: the same formulas, in another order of additions.

Their numbers agree up to rounding, which training amplifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

import specops
from studies.core.errors import InputError

from . import gradients
from .gradients import EPSILON, SLOPE

Resampling = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Arithmetic:
    """The layers of a network and how it is trained.

    Attributes:
        conv2d: of x, weight, bias and `padding`, as torch's.
        leaky_relu: x where positive, 0.2·x elsewhere; may write over its argument.
        pixel_norm: `x [n, C, H, W]` over the root mean square of its channels, sqrt(mean_c x² + 1e-8).
        upsample, downsample: resampling by 2, from its mode.
        is_lean: without needless work: weights and images in channels_last, which oneDNN need not reorder; a fused
            optimizer; no derivatives that are all zeros.
    """

    conv2d: Callable[..., Tensor]
    leaky_relu: Callable[[Tensor], Tensor]
    pixel_norm: Callable[[Tensor], Tensor]
    upsample: Callable[[str], Resampling]
    downsample: Callable[[str], Resampling]
    is_lean: bool

    @property
    def memory_format(self) -> torch.memory_format:
        """Of images and of the weights of convolutions."""
        return torch.channels_last if self.is_lean else torch.contiguous_format

    def lay_out(self, network: nn.Module) -> None:
        """Put the weights of 4 dimensions into the memory format."""
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=self.memory_format)

    def adam(self, parameters: Iterable[Tensor], rate: float) -> torch.optim.Adam:
        """The optimizer of Schwarz et al. 2021."""
        return torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.99), eps=EPSILON, fused=self.is_lean or None)


def _pixel_norm(x: Tensor) -> Tensor:
    return x / (x.square().mean(dim=1, keepdim=True) + EPSILON).sqrt()


def _bed_of_nails(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    y = x.new_zeros(n, channels, 2 * height, 2 * width)
    y[:, :, ::2, ::2] = x
    return y


def _blur(x: Tensor) -> Tensor:
    """Reflected edges, [1, 3, 1] along both axes in one grouped convolution, mean of 2 × 2."""
    taps = x.new_tensor([1.0, 3.0, 1.0])
    weight = (torch.outer(taps, taps) / 25).expand(x.shape[1], 1, 3, 3)
    padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    return functional.avg_pool2d(functional.conv2d(padded, weight, groups=x.shape[1]), 2)


UPSAMPLINGS: dict[str, Resampling] = {
    "bilinear": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    "nearest": lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
    "zeros": _bed_of_nails,
    "shuffle": lambda x: functional.pixel_shuffle(x, 2),
}
"""The modes of the published generator, in torch."""

DOWNSAMPLINGS: dict[str, Resampling] = {
    "avg": lambda x: functional.avg_pool2d(x, 2),
    "stride": lambda x: x[:, :, ::2, ::2],
    "schwarz_blur": _blur,
}
"""The modes of the published discriminator, in torch."""

FAST = Arithmetic(
    conv2d=gradients.conv2d,
    leaky_relu=gradients.leaky_relu,
    pixel_norm=gradients.pixel_norm,
    upsample=lambda mode: lambda x: specops.upsample(x, 2, mode=mode),
    downsample=lambda mode: lambda x: specops.downsample(x, 2, mode=mode),
    is_lean=True,
)
"""Lean gradients, specops' resampling."""

PUBLISHED = Arithmetic(
    conv2d=functional.conv2d,
    leaky_relu=partial(functional.leaky_relu, negative_slope=SLOPE),
    pixel_norm=_pixel_norm,
    upsample=UPSAMPLINGS.__getitem__,
    downsample=DOWNSAMPLINGS.__getitem__,
    is_lean=False,
)
"""torch's own functions and derivatives: they add in the order of the published code."""

ARITHMETICS = {"fast": FAST, "published": PUBLISHED}


def check_published(model: str | None, mode: str, modes: Iterable[str]) -> None:
    """Raise InputError where nothing was published: networks and modes other than these."""
    if model is not None or mode not in modes:
        what = model or mode
        raise InputError(
            f"--arithmetic published is that of the published code, which has {', '.join(modes)}; got {what}"
        )
