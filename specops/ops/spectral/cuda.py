"""The spectral ops by CUDA kernels: one launch for float32 images of the sizes of `gpu_plans.SHAPES`.

Other sizes and dtypes, and gains of several maps, take the reference, torch.fft and pointwise ops, on the same device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops.spectral import gpu_plans, reference

MAX_IMAGES = 2**31 - 4  # images are counted in 32 bits


def serves(x: Tensor) -> bool:
    """Whether there is a one-launch kernel for the images x."""
    size = (x.shape[-2], x.shape[-1])
    fits = 0 < x.numel() // (size[0] * size[1]) <= MAX_IMAGES
    return x.dtype == torch.float32 and gpu_plans.serves(size) and fits


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """x, y [..., H, W], index and weight [H, W//2+1] or [M, H, W//2+1] -> [..., K]."""
    if not serves(x):
        return reference.binned_cross_spectrum(x, y, index, weight, n_bins)
    plan = gpu_plans.bins(index, weight, n_bins)
    sums = x.new_empty(*x.shape[:-2], n_bins)
    images = (aligned(x),) if same_images(x, y) else (aligned(x), aligned(y))
    name = "spectral_power" if len(images) == 1 else "spectral_cross"
    tables = (circle_of(x), plan.points, plan.pools)
    cuda_launch.launch(name, *images, *tables, sums, *shape_of(x), n_bins, plan.bins_per_pool)
    return sums


def binned_filter(x: Tensor, c: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """x [..., H, W], c [K] or [..., K], index and weight as above -> [..., H, W]."""
    if not serves(x) or index.dim() > 2:
        return reference.binned_filter(x, c, index, weight)
    y = x.new_empty(x.shape)
    cuda_launch.launch(
        "spectral_filter",
        aligned(x),
        circle_of(x),
        gpu_plans.gains(index, weight, c.shape[-1]),
        c.contiguous(),
        y,
        *shape_of(x),
        c.shape[-1] if c.dim() > 1 else 0,
    )
    return y


def clipped_band_swap(
    a: Tensor, b: Tensor, c: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """a, b [..., H, W], c, index, weight as in binned_filter -> swapped, slope (int8) and b or nothing, alike."""
    if not serves(a) or index.dim() > 2:
        return reference.clipped_band_swap(a, b, c, index, weight, low, high, keep)
    constant = all(stride == 0 for size, stride in zip(b.shape, b.stride(), strict=True) if size > 1)
    swapped, slope = a.new_empty(a.shape), a.new_empty(a.shape, dtype=torch.int8)
    kept = a.new_empty(a.shape if keep else (0,))
    cuda_launch.launch(
        "spectral_swap",
        aligned(a),
        b.flatten()[:1] if constant else aligned(b),
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
    return swapped, slope, kept


def same_images(x: Tensor, y: Tensor) -> bool:
    """Whether x and y are one memory, also where they come as two tensors."""
    return x is y or (x.data_ptr() == y.data_ptr() and x.stride() == y.stride())


def aligned(x: Tensor) -> Tensor:
    """Returns x contiguous and on a 16-byte boundary, as the kernels read it."""
    x = x.contiguous()
    return x if x.data_ptr() % 16 == 0 else x.clone()


def circle_of(x: Tensor) -> Tensor:
    return gpu_plans.unit_circle(max(x.shape[-2:]), x.device)


def shape_of(x: Tensor) -> tuple[int, int, int]:
    """Returns how many images there are, H and W."""
    height, width = x.shape[-2:]
    return x.numel() // (height * width), height, width
