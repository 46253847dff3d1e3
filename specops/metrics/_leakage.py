"""The leakage ratio of mean power spectra."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from specops import functional, geometry
from specops.functional._spectra import hann_axes
from specops.metrics._two_sided import SIDES, TwoSided


class LeakageRatio(TwoSided):
    """Measures the share of spectral power at the wrong frequencies: a 0-dimensional tensor in [0, 1], float64.

    The value is `specops.leakage_ratio` of the mean power spectra |DFT|² of real and generated images. The mean over
    its channels makes each image grey.

    Args:
        size: (H, W) of the images, or the side of square ones.
        window: None or `"hann"` (symmetric, separable), by which images are multiplied.
        options: those of torchmetrics.Metric.

    Raises:
        TypeError, ValueError: wrong options; images of another size, `real` not a bool.
        RuntimeError: compute() before there are images of both sides.

    Source:
        Khayatkhoei, Elgammal 2022, "Spatial Frequency Bias in Convolutional Generative Adversarial Networks", leakage
        ratio.

    Example:
        >>> import torch, specops
        >>> from specops.metrics import LeakageRatio
        >>> leakage = LeakageRatio(16)
        >>> leakage.update(torch.ones(4, 3, 16, 16), real=True)
        >>> leakage.update(specops.frequency_shift(torch.ones(4, 3, 16, 16), (0.25, 0.0)), real=False)
        >>> round(float(leakage.compute()), 4)
        1.0
    """

    higher_is_better = False

    def __init__(self, size: geometry.Size, *, window: str | None = None, **options: Any) -> None:
        super().__init__(size, **options)
        if window not in (None, "hann"):
            raise ValueError(f"window must be None or 'hann'; got {window!r}.")
        self.window = window
        for side in SIDES:
            self.add_state(f"{side}_power", torch.zeros(self.size, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor, real: bool) -> None:
        """Adds images [..., C, H, W]."""
        side = self.side(real)
        x = self.images(images)
        self.note_values(side, x)
        grey = x.double().mean(-3)
        if self.window is not None:
            rows, columns = hann_axes(*self.size, grey.dtype, grey.device)
            grey = grey * rows * columns
        power = functional.power_spectrum(grey).sum(0)
        setattr(self, f"{side}_power", getattr(self, f"{side}_power") + power)
        setattr(self, f"{side}_count", getattr(self, f"{side}_count") + grey.shape[0])

    def compute(self) -> Tensor:
        """Returns the leakage ratio of all images so far, of all processes."""
        self.require({side: int(getattr(self, f"{side}_count")) for side in SIDES})
        real, fake = (getattr(self, f"{side}_power") / getattr(self, f"{side}_count") for side in SIDES)
        return functional.leakage_ratio(real, fake)
