"""The spectral ops by CUDA kernels: one launch for images of the sizes of `gpu_plans.SHAPES` in float32.

Images of half precision are float32 on the way. Other sizes, float64, and gains of several maps take torch.fft and the
kernels of csrc/spectral/cuda/around_fft_kernels.cuh.
"""

from __future__ import annotations

from dataclasses import astuple

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops.spectral import around_fft, gpu_plans
from specops.ops.spectral.around_fft import Scale, is_constant, same_images

MAX_IMAGES = 2**31 - 4  # images are counted in 32 bits


def serves(x: Tensor) -> bool:
    """Whether there is a one-launch kernel for the images x."""
    size = (x.shape[-2], x.shape[-1])
    fits = 0 < x.numel() // max(1, size[0] * size[1]) <= MAX_IMAGES
    return x.dtype != torch.float64 and gpu_plans.serves(size) and fits


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., K]."""
    if not serves(x):
        return around_fft.binned_cross_spectrum(HALF_PLANE, x, y, index, weight, n_bins)
    plan = gpu_plans.bins(index, weight, n_bins)
    sums = x.new_empty(*x.shape[:-2], n_bins, dtype=weight.dtype)
    images = (pixels(x),) if same_images(x, y) else (pixels(x), pixels(y))
    name = "binned_power" if len(images) == 1 else "binned_cross_spectrum"
    tables = (circle_of(x), plan.points, plan.pools)
    cuda_launch.launch(name, *images, *tables, sums, *shape_of(x), n_bins, plan.bins_per_pool)
    return sums


def binned_filter(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], c [K] or [..., K], index and weight as above -> [..., H, W]."""
    if not serves(x) or index.dim() > 2:
        return around_fft.binned_filter(HALF_PLANE, x, c, index, weight)
    y = x.new_empty(x.shape, dtype=weight.dtype)
    cuda_launch.launch(
        "binned_filter",
        pixels(x),
        circle_of(x),
        gpu_plans.gains(index, weight, c.shape[-1]),
        c.contiguous(),
        y,
        *shape_of(x),
        c.shape[-1] if c.dim() > 1 else 0,
    )
    return y.to(x.dtype)


def binned_sloped_filter(x: Tensor, c: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x, slope (int8) [..., H, W], c, index, weight as in binned_filter -> [..., H, W]."""
    return binned_filter(x * slope, c, index, weight)


def clipped_band_swap(
    a: Tensor, b: Tensor, c: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], c, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    if not serves(a) or index.dim() > 2:
        return around_fft.clipped_band_swap(HALF_PLANE, a, b, c, index, weight, low, high, keep)
    dtype = weight.dtype
    swapped, slope = a.new_empty(a.shape, dtype=dtype), a.new_empty(a.shape, dtype=torch.int8)
    kept = a.new_empty(a.shape if keep else (0,), dtype=dtype)
    constant = is_constant(b)
    cuda_launch.launch(
        "clipped_band_swap",
        pixels(a),
        b.flatten()[:1].to(dtype) if constant else pixels(b),
        circle_of(a),
        gpu_plans.gains(index, weight, c.shape[-1]),
        c.contiguous(),
        swapped,
        slope,
        kept,
        *shape_of(a),
        c.shape[-1] if c.dim() > 1 else 0,
        int(constant),
        low,
        high,
    )
    return swapped.to(a.dtype), slope, kept.to(a.dtype)


def binned_scaled_power(
    x: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: str, factor: float, eps: float
) -> Tensor:
    """x [..., H, W], index and weight as in binned_cross_spectrum -> [..., K]."""
    how = around_fft.scale_of(scale, factor, eps)
    return around_fft.binned_cross_spectrum(HALF_PLANE, x, x, index, weight, n_bins, how)


def binned_scaled_filter(
    x: Tensor, c: Tensor, index: Tensor, weight: Tensor, scale: str, factor: float, eps: float
) -> Tensor:
    """x, c, index and weight as in binned_filter -> [..., H, W]."""
    return around_fft.binned_filter(HALF_PLANE, x, c, index, weight, around_fft.scale_of(scale, factor, eps))


class HalfPlane:
    """The kernels around torch.fft: see `around_fft.Kernels`."""

    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, sums: Tensor, scale: Scale) -> None:
        n_points, n_bins = X.shape[-3] * X.shape[-2], sums.shape[-1]
        n_images = sums.numel() // n_bins
        tiles = gpu_plans.tiles_of(n_points, n_bins, X.dtype)
        if tiles is not None:
            plan = gpu_plans.bins_of_tiles(index, weight, n_bins, *tiles)
            of_tiles = sums.new_empty(n_images * tiles[0] * n_bins if tiles[0] > 1 else 0)
            threads = gpu_plans.LANES * gpu_plans.warps_of_tiles(tiles[1])
            numbers = (is_wide(X), n_images, n_points, *tiles, threads, n_bins, plan.bins_per_pool, *astuple(scale))
            cuda_launch.launch("around_fft_tile_sums", X, Y, plan.points, plan.pools, of_tiles, sums, *numbers)
            return
        points = gpu_plans.sorted_points(index, weight, n_bins)
        numbers = (is_wide(X), n_images, n_points, n_bins, gpu_plans.lanes_of(points), *astuple(scale))
        cuda_launch.launch("around_fft_sums", X, Y, points.place, points.weight, points.first, sums, *numbers)

    def gain(self, X: Tensor, c: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        n_points = X.shape[-3] * X.shape[-2]
        numbers = (is_wide(X), X.numel() // (2 * n_points), n_points, index.numel() // n_points)
        stride = c.shape[-1] if c.dim() > 1 else 0
        cuda_launch.launch("around_fft_gains", X, c, index, weight, *numbers, stride, *astuple(scale))

    def hermitian(self, X: Tensor, n_edges: int) -> None:
        n_rows, n_columns = X.shape[-3], X.shape[-2]
        n_images = X.numel() // (2 * n_rows * n_columns)
        cuda_launch.launch("around_fft_hermitian", X, is_wide(X), n_images, n_rows, n_columns, n_edges)

    def clip(
        self, filtered: Tensor, b: Tensor, swapped: Tensor, slope: Tensor, kept: Tensor, low: float, high: float
    ) -> None:
        constant = is_constant(b)
        numbers = (is_wide(filtered), filtered.numel(), int(constant))
        b = b.flatten()[:1] if constant else b
        cuda_launch.launch("around_fft_clip", filtered, b, swapped, slope, kept, *numbers, low, high)


HALF_PLANE = HalfPlane()


def is_wide(x: Tensor) -> int:
    return int(x.dtype == torch.float64)


def pixels(x: Tensor) -> Tensor:
    """Returns x in float32, contiguous and on a 16-byte boundary, as the kernels read it."""
    x = x.float().contiguous()
    return x if x.data_ptr() % 16 == 0 else x.clone()


def circle_of(x: Tensor) -> Tensor:
    return gpu_plans.unit_circle(max(x.shape[-2:]), x.device)


def shape_of(x: Tensor) -> tuple[int, int, int]:
    """Returns how many images there are, H and W."""
    height, width = x.shape[-2:]
    return x.numel() // (height * width), height, width
