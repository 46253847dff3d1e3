"""The peers written in plain torch: the best eager form of an op, and the procedures as their papers give them."""

from __future__ import annotations

import torch
from torch import Tensor

from specops import geometry


class EagerSpectrum:
    """radial_spectrum as rfft2, power, index_add."""

    def __init__(self, size: int) -> None:
        [(index, weight)], self.n_bins = geometry.radial_mean_maps(
            size, size, "schwarz2021", torch.float32, torch.device("cpu")
        )
        self.index, self.weight = index.flatten().long(), weight

    def __call__(self, x: Tensor) -> Tensor:
        X = torch.fft.rfft2(x)
        power = (X.real.square() + X.imag.square()) * self.weight
        return x.new_zeros(*x.shape[:-2], self.n_bins).index_add(-1, self.index, power.flatten(-2))


class PublishedSpectrum:
    """The reduced spectrum step by step: full plane, Nyquist row and column twice, bins by floor of the radius."""

    def __init__(self, size: int) -> None:
        frequencies = torch.arange(-(size // 2), size // 2 + 1)
        radius = torch.hypot(frequencies[:, None].float(), frequencies[None, :].float()).floor().long()
        self.position = frequencies % size
        self.index, self.n_bins = radius.flatten(), int(radius.max()) + 1
        self.count = torch.bincount(self.index)

    def __call__(self, x: Tensor) -> Tensor:
        X = torch.fft.fft2(x)
        power = (X.real.square() + X.imag.square())[..., self.position, :][..., self.position].flatten(-2)
        index = self.index.expand_as(power)
        return power.new_zeros(*x.shape[:-2], self.n_bins).scatter_add(-1, index, power) / self.count


def eager_filter(x: Tensor, mask: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(x) * mask, s=x.shape[-2:])


def published_hfc(real: Tensor, fake: Tensor, radius: float) -> Tensor:
    """Li et al. 2021: two full transforms, mask on the shifted plane, one inverse."""
    size = real.shape[-1]
    mask = torch.fft.fftshift(_full_mask(size, radius))

    def spectrum(image: Tensor) -> Tensor:
        return torch.fft.fftshift(torch.fft.fft2((image + 1) / 2), dim=(-2, -1))

    mixed = torch.fft.ifftshift(spectrum(fake) * mask + spectrum(real) * (1 - mask), dim=(-2, -1))
    return torch.fft.ifft2(mixed).abs().clamp(0, 1) * 2 - 1


def _full_mask(size: int, radius: float) -> Tensor:
    frequency = torch.fft.fftfreq(size, 1 / size)
    return (torch.hypot(frequency[:, None], frequency[None, :]) < radius).float()
