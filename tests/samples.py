"""Arguments for each op, shared by the tests and the benchmarks."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops import geometry
from specops.ops._layout import compute_dtype

CPU = torch.device("cpu")
DEVICE = torch.device(os.environ.get("SPECOPS_TEST_DEVICE", "cpu"))  # where the battery's tensors are


@dataclass(frozen=True)
class Sample:
    """One set of arguments of an op.

    Attributes:
        op: bare name of the op.
        name: readable id.
        make: (dtype, generator) -> arguments; images in `dtype`, gains, filters and weights in its compute dtype.
        images: positions of the arguments that are images.
        small: cheap enough for numerical derivatives.
    """

    op: str
    name: str
    make: Callable[[torch.dtype, torch.Generator], tuple[Any, ...]]
    images: tuple[int, ...]
    small: bool

    def arguments(self, dtype: torch.dtype, seed: int = 0) -> tuple[Any, ...]:
        """Made on the CPU, so that they are the same on each device; one tensor twice stays one."""
        made = self.make(dtype, torch.Generator().manual_seed(seed))
        moved = {id(arg): arg.to(DEVICE) for arg in made if isinstance(arg, Tensor)}
        return tuple(moved.get(id(arg), arg) for arg in made)

    def __str__(self) -> str:
        return f"{self.op}-{self.name}"


def randn(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def spectral_maps(
    size: tuple[int, int], bins: str, dtype: torch.dtype, generator: torch.Generator
) -> tuple[Tensor, Tensor, int]:
    """`radial`: means per ring; `own`: a bin per coefficient; `ragged`: random weights, some coefficients in no bin;

    `two maps`: means per ring, a coefficient and its conjugate in different ones.
    """
    if bins == "own":
        index, weight, _ = geometry.coefficient_maps(*size, dtype, CPU)
        return index, weight, index.numel()
    convention = "durall2020" if bins == "two maps" else "schwarz2021"
    index, weight, n_bins = geometry.radial_mean_maps(*size, convention, dtype, CPU)
    if bins == "ragged":
        dropped = torch.rand(index.shape, generator=generator) < 0.3
        index = torch.where(dropped, -1, index)
        weight = torch.rand(index.shape, generator=generator, dtype=torch.float64).to(dtype)
    return index, weight, n_bins


def _cross(batch: tuple[int, ...], size: tuple[int, int], bins: str, power: bool = False) -> Sample:
    def make(dtype: torch.dtype, generator: torch.Generator) -> tuple[Any, ...]:
        index, weight, n_bins = spectral_maps(size, bins, compute_dtype(dtype), generator)
        x = randn((*batch, *size), dtype, generator)
        y = x if power else randn((*batch, *size), dtype, generator)
        return x, y, index, weight, n_bins

    return Sample(
        "binned_cross_spectrum", _name(batch, size, bins, "power" * power), make, (0, 1), _is_small(batch, size)
    )


def _filter(batch: tuple[int, ...], size: tuple[int, int], bins: str, shared: bool = False) -> Sample:
    def make(dtype: torch.dtype, generator: torch.Generator) -> tuple[Any, ...]:
        index, weight, n_bins = spectral_maps(size, bins, compute_dtype(dtype), generator)
        gains = (n_bins,) if shared else (*batch, n_bins)
        return (
            randn((*batch, *size), dtype, generator),
            randn(gains, compute_dtype(dtype), generator),
            index,
            weight,
        )

    return Sample("binned_filter", _name(batch, size, bins, "shared" * shared), make, (0,), _is_small(batch, size))


def _name(batch: tuple[int, ...], size: tuple[int, int], *words: str) -> str:
    return "-".join(["x".join(map(str, (*batch, *size))), *filter(None, words)])


def _is_small(batch: tuple[int, ...], size: tuple[int, int]) -> bool:
    return torch.Size((*batch, *size)).numel() <= 120


SPECTRAL = [
    sample
    for kind in (_cross, _filter)
    for sample in (
        kind((), (1, 1), "radial"),
        kind((2,), (1, 6), "radial"),
        kind((2,), (5, 1), "own"),
        kind((2,), (4, 6), "ragged"),
        kind((2, 2), (5, 4), "radial"),
        kind((), (7, 5), "own"),
        kind((19,), (8, 8), "radial"),
        kind((2, 3), (12, 15), "ragged"),
        kind((9,), (16, 16), "own"),
        kind((3,), (11, 26), "radial"),
        kind((9,), (33, 33), "radial"),
        kind((3, 3), (64, 32), "radial"),
        kind((2,), (6, 5), "two maps"),
        kind((3,), (16, 18), "two maps"),
    )
] + [
    _cross((2,), (6, 6), "radial", power=True),
    _cross((17,), (32, 32), "radial", power=True),
    _cross((3,), (13, 14), "ragged", power=True),
    _filter((2, 2), (4, 5), "own", shared=True),
    _filter((17,), (32, 32), "own", shared=True),
    _filter((3,), (13, 14), "ragged", shared=True),
]
if DEVICE.type == "cuda":  # the sizes that GPU kernels transform in one launch
    SPECTRAL += [
        kind((5,), (side, side), bins)
        for kind in (_cross, _filter, functools.partial(_cross, power=True), functools.partial(_filter, shared=True))
        for side in (32, 64, 128)
        for bins in ("radial", "own", "ragged", "two maps")
    ]

RESAMPLINGS: dict[str, dict[str, Any]] = {
    "bed-of-nails": {"taps": (1, 1), "up": (2, 2)},
    "stride": {"taps": (1, 1), "down": (2, 3), "boundary": "circular"},
    "up": {"taps": (4, 3), "up": (2, 3), "padding": (2, 1, 2, 1)},
    "down": {"taps": (3, 4), "down": (2, 2), "padding": (1, 2, 1, 1), "boundary": "reflect"},
    "both": {"taps": (2, 3), "up": (3, 2), "down": (2, 3), "padding": (1, 3, 2, 0), "boundary": "replicate"},
    "crop": {"taps": (2, 2), "up": (2, 1), "padding": (-1, -2, -1, 1), "boundary": "circular"},
    "outer-up": {"taps": (4, 3), "up": (2, 3), "padding": (2, 1, 2, 1), "boundary": "reflect", "outer": True},
    "outer-down": {"taps": (3, 5), "down": (2, 2), "padding": (1, 2, 1, 1), "boundary": "replicate", "outer": True},
    "far": {"taps": (2, 2), "down": (3, 2), "padding": (9, 11, 13, 8), "boundary": "reflect"},
}


def _resample(op: str, case: str, batch: tuple[int, ...], size: tuple[int, int]) -> Sample:
    settings = {"up": (1, 1), "down": (1, 1), "padding": (0, 0, 0, 0), "boundary": "zeros"} | RESAMPLINGS[case]
    taps, outer = settings.pop("taps"), settings.pop("outer", False)
    sampling = tuple(settings[name] for name in ("up", "down", "padding", "boundary"))
    out = _resampled_size(size, taps, *sampling[:3])

    def make(dtype: torch.dtype, generator: torch.Generator) -> tuple[Any, ...]:
        x = randn((*batch, *size), dtype, generator)
        y = randn((*batch, *out), dtype, generator)
        f = randn(taps, compute_dtype(dtype), generator)
        f = torch.outer(f[:, 0], f[0]) if outer else f
        return {
            "upfirdn2d": (x, f, *sampling),
            "upfirdn2d_transpose": (y, f, *sampling, size),
            "upfirdn2d_filter_correlation": (x, y, *sampling, taps),
        }[op]

    images = (0, 1) if op == "upfirdn2d_filter_correlation" else (0,)
    return Sample(op, _name(batch, size, case), make, images, _is_small(batch, size))


def _resampled_size(
    size: tuple[int, int],
    taps: tuple[int, int],
    up: tuple[int, int],
    down: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> tuple[int, int]:
    """Counted, not computed: how many strided positions of the filter fit on each padded axis."""
    rows = len(range(0, size[0] * up[1] + padding[2] + padding[3] - taps[0] + 1, down[1]))
    columns = len(range(0, size[1] * up[0] + padding[0] + padding[1] - taps[1] + 1, down[0]))
    return rows, columns


RESAMPLING = [
    sample
    for op in ("upfirdn2d", "upfirdn2d_transpose", "upfirdn2d_filter_correlation")
    for sample in (
        *(_resample(op, case, (2,), (5, 4)) for case in RESAMPLINGS),
        _resample(op, "up", (), (1, 7)),
        _resample(op, "both", (2, 3), (16, 17)),
        _resample(op, "outer-up", (2, 3), (16, 17)),
        _resample(op, "far", (3,), (6, 1)),
    )
]

SAMPLES = [*SPECTRAL, *RESAMPLING]
