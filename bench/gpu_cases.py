"""What is timed on a GPU: ops of specops and the same in eager torch, on enough images to fill it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import specops
from bench import eager

SIZES = (32, 64, 128, 256)
PIXELS = 2**27  # of a batch that fills a GPU: 512 MiB in float32
CHANNELS = 32  # of images for resampling
FEW = 64  # of a batch whose time is that of the host: RGB images, maps for resampling

Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """A function of specops beside the same in eager torch.

    Attributes:
        op: that it rests on.
        shape: of each of its images.
        images: how many it takes.
        moved: bytes that must move per input pixel, float32.
        make: device -> (ours, eager), functions of the images.
        backward: whether the gradient of the first image is part of it.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    images: int
    moved: float
    make: Callable[[torch.device], tuple[Function, Function]]
    backward: bool = False


def with_backward(function: Function) -> Function:
    """The gradient of the sum of its results, by a forward and a backward pass."""

    def gradient(x: Tensor) -> Tensor:
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]

    return gradient


def spectrum(size: int, device: torch.device) -> tuple[Function, Function]:
    return specops.radial_spectrum, eager.EagerSpectrum(size, device)


def frequency_filter(size: int, device: torch.device) -> tuple[Function, Function]:
    mask = specops.masks.lowpass((size, size), size / 4, device=device)
    return lambda x: specops.frequency_filter(x, mask), lambda x: eager.eager_filter(x, mask)


def hff(size: int, device: torch.device) -> tuple[Function, Function]:
    mask = specops.masks.lowpass((size, size), size / 4, device=device)
    return lambda x: specops.hff(x, size / 4), lambda x: eager.eager_hff(x, mask)


def hfc(size: int, device: torch.device) -> tuple[Function, Function]:
    """The fake images alone: the real ones come back clipped."""
    mask = specops.masks.lowpass((size, size), size / 4, device=device)
    return lambda real, fake: specops.hfc(real, fake, size / 4)[1], lambda real, fake: eager.eager_hfc(real, fake, mask)


def enlarge(n_taps: int, device: torch.device) -> tuple[Function, Function]:
    f = _taps(n_taps, device)
    before = n_taps // 2
    weight = (4 * torch.outer(f, f)).repeat(CHANNELS, 1, 1, 1)
    return (
        lambda x: specops.upfirdn2d(x, f, up=2, padding=(before, before - 1, before, before - 1), gain=4),
        lambda x: F.conv_transpose2d(x, weight, stride=2, padding=before - 1, groups=CHANNELS),
    )


def reduce(n_taps: int, device: torch.device) -> tuple[Function, Function]:
    f = _taps(n_taps, device)
    padding = n_taps // 2 - 1
    weight = torch.outer(f, f).repeat(CHANNELS, 1, 1, 1)
    return (
        lambda x: specops.upfirdn2d(x, f, down=2, padding=padding),
        lambda x: F.conv2d(x, weight, stride=2, padding=padding, groups=CHANNELS),
    )


def _taps(n: int, device: torch.device) -> Tensor:
    """A symmetric filter, so that convolution and correlation are the same."""
    f = torch.arange(1.0, n // 2 + 1, device=device)
    f = torch.cat((f, f.flip(0)))
    return f / f.sum()


def bilinear(device: torch.device) -> tuple[Function, Function]:
    return (
        lambda x: specops.upsample(x, mode="bilinear"),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    )


def spectral_cases(size: int, batch: int) -> Iterator[Case]:
    shape = (batch, size, size)
    of_size = f"{size} x {size}"
    spectra = functools.partial(spectrum, size)
    yield Case(f"radial_spectrum {of_size}", "binned_cross_spectrum", shape, 1, 4, spectra)
    name = f"radial_spectrum with backward {of_size}"
    yield Case(name, "binned_cross_spectrum", shape, 1, 12, spectra, backward=True)
    make = functools.partial(frequency_filter, size)
    yield Case(f"frequency_filter {of_size}", "binned_filter", shape, 1, 8, make)
    yield Case(f"hff {of_size}", "clipped_band_swap", shape, 1, 8, functools.partial(hff, size))
    yield Case(f"hfc {of_size}", "clipped_band_swap", shape, 2, 16, functools.partial(hfc, size))


def resampling_cases(size: int, batch: int) -> Iterator[Case]:
    shape = (batch, CHANNELS, size, size)
    of_size = f"{size} x {size}"
    for n_taps in (4, 12):
        make = functools.partial(enlarge, n_taps)
        yield Case(f"up 2, {n_taps} taps {of_size}", "upfirdn2d", shape, 1, 20, make)
        make = functools.partial(reduce, n_taps)
        yield Case(f"down 2, {n_taps} taps {of_size}", "upfirdn2d", shape, 1, 5, make)
    yield Case(f"upsample bilinear {of_size}", "upfirdn2d", shape, 1, 20, bilinear)


def cases(pixels: int = PIXELS, few: int = FEW) -> Iterator[Case]:
    """All of them on batches of `pixels`, then some on `few` images."""
    for size in SIZES:
        yield from spectral_cases(size, pixels // size**2)
    for size in (64, 256):
        yield from resampling_cases(size, pixels // size**2 // CHANNELS)
    yield from spectral_cases(64, 3 * few)
    yield from resampling_cases(64, few)
