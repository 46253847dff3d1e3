"""The spectral ops by CUDA kernels: one launch for images of the sizes of `plans.transform.SHAPES` in float32.

The raw ops make float32 of images of half precision, and contiguous ones of others. Other sizes, float64, and gains of
several maps take torch.fft and the kernels of csrc/spectral/cuda/around_fft_kernels.cuh.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops.cuda_launch import Int64, numbers
from specops.ops.registration import guarded, makes_new_memory
from specops.ops.spectral.around_fft import AroundFft, Scale, is_constant, same_images, stride_of
from specops.ops.spectral.plans import bins, transform
from specops.ops.spectral.plans.gains import gains
from specops.ops.spectral.plans.lane_turns import LANES
from specops.ops.spectral.plans.tables import cached

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
    """Further, whether the second image is returned."""

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
    return x.dtype != torch.float64 and _serves(x.shape)


def _serves(shape: torch.Size) -> bool:
    return transform.serves((shape[-2], shape[-1])) and 0 < shape[:-2].numel() <= MAX_IMAGES


@makes_new_memory
def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., K]."""
    plan = _sums(index, weight, x.shape, n_bins)
    if plan is None:
        return guarded(AROUND_FFT.binned_cross_spectrum)(x, y, index, weight, n_bins)
    if same_images(x, y):
        return cuda_launch.launch("binned_power", x, *plan)
    return cuda_launch.launch("binned_cross_spectrum", x, y, *plan)


@cached
def _sums(index: Tensor, weight: Tensor, shape: torch.Size, n_bins: int) -> tuple[Tensor, ...] | None:
    """What a launch takes after images of a shape; None where no kernel serves them."""
    if weight.dtype == torch.float64 or not _serves(shape):
        return None
    plan = bins.bins(index, weight, n_bins)
    launch = numbers(BinnedSums(*planes_of(shape), n_bins, plan.bins_per_pool))
    return circle_of(shape, index.device), plan.points, plan.pools, launch


@makes_new_memory
def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], profile [K] or [..., K], index and weight as above -> [..., H, W]."""
    plan = _gains(index, weight, x.shape, profile.shape)
    if plan is None:
        return guarded(AROUND_FFT.binned_filter)(x, profile, index, weight)
    *tables, launch = plan
    return cuda_launch.launch("binned_filter", x, *tables, profile.contiguous(), launch)


@cached
def _gains(
    index: Tensor, weight: Tensor, shape: torch.Size, profile: torch.Size, *keep: bool
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Circle, gains and the struct of a launch, of a BandSwap with one number more; None where no kernel serves it."""
    if weight.dtype == torch.float64 or not _serves(shape) or index.dim() > 2:
        return None
    launch = (BandSwap if keep else BinnedFilter)(*planes_of(shape), stride_of(profile), *keep)
    return circle_of(shape, index.device), gains(index, weight, profile[-1]), numbers(launch)


@makes_new_memory
def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x, slope (int8) [..., H, W], profile, index, weight as in binned_filter -> [..., H, W]."""
    plan = _gains(index, weight, x.shape, profile.shape)
    if plan is None:
        return guarded(_sloped_around_fft)(x, profile, slope, index, weight)
    *tables, launch = plan
    return cuda_launch.launch("binned_sloped_filter", x, slope, *tables, profile.contiguous(), launch)


def _sloped_around_fft(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return AROUND_FFT.binned_filter(x * slope, profile, index, weight)


@makes_new_memory
def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], profile, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    plan = _gains(index, weight, a.shape, profile.shape, keep)
    if plan is None:
        return guarded(AROUND_FFT.clipped_band_swap)(a, b, profile, index, weight, low, high, keep)
    *tables, launch = plan
    return cuda_launch.launch("clipped_band_swap", a, b, *tables, profile.contiguous(), launch, low, high)


@makes_new_memory
def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """x [..., H, W], profile, index, weight as in binned_filter -> filtered, slope (int8)."""
    plan = _clipped_gains(index, weight, x.shape, profile.shape, x.dtype, low)
    if plan is None:
        return guarded(AROUND_FFT.clipped_filter)(x, profile, index, weight, low, high)
    *tables, launch = plan
    return cuda_launch.launch("clipped_filter", x, *tables, profile.contiguous(), launch, low, high)


@cached
def _clipped_gains(
    index: Tensor, weight: Tensor, shape: torch.Size, profile: torch.Size, dtype: torch.dtype, low: float
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """The constant image's number, rounded as images are, and what `_gains` returns."""
    plan = _gains(index, weight, shape, profile)
    if plan is None:
        return None
    return torch.tensor([low], dtype=dtype, device=index.device).to(weight.dtype), *plan


class CudaKernels(AroundFft):
    """Kernels around torch.fft."""

    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: Scale) -> Tensor:
        name, *plan = _sums_around_fft(index, weight, X.shape, n_bins)
        return cuda_launch.launch(name, X, Y, *plan, *scale)

    def gain(self, X: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        n_maps = index.shape[0] if index.dim() > 2 else 1
        launch = _spectra_launch(Gains, X.dtype, *points_of(X.shape), n_maps, stride_of(profile.shape))
        cuda_launch.launch("around_fft_gains", X, profile, index, weight, launch, *scale)

    def hermitian(self, X: Tensor, n_edges: int) -> None:
        n_images, height, columns = planes_of(X.shape[:-1])
        launch = _spectra_launch(HermitianColumns, X.dtype, n_images, height, columns, n_edges)
        cuda_launch.launch("around_fft_hermitian", X, launch)

    def clip(self, filtered: Tensor, b: Tensor, low: float, high: float, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        constant = is_constant(b)
        launch = _spectra_launch(Clip, filtered.dtype, filtered.numel(), constant, keep)
        return cuda_launch.launch("around_fft_clip", filtered, first_of(b) if constant else b, launch, low, high)


@cached
def _sums_around_fft(index: Tensor, weight: Tensor, shape: torch.Size, n_bins: int) -> tuple[Any, ...]:
    """The name of a raw op, and what it takes after spectra of a shape and before the scale."""
    dtype, (n_images, n_points) = weight.dtype, points_of(shape)
    tiles = bins.tiles_of(n_points, n_bins, dtype)
    if tiles is None:
        points = bins.sorted_points(index, weight, n_bins)
        launch = _spectra_launch(BinSums, dtype, n_images, n_points, n_bins, bins.lanes_of(points))
        return "around_fft_sums", points.place, points.weight, points.first, launch
    n_threads = LANES * bins.warps_of_tiles(tiles[1])
    plan = bins.bins_of_tiles(index, weight, n_bins, *tiles)
    launch = _spectra_launch(TileSums, dtype, n_images, n_points, n_bins, *tiles, n_threads, plan.bins_per_pool)
    return "around_fft_tile_sums", plan.points, plan.pools, launch


@functools.lru_cache(maxsize=1024)
def _spectra_launch(struct: Callable[..., Any], dtype: torch.dtype, *values: int) -> Tensor:
    """The integers of a struct of what torch.fft has made, whose first field is whether that is float64."""
    return numbers(struct(dtype == torch.float64, *values))


AROUND_FFT = CudaKernels()
binned_scaled_power = AROUND_FFT.binned_scaled_power
binned_scaled_filter = AROUND_FFT.binned_scaled_filter


def first_of(image: Tensor) -> Tensor:
    """Returns the first number of an image: [1]."""
    return image.flatten()[:1]


def circle_of(shape: torch.Size, device: torch.device) -> Tensor:
    return transform.unit_circle(max(shape[-2:]), device)


def planes_of(shape: torch.Size) -> tuple[int, int, int]:
    """Returns how many planes [..., H, W] there are, and their size."""
    return shape[:-2].numel(), shape[-2], shape[-1]


def points_of(shape: torch.Size) -> tuple[int, int]:
    """Returns how many half planes [..., H, W//2+1, 2] there are, and how many coefficients each has."""
    return shape[:-3].numel(), shape[-3] * shape[-2]
