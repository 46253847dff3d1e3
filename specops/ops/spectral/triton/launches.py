"""The spectral ops by Triton kernels.

Square images of 32, 64 or 128 pixels a side, but in float64, are one launch that reads each input once, with up to
twice as many bins as the side, and gains of one map. Everything else is torch.fft with kernels around it. All sums are
in a fixed order, without atomics.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from specops.ops._layout import compute_dtype
from specops.ops.spectral.around_fft import AroundFft, Scale, constant_like, is_constant, same_images, stride_of
from specops.ops.spectral.plans import bins
from specops.ops.spectral.triton import around_fft_kernels, kernels
from specops.ops.spectral.triton.tables import (
    CONFIGURATIONS,
    Configuration,
    bin_tables,
    circles_of,
    gain_tables,
    tile_tables,
)
from specops.ops.triton_launch import FUSED, launch, on_its_device

BLOCK = 256  # numbers of a program around torch.fft: two for each of 128 threads
SUM_WARPS = 8  # of programs that sum bins with few points: as many threads as a block of the CUDA kernel


def configuration(x: Tensor) -> Configuration | None:
    """Returns how one launch transforms images like x, or None where torch.fft has to."""
    square = x.shape[-1] == x.shape[-2] and x.dtype != torch.float64
    return CONFIGURATIONS.get(x.shape[-1]) if square else None


@on_its_device
def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """As specops.ops.binned_cross_spectrum."""
    how = configuration(x)
    if how is None or index.dim() > 2 or not 0 < n_bins <= 2 * how.digits.N or x.numel() == 0:
        return AROUND_FFT.binned_cross_spectrum(x, y, index, weight, n_bins)
    out = x.new_empty(*x.shape[:-2], n_bins, dtype=compute_dtype(x.dtype))
    same = same_images(x, y)
    x = x.contiguous()
    launch(
        kernels.binned_cross_spectrum_kernel,
        math.prod(x.shape[:-2]),
        x=x,
        y=x if same else y.contiguous(),
        out=out,
        SAME=same,
        WARPS=how.cross_warps,
        num_warps=how.cross_warps,
        **vars(bin_tables(index, weight, n_bins)),
        **vars(circles_of(how.digits, x.device)),
        **vars(how.digits),
    )
    return out


@on_its_device
def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """As specops.ops.binned_filter."""
    how = configuration(x)
    if how is None or index.dim() > 2 or x.numel() == 0:
        return AROUND_FFT.binned_filter(x, profile, index, weight)
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    kernels.binned_filter_kernel[(math.prod(x.shape[:-2]),)](
        x=x.contiguous(), out=out, **_filter_arguments(how, profile, index, weight)
    )
    return out


def binned_sloped_filter(x: Tensor, profile: Tensor, slope: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """As specops.ops.binned_sloped_filter."""
    return binned_filter(x * slope, profile, index, weight)


@on_its_device
def clipped_band_swap(
    a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As specops.ops.clipped_band_swap."""
    how = configuration(a)
    if how is None or index.dim() > 2 or a.numel() == 0:
        return AROUND_FFT.clipped_band_swap(a, b, profile, index, weight, low, high, keep)
    swapped = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    slope = torch.empty(a.shape, dtype=torch.int8, device=a.device)
    kept = torch.empty(a.shape if keep else (0,), dtype=a.dtype, device=a.device)
    one_value = is_constant(b)
    kernels.clipped_band_swap_kernel[(math.prod(a.shape[:-2]),)](
        x=a.contiguous(),
        y=b if one_value else b.contiguous(),
        out=swapped,
        slope=slope,
        kept=kept,
        low=float(low),
        twice_low=2 * float(low),
        high=float(high),
        ONE_VALUE=one_value,
        KEEP=keep,
        **_filter_arguments(how, profile, index, weight),
    )
    return swapped, slope, kept


def clipped_filter(
    x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """As specops.ops.clipped_filter."""
    return clipped_band_swap(x, constant_like(x, low), profile, index, weight, low, high, False)[:2]


def _filter_arguments(how: Configuration, profile: Tensor, index: Tensor, weight: Tensor) -> dict[str, Any]:
    """What the filter and the swap have in common."""
    return {
        "profile": profile.contiguous(),
        "profile_stride": stride_of(profile.shape),
        "WARPS": how.filter_warps,
        "num_warps": how.filter_warps,
        **FUSED,
        **vars(gain_tables(index, weight, profile.shape[-1])),
        **vars(circles_of(how.digits, profile.device)),
        **vars(how.digits),
    }


class TritonKernels(AroundFft):
    """Kernels around torch.fft."""

    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: Scale) -> Tensor:
        n_points, sums = X.shape[-3] * X.shape[-2], X.new_empty(*X.shape[:-3], n_bins)
        spectra: dict[str, Any] = {"X": X, "Y": Y, "P": n_points, "SAME": Y is X, **_scale_arguments(scale)}
        tiles = bins.tiles_of(n_points, n_bins, X.dtype) if index.dim() == 2 else None
        if tiles is None:
            points = bins.sorted_points(index, weight, n_bins)
            lanes = bins.lanes_of(points)
            programs = sums.numel() // n_bins * -(-n_bins * lanes // (32 * SUM_WARPS))
            launch(
                around_fft_kernels.around_fft_sums_kernel, programs, **spectra, point=points.place,
                weight=points.weight, first=points.first, out=sums, K=n_bins, LANES=lanes, WARPS=SUM_WARPS,
                num_warps=SUM_WARPS,
            )  # fmt: skip
            return sums
        n_tiles, tile_points = tiles
        tables = tile_tables(index, weight, n_bins, n_tiles, tile_points, X.itemsize)
        n_images = sums.numel() // n_bins
        of_tiles = sums if n_tiles == 1 else sums.new_empty(n_images, n_tiles, n_bins)
        launch(
            around_fft_kernels.around_fft_tile_sums_kernel, n_images * n_tiles, **spectra, weight=weight.contiguous(),
            out=of_tiles, SIZE=tile_points, **vars(tables), num_warps=tables.WARPS,
        )  # fmt: skip
        if n_tiles > 1:
            around_fft_kernels.around_fft_totals_kernel[(-(-sums.numel() // BLOCK),)](
                of_tiles, sums, sums.numel(), n_tiles, n_bins, BLOCK, **FUSED
            )
        return sums

    def gain(self, X: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        n_points = X.shape[-3] * X.shape[-2]
        around_fft_kernels.around_fft_gains_kernel[(X.numel() // (2 * n_points) * -(-n_points // BLOCK),)](
            X, profile, index, weight, P=n_points, maps=index.numel() // n_points,
            profile_stride=stride_of(profile.shape), **_scale_arguments(scale), BLOCK=BLOCK, **FUSED,
        )  # fmt: skip

    def hermitian(self, X: Tensor, n_edges: int) -> None:
        n_rows, n_columns = X.shape[-3], X.shape[-2]
        pairs = X.numel() // (2 * n_rows * n_columns) * n_edges * (n_rows // 2 + 1)
        around_fft_kernels.around_fft_hermitian_kernel[(-(-pairs // BLOCK),)](
            X, n=pairs, rows=n_rows, columns=n_columns, edges=n_edges, BLOCK=BLOCK, **FUSED
        )

    def clip(self, filtered: Tensor, b: Tensor, low: float, high: float, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        n, swapped = filtered.numel(), torch.empty_like(filtered)
        slope = torch.empty_like(swapped, dtype=torch.int8)
        kept = swapped.new_empty(swapped.shape if keep else (0,))
        around_fft_kernels.around_fft_clip_kernel[(-(-n // BLOCK),)](
            filtered, b, swapped, slope, kept, n=n, low=float(low), high=float(high), ONE_VALUE=is_constant(b),
            KEEP=keep, BLOCK=BLOCK, **FUSED,
        )  # fmt: skip
        return swapped, slope, kept


AROUND_FFT = TritonKernels()
binned_scaled_power = on_its_device(AROUND_FFT.binned_scaled_power)
binned_scaled_filter = on_its_device(AROUND_FFT.binned_scaled_filter)


def _scale_arguments(scale: Scale) -> dict[str, float]:
    return {"SCALE": scale.kind, "factor": scale.factor, "eps": scale.eps}
