"""Entries of the resampling functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import specops
from bench import eager
from bench.registry import REGISTRY, Entry, Run, Timed, Timings

TESTS = (
    "functional/test_downsample.py",
    "ops/test_resample_fuzz.py",
    "functional/test_resampling_modes.py",
    "peers/test_resampling_peers.py",
)
SHAPES = ((4, 64, 64, 64), (1, 16, 256, 256))
PIXELS = 4 * 64 * 64 * 64
TAPS = {4: (1.0, 3.0, 3.0, 1.0), 12: (1.0, 2.0, 4.0, 7.0, 11.0, 15.0, 15.0, 11.0, 7.0, 4.0, 2.0, 1.0)}

Function = Callable[[Tensor], Tensor]
Peers = Callable[[Tensor], dict[str, Run]]


@functools.cache
def image(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def taps_along(n: int) -> Tensor:
    f = torch.tensor(TAPS[n])
    return f / f.sum()


def enlarged(n: int) -> Function:
    f, before = taps_along(n), n // 2
    return lambda x: specops.upfirdn2d(x, f, up=2, padding=(before, before - 1, before, before - 1), gain=4)


def reduced(n: int) -> Function:
    f, padding = taps_along(n), n // 2 - 1
    return lambda x: specops.upfirdn2d(x, f, down=2, padding=padding)


def copy_of_output(x: Tensor) -> dict[str, Run]:
    y = specops.upsample(x, mode="zeros")
    return {"copy": lambda: torch.empty_like(y).copy_(y)}


def interpolate(x: Tensor) -> dict[str, Run]:
    return {"F.interpolate": lambda: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)}


def avg_pool(x: Tensor) -> dict[str, Run]:
    return {"F.avg_pool2d": lambda: F.avg_pool2d(x, 2)}


def published_blur(x: Tensor) -> dict[str, Run]:
    return {"published blur": functools.partial(eager.published_blur, x)}


def blur_pool(x: Tensor) -> dict[str, Run]:
    from antialiased_cnns import BlurPool

    return {"antialiased-cnns": functools.partial(BlurPool(x.shape[1], filt_size=4, stride=2), x)}


def enlarging_peers(n: int, x: Tensor) -> dict[str, Run]:
    from diffusers.models.upsampling import upfirdn2d_native

    f, before, channels = 4 * torch.outer(taps_along(n), taps_along(n)), n // 2, x.shape[1]
    weight = f.flip(0, 1).repeat(channels, 1, 1, 1)
    return {
        "diffusers": lambda: upfirdn2d_native(x, f, up=2, pad=(before, before - 1)),
        "conv_transpose2d": lambda: F.conv_transpose2d(x, weight, stride=2, padding=before - 1, groups=channels),
    }


def reducing_peers(n: int, x: Tensor) -> dict[str, Run]:
    from diffusers.models.upsampling import upfirdn2d_native

    f, padding, channels = torch.outer(taps_along(n), taps_along(n)), n // 2 - 1, x.shape[1]
    weight = f.flip(0, 1).repeat(channels, 1, 1, 1)
    return {
        "diffusers": lambda: upfirdn2d_native(x, f, down=2, pad=(padding, padding)),
        "conv2d": lambda: F.conv2d(x, weight, stride=2, padding=padding, groups=channels),
    }


def forward(ours: Function, peers: Peers, shape: tuple[int, ...]) -> Timings:
    x = image(shape)
    runs = peers(x)
    for theirs in runs.values():
        torch.testing.assert_close(ours(x), theirs(), rtol=1e-5, atol=1e-5)
    timed = {name: Timed(run) for name, run in runs.items()}
    return Timings(Timed(functools.partial(ours, x)), timed, tuple(runs), min)


def backward(ours: Function, shape: tuple[int, ...]) -> Timings:
    """The gradient alone, of an output that is there."""
    x = image(shape)
    leaf = x.clone().requires_grad_()
    y = ours(leaf)
    cotangent = torch.randn_like(y)

    def gradient() -> Any:
        return torch.autograd.grad(y, leaf, cotangent, retain_graph=True)

    return Timings(Timed(gradient), {"forward": Timed(functools.partial(ours, x))}, ("forward",))


class Row(NamedTuple):
    name: str
    ours: Function
    peers: Peers
    against: str
    must: float
    aim: float


ROWS = [
    Row(
        "upsample(zeros)",
        functools.partial(specops.upsample, mode="zeros"),
        copy_of_output,
        "copy of the output's size",
        1.2,
        0.9,
    ),
    Row(
        "upsample(bilinear)",
        functools.partial(specops.upsample, mode="bilinear"),
        interpolate,
        "F.interpolate",
        0.40,
        0.20,
    ),
    Row("downsample(avg)", functools.partial(specops.downsample, mode="avg"), avg_pool, "F.avg_pool2d", 0.40, 0.20),
    Row(
        "downsample(schwarz_blur)",
        functools.partial(specops.downsample, mode="schwarz_blur"),
        published_blur,
        "published blur in eager torch",
        0.30,
        0.15,
    ),
    Row(
        "downsample(blur, taps=4)",
        functools.partial(specops.downsample, mode="blur", taps=4),
        blur_pool,
        "antialiased-cnns",
        0.80,
        0.50,
    ),
]
for _n in TAPS:
    _enlarging, _reducing = functools.partial(enlarging_peers, _n), functools.partial(reducing_peers, _n)
    ROWS += [
        Row(f"upfirdn2d up 2, {_n} taps", enlarged(_n), _enlarging, "best of diffusers, conv_transpose2d", 0.15, 0.07),
        Row(f"upfirdn2d down 2, {_n} taps", reduced(_n), _reducing, "best of diffusers, conv2d", 0.75, 0.45),
    ]


def add_resampling() -> None:
    for row in ROWS:
        for shape in SHAPES:
            case = f"{shape[0] * shape[1]} x {shape[2]}²"
            setup = functools.partial(forward, row.ours, row.peers, shape)
            claim = f"resampling: {row.name} / {row.against}"
            REGISTRY.entries.append(Entry(claim, case, TESTS, setup, row.must, row.aim, PIXELS))
    for row in ROWS:
        for shape in SHAPES:
            case = f"{shape[0] * shape[1]} x {shape[2]}²"
            setup = functools.partial(backward, row.ours, shape)
            claim = f"resampling: {row.name}, backward / forward"
            REGISTRY.entries.append(Entry(claim, case, TESTS, setup, 1.6, 1.2, PIXELS))


add_resampling()
