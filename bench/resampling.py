"""Entries of the resampling functions: beside torch, diffusers and antialiased-cnns, and backward beside forward."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from samples import RESAMPLING
from torch import Tensor

import specops
from bench import eager
from bench.measure import sets_of_images
from bench.registry import Entry, Run, Side, Sides, case_of
from bench.spectral import GPU_TESTS, MOST_ERROR, PIXELS, by_compiler, planes_of, ratios_to_reference

TESTS = (
    "functional/test_downsample.py",
    "ops/test_resample_fuzz.py",
    "functional/test_resampling_modes.py",
    "peers/test_resampling_peers.py",
)
SHAPES = ((4, 64, 64, 64), (1, 16, 256, 256))
TAPS = {4: (1.0, 3.0, 3.0, 1.0), 12: (1.0, 2.0, 4.0, 7.0, 11.0, 15.0, 15.0, 11.0, 7.0, 4.0, 2.0, 1.0)}
CHANNELS = 32  # of images on a GPU
FEW = 64  # images: a GPU waits for the host

Make = Callable[[Tensor], Run]  # a function of images like the one that it is given


class Row(NamedTuple):
    """A function of specops, its peers and its bounds."""

    name: str
    ours: Make
    peers: dict[str, Make]
    must: float
    aim: float

    @property
    def claim(self) -> str:
        peers = ", ".join(self.peers)
        return f"resampling: {self.name} / {f'best of {peers}' if len(self.peers) > 1 else peers}"


def sampled(function: Run, **settings: object) -> Make:
    """The function with these settings, for any images."""
    return lambda x: functools.partial(function, **settings)


def taps_like(n: int, x: Tensor) -> Tensor:
    """Symmetric taps along one axis, so that convolution and correlation are the same."""
    f = torch.tensor(TAPS[n], device=x.device)
    return f / f.sum()


def enlarged(n: int, x: Tensor) -> Run:
    f, before = taps_like(n, x), n // 2
    return lambda x: specops.upfirdn2d(x, f, up=2, padding=(before, before - 1, before, before - 1), gain=4)


def reduced(n: int, x: Tensor) -> Run:
    f, padding = taps_like(n, x), n // 2 - 1
    return lambda x: specops.upfirdn2d(x, f, down=2, padding=padding)


def by_channel(n: int, gain: int, x: Tensor) -> Tensor:
    f = taps_like(n, x)
    return (gain * torch.outer(f, f)).to(x.dtype).repeat(x.shape[1], 1, 1, 1)


def conv_transpose2d(n: int, x: Tensor) -> Run:
    weight = by_channel(n, 4, x)
    return lambda x: F.conv_transpose2d(x, weight, stride=2, padding=n // 2 - 1, groups=len(weight))


def conv2d(n: int, x: Tensor) -> Run:
    weight = by_channel(n, 1, x)
    return lambda x: F.conv2d(x, weight, stride=2, padding=n // 2 - 1, groups=len(weight))


def diffusers(n: int, up: int, down: int, x: Tensor) -> Run:
    from diffusers.models.upsampling import upfirdn2d_native

    f, padding = up**2 * torch.outer(taps_like(n, x), taps_like(n, x)), (n // 2 - 1 + (up == 2), n // 2 - 1)
    return lambda x: upfirdn2d_native(x, f, up=up, down=down, pad=padding)


def blur_pool(x: Tensor) -> Run:
    from antialiased_cnns import BlurPool

    return BlurPool(x.shape[1], filt_size=4, stride=2)


def copy_of_output(x: Tensor) -> Run:
    y = specops.upsample(x, mode="zeros")
    return lambda x: torch.empty_like(y).copy_(y)


interpolate = sampled(F.interpolate, scale_factor=2, mode="bilinear", align_corners=False)
avg_pool = sampled(F.avg_pool2d, kernel_size=2)
published_blur = sampled(eager.published_blur)
bilinear = sampled(specops.upsample, mode="bilinear")

ROWS = [
    Row(
        "upsample(zeros)",
        sampled(specops.upsample, mode="zeros"),
        {"copy of the output's size": copy_of_output},
        1.2,
        0.9,
    ),
    Row("upsample(bilinear)", bilinear, {"F.interpolate": interpolate}, 0.40, 0.20),
    Row("downsample(avg)", sampled(specops.downsample, mode="avg"), {"F.avg_pool2d": avg_pool}, 0.40, 0.20),
    Row(
        "downsample(schwarz_blur)",
        sampled(specops.downsample, mode="schwarz_blur"),
        {"published blur in eager torch": published_blur},
        0.30,
        0.15,
    ),
    Row(
        "downsample(blur, taps=4)",
        sampled(specops.downsample, mode="blur", taps=4),
        {"antialiased-cnns": blur_pool},
        0.80,
        0.50,
    ),
]


def upfirdn2d_rows() -> Iterator[Row]:
    for n in TAPS:
        peers: dict[str, Make] = {"diffusers": functools.partial(diffusers, n, 2, 1)}
        peers |= {"conv_transpose2d": functools.partial(conv_transpose2d, n)}
        yield Row(f"upfirdn2d up 2, {n} taps", functools.partial(enlarged, n), peers, 0.15, 0.07)
        peers = {"diffusers": functools.partial(diffusers, n, 1, 2), "conv2d": functools.partial(conv2d, n)}
        yield Row(f"upfirdn2d down 2, {n} taps", functools.partial(reduced, n), peers, 0.75, 0.45)


def forward(row: Row, shape: tuple[int, ...], device: torch.device) -> Sides:
    inputs = sets_of_images(shape, device)
    peers = {name: Side(make(inputs[0][0])) for name, make in row.peers.items()}
    return Sides(Side(row.ours(inputs[0][0])), peers, inputs, combine=min, error=MOST_ERROR[torch.float32])


def backward(row: Row, shape: tuple[int, ...], device: torch.device) -> Sides:
    """The gradient alone, of an output that was computed before."""
    [[x]] = sets_of_images(shape, device)
    ours, leaf = row.ours(x), x.clone().requires_grad_()
    y = ours(leaf)
    cotangent = torch.randn_like(y)
    gradient = functools.partial(torch.autograd.grad, y, leaf, cotangent, retain_graph=True)
    return Sides(Side(gradient), {"forward": Side(functools.partial(ours, x))})


def cpu_entries() -> Iterator[Entry]:
    for row in (*ROWS, *upfirdn2d_rows()):
        for shape in SHAPES:
            case, pixels = case_of(shape), torch.Size(shape).numel()
            yield Entry(row.claim, case, TESTS, functools.partial(forward, row, shape), row.must, row.aim, pixels)
            claim = f"resampling: {row.name}, backward / forward"
            yield Entry(claim, case, TESTS, functools.partial(backward, row, shape), 1.6, 1.2, pixels)


class GpuRow(NamedTuple):
    """A function of specops, the same in torch, and how many numbers are read or written per input pixel."""

    name: str
    ours: Make
    peer: str
    theirs: Make
    moved: float


def gpu_rows() -> Iterator[GpuRow]:
    for n in TAPS:
        theirs = functools.partial(conv_transpose2d, n)
        yield GpuRow(f"upfirdn2d up 2, {n} taps", functools.partial(enlarged, n), "conv_transpose2d", theirs, 5)
        theirs = functools.partial(conv2d, n)
        yield GpuRow(f"upfirdn2d down 2, {n} taps", functools.partial(reduced, n), "conv2d", theirs, 1.25)
    yield GpuRow("upsample(bilinear)", bilinear, "F.interpolate", interpolate, 5)


def images_on_gpu(
    row: GpuRow,
    compiled: bool,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    memory_format: torch.memory_format,
    device: torch.device,
) -> Sides:
    inputs = sets_of_images(shape, device, dtype=dtype, memory_format=memory_format)
    x = inputs[0][0]
    theirs = by_compiler(row.theirs(x), inputs[0]) if compiled else row.theirs(x)
    peer = "torch.compile" if compiled else row.peer
    return Sides(Side(row.ours(x)), {peer: Side(theirs)}, inputs, error=MOST_ERROR[dtype])


def on_gpu(
    size: tuple[int, int],
    batch: int,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
    quick: bool = True,
) -> Iterator[Entry]:
    """Each function beside torch's own and, in a full run, beside what torch.compile makes of that."""
    shape = (batch, CHANNELS, *size)
    words, pixels = ("channels_last",) * (memory_format == torch.channels_last), torch.Size(shape).numel()
    for compiled in (False, True):
        for row in gpu_rows():
            yield Entry(
                f"resampling: {row.name} / {f'torch.compile of {row.peer}' if compiled else row.peer}",
                case_of(shape, dtype, *words),
                GPU_TESTS,
                functools.partial(images_on_gpu, row, compiled, shape, dtype, memory_format),
                pixels=pixels,
                moved=round(row.moved * dtype.itemsize * pixels),
                op="upfirdn2d",
                devices=("cuda",),
                quick=quick and not compiled,
            )


def gpu_entries(pixels: int = PIXELS, few: int = FEW) -> Iterator[Entry]:
    """Small planes in two types and layouts come first, then large planes and few."""
    small, large = (64, 64), (256, 256)
    batch = planes_of(pixels // CHANNELS, small)
    yield from on_gpu(small, batch)
    yield from on_gpu(small, batch, torch.float16, torch.channels_last)
    yield from on_gpu(large, planes_of(pixels // CHANNELS, large), quick=False)
    yield from on_gpu(small, few, quick=False)


def entries() -> Iterator[Entry]:
    """Yields the entries of CPUs and GPUs."""
    yield from cpu_entries()
    yield from ratios_to_reference(RESAMPLING, "2x3x16x17-")
    yield from gpu_entries()
