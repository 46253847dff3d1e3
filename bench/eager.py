"""The peers written in plain torch: the best eager form of an op, and the procedures as their papers give them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


def published_spectrum(x: Tensor) -> Tensor:
    """Schwarz et al. 2021 with the steps of their release, for planes [B, N, N] with even N.

    Complex transform, Nyquist row and column twice, zero frequency to the centre; then at each call: radii sorted,
    power in that order summed up in float64, and the sum's differences where the whole part of the radius changes.
    """
    half = x.shape[-1] // 2
    X = torch.fft.fft2(torch.complex(x, torch.zeros_like(x)))
    power = X.real.square() + X.imag.square()
    for dim in (-2, -1):
        low, high = power.split((half + 1, half - 1), dim)
        power = torch.cat((low, low.narrow(dim, half, 1), high), dim)
    power = power.roll((half, half), (-2, -1))
    frequency = torch.arange(-half, half + 1)
    radius, order = torch.stack(torch.meshgrid(frequency, frequency, indexing="ij")).float().norm(2, 0).flatten().sort()
    last_of_bin = torch.cat((torch.where(radius.long().diff())[0], torch.tensor([radius.numel() - 1])))
    count = last_of_bin.diff(prepend=torch.tensor([-1]))
    total = power.flatten(-2)[..., order].cumsum(-1, dtype=torch.float64)
    rings = total[..., last_of_bin[1:]] - total[..., last_of_bin[:-1]]
    return torch.cat((total[..., :1], rings), -1) / count


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


def published_blur(x: Tensor) -> Tensor:
    """Schwarz et al. 2021: reflected edges, [1, 3, 1] along both axes in one grouped convolution, mean of 2 × 2."""
    along = torch.tensor([1.0, 3.0, 1.0])
    weight = (torch.outer(along, along) / 25).expand(x.shape[1], 1, 3, 3)
    return F.avg_pool2d(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, groups=x.shape[1]), 2)
