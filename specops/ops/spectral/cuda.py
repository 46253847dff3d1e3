"""The spectral ops by CUDA kernels: one launch for images of the sizes of `plans.transform.SHAPES` in float32.

Images of half precision are float32 on the way. Other sizes, float64, and gains of several maps take torch.fft and the
kernels of csrc/spectral/cuda/around_fft_kernels.cuh.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops.cuda_launch import Int64, integers_of
from specops.ops.spectral.around_fft import AroundFft, Scale, constant_like, is_constant, same_images, stride_of
from specops.ops.spectral.plans import bins, transform
from specops.ops.spectral.plans.gains import gains
from specops.ops.spectral.plans.lane_turns import LANES

MAX_IMAGES = 2**31 - 4  # images are counted in 32 bits


@dataclass(frozen=True)
class BinnedSums:
    """Images of one launch, and their bins."""

    n_images: Int64
    height: Int64
    width: Int64
    n_bins: Int64
    bins_per_pool: Int64


@dataclass(frozen=True)
class BinnedFilter:
    """Images of one launch, and the numbers from one's profile to the next one's, 0 for one profile."""

    n_images: Int64
    height: Int64
    width: Int64
    profile_stride: Int64


@dataclass(frozen=True)
class BandSwap(BinnedFilter):
    """Further, whether the second image is one number, and whether it is returned."""

    constant: Int64
    keep: Int64


@dataclass(frozen=True)
class TileSums:
    """Spectra whose tiles are summed, in float64 where `wide`."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_bins: Int64
    n_tiles: Int64
    tile_points: Int64
    n_threads: Int64
    bins_per_pool: Int64


@dataclass(frozen=True)
class BinSums:
    """Spectra of whose bins `lanes` threads each take turns with the points."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_bins: Int64
    lanes: Int64


@dataclass(frozen=True)
class Gains:
    """Spectra that are multiplied by the gains of one or more maps."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_maps: Int64
    profile_stride: Int64


@dataclass(frozen=True)
class HermitianColumns:
    """Spectra whose first column, of two edges the last too, becomes Hermitian."""

    wide: Int64
    n_images: Int64
    n_rows: Int64
    n_columns: Int64
    n_edges: Int64


@dataclass(frozen=True)
class Clip:
    """Pixels that are folded and clipped; whether those of the second image are one number, and are returned."""

    wide: Int64
    n_pixels: Int64
    constant: Int64
    keep: Int64


def serves(x: Tensor) -> bool:
    """Whether there is a one-launch kernel for the images x."""
    size = (x.shape[-2], x.shape[-1])
    fits = 0 < x.numel() // max(1, size[0] * size[1]) <= MAX_IMAGES
    return x.dtype != torch.float64 and transform.serves(size) and fits


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., K]."""
    if not serves(x):
        return AROUND_FFT.binned_cross_spectrum(x, y, index, weight, n_bins)
    plan = bins.bins(index, weight, n_bins)
    images = (pixels(x),) if same_images(x, y) else (pixels(x), pixels(y))
    name = "binned_power" if len(images) == 1 else "binned_cross_spectrum"
    tables = (circle_of(x), plan.points, plan.pools)
    launch = numbers(BinnedSums, *planes_of(x), n_bins, plan.bins_per_pool)
    return cuda_launch.launch(name, *images, *tables, launch)


def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], profile [K] or [..., K], index and weight as above -> [..., H, W]."""
    if not serves(x) or index.dim() > 2:
        return AROUND_FFT.binned_filter(x, profile, index, weight)
    y = cuda_launch.launch(
        "binned_filter",
        pixels(x),
        circle_of(x),
        gains(index, weight, profile.shape[-1]),
        profile.contiguous(),
        numbers(BinnedFilter, *planes_of(x), stride_of(profile)),
    )
    return y.to(x.dtype)


def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x, slope (int8) [..., H, W], profile, index, weight as in binned_filter -> [..., H, W]."""
    return binned_filter(x * slope, profile, index, weight)


def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], profile, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    if not serves(a) or index.dim() > 2:
        return AROUND_FFT.clipped_band_swap(a, b, profile, index, weight, low, high, keep)
    constant = is_constant(b)
    swapped, slope, kept = cuda_launch.launch(
        "clipped_band_swap",
        pixels(a),
        b.flatten()[:1].to(weight.dtype) if constant else pixels(b),
        circle_of(a),
        gains(index, weight, profile.shape[-1]),
        profile.contiguous(),
        numbers(BandSwap, *planes_of(a), stride_of(profile), constant, keep),
        low,
        high,
    )
    return swapped.to(a.dtype), slope, kept.to(a.dtype)


def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """x [..., H, W], profile, index, weight as in binned_filter -> filtered, slope (int8)."""
    return clipped_band_swap(x, constant_like(x, low), profile, index, weight, low, high, False)[:2]


class CudaKernels(AroundFft):
    """Kernels around torch.fft."""

    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: Scale) -> Tensor:
        n_points = X.shape[-3] * X.shape[-2]
        n_images = X.numel() // (2 * n_points)
        spectra = {"wide": is_wide(X), "n_images": n_images, "n_points": n_points, "n_bins": n_bins}
        tiles = bins.tiles_of(n_points, n_bins, X.dtype)
        if tiles is None:
            points = bins.sorted_points(index, weight, n_bins)
            tables = (points.place, points.weight, points.first)
            launch = BinSums(**spectra, lanes=bins.lanes_of(points))
            return cuda_launch.launch("around_fft_sums", X, Y, *tables, integers_of(launch), *astuple(scale))
        n_tiles, tile_points = tiles
        plan = bins.bins_of_tiles(index, weight, n_bins, n_tiles, tile_points)
        tile_launch = TileSums(
            **spectra,
            n_tiles=n_tiles,
            tile_points=tile_points,
            n_threads=LANES * bins.warps_of_tiles(tile_points),
            bins_per_pool=plan.bins_per_pool,
        )
        numbers_and_scale = (integers_of(tile_launch), *astuple(scale))
        return cuda_launch.launch("around_fft_tile_sums", X, Y, plan.points, plan.pools, *numbers_and_scale)

    def gain(self, X: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        n_points = X.shape[-3] * X.shape[-2]
        launch = Gains(
            wide=is_wide(X),
            n_images=X.numel() // (2 * n_points),
            n_points=n_points,
            n_maps=index.numel() // n_points,
            profile_stride=stride_of(profile),
        )
        cuda_launch.launch("around_fft_gains", X, profile, index, weight, integers_of(launch), *astuple(scale))

    def hermitian(self, X: Tensor, n_edges: int) -> None:
        n_rows, n_columns = X.shape[-3], X.shape[-2]
        n_images = X.numel() // (2 * n_rows * n_columns)
        launch = HermitianColumns(is_wide(X), n_images, n_rows, n_columns, n_edges)
        cuda_launch.launch("around_fft_hermitian", X, integers_of(launch))

    def clip(self, filtered: Tensor, b: Tensor, low: float, high: float, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        constant = is_constant(b)
        b = b.flatten()[:1] if constant else b
        launch = Clip(wide=is_wide(filtered), n_pixels=filtered.numel(), constant=constant, keep=keep)
        return cuda_launch.launch("around_fft_clip", filtered, b, integers_of(launch), low, high)


AROUND_FFT = CudaKernels()
binned_scaled_power = AROUND_FFT.binned_scaled_power
binned_scaled_filter = AROUND_FFT.binned_scaled_filter


def is_wide(x: Tensor) -> bool:
    return x.dtype == torch.float64


def pixels(x: Tensor) -> Tensor:
    """Returns x in float32, contiguous and on a 16-byte boundary, as the kernels read it."""
    x = x.float().contiguous()
    return x if x.data_ptr() % 16 == 0 else x.clone()


def circle_of(x: Tensor) -> Tensor:
    return transform.unit_circle(max(x.shape[-2:]), x.device)


def planes_of(x: Tensor) -> tuple[int, int, int]:
    """Returns how many images there are, and their size: the first fields of a launch."""
    height, width = x.shape[-2:]
    return x.numel() // (height * width), height, width


@functools.lru_cache(maxsize=1024)
def numbers(struct: Callable[..., Any], *values: int) -> list[int]:
    """Returns the integers of a struct with these fields."""
    return integers_of(struct(*values))
