"""Mean and standard deviation of radial spectra, and the relative error of their means by band."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from specops import functional, geometry
from specops.functional._options import integer
from specops.metrics._two_sided import SIDES, TwoSided
from specops.nn._arguments import check_convention, n_bins


class RadialSpectrumStatistics(TwoSided):
    """Gathers mean and standard deviation over images of their radial spectra: a dict of [K] tensors, float64.

    The spectrum of an image is averaged over its channels. The state is number, mean and sum of squared deviations per
    bin, merged by the rule of Chan, Golub and LeVeque, which is exact but for the rounding of float64.

    Args:
        size: (H, W) of the images, or the side of square ones.
        convention, scale, norm: as in `specops.radial_spectrum`.
        correction: an integer >= 0, as in torch.std: the divisor of the sum of squares is n - correction.
        options: those of torchmetrics.Metric.

    compute() returns `real_mean`, `real_std`, `fake_mean` and `fake_std`, without those of a side that has no images.

    Raises:
        TypeError, ValueError: wrong options; images of another size, `real` not a bool.
        RuntimeError: compute() before any image.

    Source:
        Chan, Golub, LeVeque 1983, "Algorithms for Computing the Sample Variance", equation 2.1 for any number of parts.

    Example:
        >>> import torch
        >>> from specops.metrics import RadialSpectrumStatistics
        >>> statistics = RadialSpectrumStatistics(16)
        >>> statistics.update(torch.ones(4, 3, 16, 16), real=True)
        >>> statistics.compute()["real_mean"][:3]
        tensor([65536.,     0.,     0.], dtype=torch.float64)
    """

    def __init__(
        self,
        size: geometry.Size,
        *,
        convention: str = "schwarz2021",
        scale: str = "power",
        norm: str = "backward",
        correction: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(size, **options)
        check_convention(convention)
        functional.radial_spectrum(torch.zeros(8, 8), scale=scale, norm=norm)
        self.convention, self.scale, self.norm = convention, scale, norm
        self.correction = integer("correction", correction, least=0)
        for side in SIDES:
            empty = torch.zeros(3, n_bins(self.size, convention), dtype=torch.float64)
            self.add_state(f"{side}_moments", default=empty, dist_reduce_fx=merged_moments)

    def forward(self, images: Tensor, real: bool) -> Any:
        """Updates; returns the statistics of these images alone."""
        return super(TwoSided, self).forward(images, real)

    def update(self, images: Tensor, real: bool) -> None:
        """Adds images [..., C, H, W]."""
        side, x = self.side(real), self.images(images)
        name = f"{side}_moments"
        self.note_values(side, x)
        profiles = functional.radial_spectrum(x, convention=self.convention, scale=self.scale, norm=self.norm)
        moments = torch.stack([getattr(self, name), moments_of(profiles.double().mean(-2))])
        setattr(self, name, merged_moments(moments))

    def compute(self) -> dict[str, Tensor]:
        """Returns the statistics of all images so far, of all processes."""
        statistics = {}
        for side in SIDES:
            count, mean, squares = getattr(self, f"{side}_moments")
            if count[0] > 0:
                statistics[f"{side}_mean"] = mean
                statistics[f"{side}_std"] = (squares / (count - self.correction).clamp(min=0)).sqrt()
        if not statistics:
            raise RuntimeError(f"{type(self).__name__} has seen no images. Call update(images, real=...) first.")
        self.compare_values()
        return statistics


class SpectralDistance(RadialSpectrumStatistics):
    """Measures the relative error of the mean spectrum of generated images by band: a dict of 0-dimensional tensors.

    e = S_fake / S_real - 1 per bin, clamped to [-1, 1], 0 where both are 0; S averaged over channels and images
    (`schwarz2021`). `e_low`, `e_mid`, `e_high` and `e_corner` are its means over the bands of
    `specops.geometry.radial_bands`; that of a band without bins, as small images have, is NaN.

    Args:
        size: (H, W) of the images, or the side of square ones.
        options: those of torchmetrics.Metric.

    Raises:
        TypeError, ValueError: wrong size; images of another size, `real` not a bool.
        RuntimeError: compute() before there are images of both sides.

    Source:
        Schwarz, Liao, Geiger 2021, "On the Frequency Bias of Generative Models": error of their spectra over training.

    Example:
        >>> import torch
        >>> from specops.metrics import SpectralDistance
        >>> distance = SpectralDistance(32)
        >>> images = torch.randn(4, 3, 32, 32)
        >>> distance.update(images, real=True)
        >>> distance.update(images / 2, real=False)
        >>> {band: round(float(error), 4) for band, error in distance.compute().items()}
        {'e_low': -0.75, 'e_mid': -0.75, 'e_high': -0.75, 'e_corner': -0.75}
    """

    def __init__(self, size: geometry.Size, **options: Any) -> None:
        super().__init__(size, **options)

    def forward(self, images: Tensor, real: bool) -> None:
        """Updates; returns None, since a value needs both kinds of images: call `compute`."""
        self.update(images, real)

    def compute(self) -> dict[str, Tensor]:
        """Returns the errors by band of all images so far, of all processes."""
        moments = {side: getattr(self, f"{side}_moments") for side in SIDES}
        self.require({side: int(moments[side][0, 0]) for side in SIDES})
        real, fake = moments["real"][1], moments["fake"][1]
        error = torch.where(fake == real, 0, fake / real - 1).clamp(-1, 1)
        return {f"e_{band}": error[bins].mean() for band, bins in geometry.radial_bands(self.size).items()}


def moments_of(profiles: Tensor) -> Tensor:
    """Returns number, mean and sum of squared deviations of profiles [n, K]: [3, K]."""
    count = profiles.new_full(profiles.shape[-1:], profiles.shape[0])
    mean = profiles.sum(0) / count.clamp(min=1)
    return torch.stack([count, mean, (profiles - mean).square().sum(0)])


def merged_moments(parts: Tensor) -> Tensor:
    """Returns number, mean and sum of squared deviations of the union of parts [n, 3, K]: [3, K]."""
    counts, means, squares = parts.unbind(1)
    count = counts.sum(0)
    mean = (counts * means).sum(0) / count.clamp(min=1)
    return torch.stack([count, mean, squares.sum(0) + (counts * (means - mean).square()).sum(0)])
