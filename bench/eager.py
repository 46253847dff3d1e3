"""The peers written in plain torch: the best eager form of an op, and the procedures as their papers give them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from specops import geometry


class EagerSpectrum:
    """radial_spectrum as rfft2, power, index_add."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        index, weight, self.n_bins = geometry.radial_mean_maps(*size, "schwarz2021", torch.float32, device)
        self.index, self.weight = index.flatten().long(), weight

    def __call__(self, x: Tensor) -> Tensor:
        X = torch.fft.rfft2(x)
        power = (X.real.square() + X.imag.square()) * self.weight
        return x.new_zeros(*x.shape[:-2], self.n_bins).index_add(-1, self.index, power.flatten(-2))


class EagerScaledSpectrum(EagerSpectrum):
    """radial_spectrum with a scale as rfft2, power, scale, index_add."""

    def __init__(self, size: tuple[int, int], device: torch.device, scale: str, eps: float) -> None:
        super().__init__(size, device)
        self.scale, self.eps = scale, eps

    def __call__(self, x: Tensor) -> Tensor:
        X = torch.fft.rfft2(x)
        power = X.real.square() + X.imag.square()
        values = (power.sqrt() if self.scale == "amplitude" else (power + self.eps).log()) * self.weight
        return x.new_zeros(*x.shape[:-2], self.n_bins).index_add(-1, self.index, values.flatten(-2))


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


def eager_hff(x: Tensor, mask: Tensor) -> Tensor:
    """specops.hff of images in [-1, 1]."""
    return _clipped(eager_filter(x * 0.5 + 0.5, mask))


def eager_hfc(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """The second image of specops.hfc, by one transform of the difference."""
    real, fake = real * 0.5 + 0.5, fake * 0.5 + 0.5
    return _clipped(real + eager_filter(fake - real, mask))


def _clipped(x: Tensor) -> Tensor:
    return x.abs().clip(0, 1) * 2 - 1


def published_hfc(real: Tensor, fake: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Li et al. 2021 with the steps of their release, for images [B, C, N, N] and their mask of that shape in float64.

    Full transforms of both, shifted along all four dimensions; both bands of both, which the mask makes complex128;
    the real image from its two bands, the fake one from its low and the real one's high band; shifted back, full
    inverses, magnitudes in float32, clipped.
    """
    low, high = {}, {}
    for name, image in (("real", real), ("fake", fake)):
        centred = torch.fft.fftshift(torch.fft.fft2(image.mul(0.5).add(0.5)))
        low[name], high[name] = centred * mask, centred * (1 - mask)

    def restored(spectrum: Tensor) -> Tensor:
        magnitude = torch.fft.ifft2(torch.fft.ifftshift(spectrum)).abs().float()
        return magnitude.clip(0, 1).add(-0.5).mul(2)

    return restored(low["real"] + high["real"]), restored(low["fake"] + high["real"])


def published_hff(image: Tensor, mask: Tensor) -> Tensor:
    """Li et al. 2021 with the steps of their release: as `published_hfc`, for the low band alone."""
    low = torch.fft.fftshift(torch.fft.fft2(image.mul(0.5).add(0.5))) * mask
    return torch.fft.ifft2(torch.fft.ifftshift(low)).abs().float().clip(0, 1).add(-0.5).mul(2)


def published_mask(shape: tuple[int, ...], radius: float) -> Tensor:
    """1 where the distance to the middle of the shifted plane is below the radius: float64, of the images' shape."""
    offset = torch.arange(shape[-1], dtype=torch.float64) - shape[-1] / 2
    return (torch.hypot(offset[:, None], offset) < radius).double().expand(shape).contiguous()


def published_blur(x: Tensor) -> Tensor:
    """Schwarz et al. 2021: reflected edges, [1, 3, 1] along both axes in one grouped convolution, mean of 2 × 2."""
    along = torch.tensor([1.0, 3.0, 1.0])
    weight = (torch.outer(along, along) / 25).expand(x.shape[1], 1, 3, 3)
    return F.avg_pool2d(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, groups=x.shape[1]), 2)
