"""Arguments of the spectral ops that any backend's GPU kernels are tested with, and how near results must be."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from samples import randn, spectral_maps
from tolerances import relative_error, tolerance
from torch import Tensor

from specops._half_plane import multiplicity
from specops.ops._layout import compute_dtype
from specops.ops.spectral import reference

ARCHS = (80, 90, 100)
OPS = {  # of kinds of cases
    "power": "binned_cross_spectrum",
    "cross": "binned_cross_spectrum",
    "filter": "binned_filter",
    "filter per image": "binned_filter",
    "swap": "clipped_band_swap",
    "clipped filter": "clipped_filter",
    "sloped filter": "binned_sloped_filter",
}
KINDS = {"cuda": tuple(OPS), "triton": tuple(OPS)[:-1]}  # that are one launch


@dataclass(frozen=True)
class Case:
    """Arguments of one op; `bins` as in samples.spectral_maps, `most` of the coefficients' own, or `two`."""

    kind: str
    size: tuple[int, int]
    bins: str = "radial"
    images: int = 2
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.kind}-{self.images}x{height}x{width}-{self.bins}-{str(self.dtype).removeprefix('torch.')}"

    @property
    def sums(self) -> bool:
        """Whether the results are sums over bins."""
        return self.kind in ("power", "cross")

    def maps(self, generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
        made = {"most": "own", "two": "radial"}.get(self.bins, self.bins)
        index, weight, n_bins = spectral_maps(self.size, made, compute_dtype(self.dtype), generator)
        if self.bins == "most":
            n_bins -= 5
            index = torch.where(index < n_bins, index, -1)
        if self.bins == "two":
            index, n_bins = index % 3 - 1, 2
        return index, weight, n_bins

    def arguments(self, seed: int = 0) -> tuple[Any, ...]:
        generator, wide = torch.Generator().manual_seed(seed), compute_dtype(self.dtype)
        index, weight, n_bins = self.maps(generator)
        shape = (self.images, *self.size)
        x = randn(shape, self.dtype, generator)
        y = x if self.kind == "power" else randn(shape, self.dtype, generator)
        if self.sums:
            return x, y, index, weight, n_bins
        profile = torch.rand((self.images, n_bins) if "image" in self.kind else (n_bins,), generator=generator).to(wide)
        if self.kind.startswith("filter"):
            return x, profile, index, weight
        if self.kind == "sloped filter":
            return x, profile, torch.randint(-1, 2, shape, generator=generator, dtype=torch.int8), index, weight
        weight = (multiplicity(self.size, wide, index.device) / x[0].numel()).expand(index.shape).contiguous()
        if self.kind == "clipped filter":
            return x, profile, index, weight, -1.0, 1.0
        return x, y, profile, index, weight, -1.0, 1.0, True

    def of(self, module: Any, *args: Any) -> tuple[Tensor, ...]:
        """What the op of a module of implementations returns."""
        out = getattr(module, OPS[self.kind])(*args)
        return out if isinstance(out, tuple) else (out,)

    def exact(self, *args: Any) -> tuple[Tensor, ...]:
        wide = tuple(arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args)
        return self.of(reference, *wide)


def assert_near_exact(case: Case, out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """Results are near those of float64."""
    expected, wide = case.exact(*args), compute_dtype(case.dtype)
    assert relative_error(out[0], expected[0]) <= tolerance(wide, out[0].dtype, case.size)
    if len(out) > 1:  # the slope jumps where rounding decides on which side of a bound a pixel is
        assert float((out[1] != expected[1]).double().mean()) <= 1e-3
    if len(out) > 2:
        assert relative_error(out[2], expected[2]) <= tolerance(wide, case.dtype, case.size)


def assert_images_move_once(
    case: Case, run: Any, out: tuple[Tensor, ...], args: tuple[Any, ...], pixels: int | None = None
) -> None:
    """Each image goes in and out once, 16 bytes at a time, or so many pixels."""
    images = {arg.data_ptr(): arg for arg in args[:2] if isinstance(arg, Tensor) and arg.shape[-2:] == case.size}
    traffic = [(run.counters.loads[run.storage(image)], image) for image in images.values() if any(image.stride())]
    results = [result for result in out if result.numel() and result.shape[-2:] == case.size]
    traffic += [(run.counters.stores[run.storage(result)], result) for result in results]
    for made, image in traffic:
        assert made.bytes == image.numel() * image.element_size()
        assert made.excess <= 1.05
        assert made.widths == {pixels * image.element_size() if pixels else 16}


def coefficients(side: int) -> Tensor:
    """The number of each coefficient of a half plane."""
    return torch.arange(side * (side // 2 + 1)).view(side, -1)


def check_images_apart(
    module: Any, kind: str, first: AbstractContextManager[Any], second: AbstractContextManager[Any]
) -> None:
    """A NaN stays in its image, a batch is its parts to the bit, and so is a second run."""
    case = Case(kind, (32, 32), images=6)
    x, *rest = case.arguments()
    spoiled = x.clone()
    spoiled[4, 3, 5] = torch.nan

    def run(x: Tensor, part: slice = slice(None)) -> Tensor:
        return case.of(module, x, rest[0][part] if "image" in kind else x, *rest[1:])[0]

    with first:
        whole, beside = run(x), run(spoiled)
        parts = [run(x[part], part) for part in (slice(1), slice(1, None))]
    with second:
        again = run(x)
    others = torch.tensor([0, 1, 2, 3, 5])
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole, again)
    assert torch.equal(whole[others], beside[others])
    assert bool(beside[4].isnan().all())


def check_beyond_two_to_the_31(module: Any, kind: str, last_block: AbstractContextManager[Any]) -> None:
    """One image, and that image at the end of a batch whose memory is there page by page."""
    case = Case(kind, (128, 128), images=1)
    args = case.arguments()
    made: dict[int, Tensor] = {}
    for arg in args:
        if isinstance(arg, Tensor) and arg.shape == args[0].shape and arg.data_ptr() not in made:
            batch = torch.from_numpy(np.zeros((2**31 // arg.numel() + 1, *case.size), arg.numpy().dtype))
            batch[-1:] = arg
            made[arg.data_ptr()] = batch
    many = [made.get(arg.data_ptr(), arg) if isinstance(arg, Tensor) else arg for arg in args]
    with last_block:
        alone, last = case.of(module, *args), case.of(module, *many)
    assert all(torch.equal(each[-1:], of_one) for each, of_one in zip(last, alone, strict=True))
