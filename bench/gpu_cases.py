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

Size = tuple[int, int]
Function = Callable[..., Tensor]
Make = Callable[[torch.device], tuple[Function, Function]]

# One of each class: registers alone, 128, one above, tiles, a rectangle, factors of 3.
QUICK_SIZES: tuple[Size, ...] = ((64, 64), (128, 128), (256, 256), (1024, 1024), (128, 256), (96, 96))
MORE_SIZES: tuple[Size, ...] = ((16, 16), (32, 32), (512, 512), (2048, 2048), (256, 128), (1000, 1000))
PIXELS = 2**26  # of a batch that fills a GPU: 256 MiB in float32
CHANNELS = 32  # of images for resampling
FEW = 64  # of a batch whose time is that of the host: RGB images, maps for resampling
NAMES = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


@dataclass(frozen=True)
class Case:
    """A function of specops beside the same in eager torch.

    Attributes:
        op: that it rests on.
        shape: of each of its images.
        images: how many it takes.
        moved: numbers that must be read or written per input pixel.
        make: device -> (ours, eager), functions of the images.
        backward: whether the gradient of the first image is part of it.
        dtype: of the images.
        channels_last: whether the images are.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    images: int
    moved: float
    make: Make
    backward: bool = False
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    def image(self, device: torch.device, generator: torch.Generator) -> Tensor:
        made = torch.randn(self.shape, generator=generator, device=device).to(self.dtype)
        return made.contiguous(memory_format=torch.channels_last) if self.channels_last else made


def with_backward(function: Function) -> Function:
    """The gradient of the sum of its results, by a forward and a backward pass."""

    def gradient(x: Tensor) -> Tensor:
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(function(leaf).sum(), leaf)[0]

    return gradient


def in_float32(function: Function) -> Function:
    """Of half images, which torch.fft has no transform for; images come back in their type."""

    def widened(*images: Tensor) -> Tensor:
        out = function(*(image.float() for image in images))
        return out.to(images[0].dtype) if out.shape == images[0].shape else out

    return widened


def spectrum(size: Size, device: torch.device) -> tuple[Function, Function]:
    return specops.radial_spectrum, in_float32(eager.EagerSpectrum(size, device))


def frequency_filter(size: Size, device: torch.device) -> tuple[Function, Function]:
    mask = specops.masks.lowpass(size, min(size) / 4, device=device)
    return lambda x: specops.frequency_filter(x, mask), in_float32(lambda x: eager.eager_filter(x, mask))


def hff(size: Size, device: torch.device) -> tuple[Function, Function]:
    radius = min(size) / 4
    mask = specops.masks.lowpass(size, radius, device=device)
    return lambda x: specops.hff(x, radius), in_float32(lambda x: eager.eager_hff(x, mask))


def hfc(size: Size, device: torch.device) -> tuple[Function, Function]:
    """The fake images alone: the real ones come back clipped."""
    radius = min(size) / 4
    mask = specops.masks.lowpass(size, radius, device=device)
    theirs = in_float32(lambda real, fake: eager.eager_hfc(real, fake, mask))
    return lambda real, fake: specops.hfc(real, fake, radius)[1], theirs


def enlarge(n_taps: int, dtype: torch.dtype, device: torch.device) -> tuple[Function, Function]:
    f = _taps(n_taps, device)
    before = n_taps // 2
    weight = (4 * torch.outer(f, f)).to(dtype).repeat(CHANNELS, 1, 1, 1)
    return (
        lambda x: specops.upfirdn2d(x, f, up=2, padding=(before, before - 1, before, before - 1), gain=4),
        lambda x: F.conv_transpose2d(x, weight, stride=2, padding=before - 1, groups=CHANNELS),
    )


def reduce(n_taps: int, dtype: torch.dtype, device: torch.device) -> tuple[Function, Function]:
    f = _taps(n_taps, device)
    padding = n_taps // 2 - 1
    weight = torch.outer(f, f).to(dtype).repeat(CHANNELS, 1, 1, 1)
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


def _named(what: str, size: Size, dtype: torch.dtype, *words: str) -> str:
    return " ".join([what, f"{size[0]} x {size[1]}", *filter(None, [NAMES.get(dtype, ""), *words])])


def spectral_cases(size: Size, batch: int, dtype: torch.dtype = torch.float32) -> Iterator[Case]:
    shape = (batch, *size)
    spectra = functools.partial(spectrum, size)
    swaps = (("hff", 1, 2, hff), ("hfc", 2, 4, hfc))
    yield Case(_named("radial_spectrum", size, dtype), "binned_cross_spectrum", shape, 1, 1, spectra, dtype=dtype)
    name = _named("radial_spectrum with backward", size, dtype)
    yield Case(name, "binned_cross_spectrum", shape, 1, 3, spectra, backward=True, dtype=dtype)
    make: Make = functools.partial(frequency_filter, size)
    yield Case(_named("frequency_filter", size, dtype), "binned_filter", shape, 1, 2, make, dtype=dtype)
    for what, images, moved, function in swaps:
        make = functools.partial(function, size)
        yield Case(_named(what, size, dtype), "clipped_band_swap", shape, images, moved, make, dtype=dtype)


def resampling_cases(
    size: Size, batch: int, dtype: torch.dtype = torch.float32, channels_last: bool = False
) -> Iterator[Case]:
    layout = "channels_last" if channels_last else ""
    shape = (batch, CHANNELS, *size)
    makes: list[tuple[str, float, Make]] = []
    for n_taps in (4, 12):
        makes.append((f"up 2, {n_taps} taps", 5, functools.partial(enlarge, n_taps, dtype)))
        makes.append((f"down 2, {n_taps} taps", 1.25, functools.partial(reduce, n_taps, dtype)))
    for what, moved, make in (*makes, ("upsample bilinear", 5, bilinear)):
        name = _named(what, size, dtype, layout)
        yield Case(name, "upfirdn2d", shape, 1, moved, make, dtype=dtype, channels_last=channels_last)


def _batch(pixels: int, size: Size, channels: int = 1) -> int:
    return max(1, pixels // (size[0] * size[1] * channels))


def quick_cases(pixels: int = PIXELS, few: int = FEW) -> Iterator[Case]:
    """A row per class of sizes and op: what most depends on a class first, then types, layouts and small batches."""
    small = (64, 64)
    for size in QUICK_SIZES:
        yield from spectral_cases(size, _batch(pixels, size))
    yield from resampling_cases(small, _batch(pixels, small, CHANNELS))
    yield from resampling_cases(small, _batch(pixels, small, CHANNELS), torch.float16, channels_last=True)
    yield from spectral_cases(small, _batch(pixels, small), torch.bfloat16)
    yield from spectral_cases(small, 3 * few)


def cases(pixels: int = PIXELS, few: int = FEW) -> Iterator[Case]:
    """All: the quick ones, then other sizes, large planes and a few small ones."""
    yield from quick_cases(pixels, few)
    for size in MORE_SIZES:
        yield from spectral_cases(size, _batch(pixels, size))
    large = (256, 256)
    yield from spectral_cases(large, _batch(pixels, large), torch.float16)
    yield from resampling_cases(large, _batch(pixels, large, CHANNELS))
    yield from resampling_cases((64, 64), few)
