"""The spectral ops by torch.fft, for images of any size, with a GPU backend's kernels for what is not a transform."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from specops._tracing import cached_tensors
from specops.ops._layout import compute_dtype
from specops.ops.spectral import reference
from specops.ops.spectral.plans.gains import gain_maps


class Scale(NamedTuple):
    """A function of power: `kind` 0 is none, 1 the root of factor · power, 2 the logarithm of factor · power + eps."""

    kind: int = 0
    factor: float = 1.0
    eps: float = 0.0

    @classmethod
    @functools.lru_cache(256)
    def of(cls, scale: str, factor: float, eps: float) -> Scale:
        return cls(1 if scale == "amplitude" else 2, factor, eps)


UNSCALED = Scale()


class AroundFft(ABC):
    """The ops, arguments as in `contract`, by torch.fft and four kernels of a backend.

    Spectra X, Y are real views [..., H, W//2+1, 2] of half planes, in the compute dtype.
    """

    @abstractmethod
    def bin_sums(self, X: Tensor, Y: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: Scale) -> Tensor:
        """[..., k]: sum of weight · Re(conj X Y), with a scale of weight · s(|X|²), over the points of bin k."""

    @abstractmethod
    def gain(self, X: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: Scale) -> None:
        """X *= weight · profile[index], in place and summed over the maps; with a scale also times s'(|X|²)."""

    @abstractmethod
    def hermitian(self, X: Tensor, n_edges: int) -> None:
        """Makes the first column of X Hermitian in ky, in place; with two edges the last one too."""

    @abstractmethod
    def clip(self, filtered: Tensor, b: Tensor, low: float, high: float, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What follows the filter of a band swap: swapped, slope and b or nothing."""

    def binned_cross_spectrum(
        self, x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int, scale: Scale = UNSCALED
    ) -> Tensor:
        """With a scale, and y = x, binned_scaled_power."""
        if x.numel() * n_bins == 0:
            return x.new_empty(*x.shape[:-2], n_bins, dtype=compute_dtype(x.dtype))
        X = spectrum_of(x)
        Y = X if same_images(x, y) else spectrum_of(y)
        return self.bin_sums(X, Y, index, weight, n_bins, scale)

    def binned_filter(
        self, x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, scale: Scale = UNSCALED
    ) -> Tensor:
        """With a scale binned_scaled_filter."""
        if x.numel() == 0:
            return x.new_empty(x.shape)
        X = spectrum_of(x)
        self.gain(X, profile.contiguous(), *gain_maps(index, weight, profile.shape[-1], x.shape[-1]), scale)
        self.hermitian(X, 2 - x.shape[-1] % 2)
        size = (x.shape[-2], x.shape[-1])
        return reference.inverse_transform(torch.view_as_complex(X), size).to(x.dtype).contiguous()

    def binned_scaled_power(self, x: Tensor, index: Tensor, weight: Tensor, n_bins: int, *scale: Any) -> Tensor:
        return self.binned_cross_spectrum(x, x, index, weight, n_bins, Scale.of(*scale))

    def binned_scaled_filter(self, x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, *scale: Any) -> Tensor:
        return self.binned_filter(x, profile, index, weight, Scale.of(*scale))

    def clipped_band_swap(
        self, a: Tensor, b: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float, keep: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images of half precision are float32 on the way."""
        if a.numel() == 0:
            return a.new_empty(a.shape), a.new_empty(a.shape, dtype=torch.int8), a.new_empty(a.shape if keep else (0,))
        dtype = compute_dtype(a.dtype)
        wide_a, wide_b = a.to(dtype), in_type(b, dtype)
        filtered = self.binned_filter(wide_a - wide_b, profile, index, weight)
        swapped, slope, kept = self.clip(filtered, wide_b, low, high, keep)
        return swapped.to(a.dtype), slope, kept.to(a.dtype)

    def clipped_filter(
        self, x: Tensor, profile: Tensor, index: Tensor, weight: Tensor, low: float, high: float
    ) -> tuple[Tensor, Tensor]:
        return self.clipped_band_swap(x, constant_like(x, low), profile, index, weight, low, high, False)[:2]


def constant_like(x: Tensor, value: float) -> Tensor:
    """Returns images like x all of whose pixels are one number in memory."""
    return _number(value, x.dtype, x.device).expand(x.shape)


@cached_tensors
def _number(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((), value, dtype=dtype, device=device)


def in_type(b: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns b in a dtype, dense unless its pixels are one number in memory, which they stay."""
    if not is_constant(b):
        return b.to(dtype).contiguous()
    if b.dtype == dtype:
        return b
    return b[(0,) * b.dim()].to(dtype).expand(b.shape)


def spectrum_of(x: Tensor) -> Tensor:
    """The DFT of x on the half plane, as pairs of real numbers [..., H, W//2+1, 2]."""
    return torch.view_as_real(torch.fft.rfft2(x.to(compute_dtype(x.dtype)).contiguous())).contiguous()


def same_images(x: Tensor, y: Tensor) -> bool:
    """Whether x and y are one memory, also where they come as two tensors."""
    return x is y or (x.data_ptr() == y.data_ptr() and x.stride() == y.stride())


def is_constant(b: Tensor) -> bool:
    """Whether all pixels are one number in memory."""
    strides = b.stride()
    return not any(strides) or all(stride == 0 for size, stride in zip(b.shape, strides, strict=True) if size > 1)


def stride_of(profile: torch.Size) -> int:
    """Returns the numbers from the profile [K] of one image to that of the next; 0 where all have one."""
    return profile[-1] if len(profile) > 1 else 0
