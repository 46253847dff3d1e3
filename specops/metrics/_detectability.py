"""How well a linear classifier tells generated from real images by their spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import StratifiedKFold, cross_val_score  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from torch import Tensor

from specops import geometry
from specops.functional._options import integer
from specops.losses._radial import GREY_JUNG, log_profile
from specops.metrics._two_sided import SIDES, TwoSided
from specops.nn._arguments import n_bins


class SpectralDetectability(TwoSided):
    """Measures how well spectra tell real from generated images: a dict of 0-dimensional tensors.

    `accuracy` is the cross-validated accuracy of a logistic regression on the profiles of
    `specops.losses.spectral_profile_loss` (grey, `jung2021`, logarithmic, in [0, 1]), each bin standardised; it is the
    mean of the accuracies on both sides. `cloaking` is 1 - |accuracy - ½| / ½: 1 where the sides cannot be told apart,
    0 where they always can. Images are sorted by their profiles before folds are drawn, so that the values depend
    neither on batches nor on processes.

    Args:
        size: (H, W) of the images, or the side of square ones.
        folds: of the cross-validation, >= 2.
        seed: of the division into folds, 0 to 2³² - 1.
        options: those of torchmetrics.Metric.

    Raises:
        TypeError, ValueError: wrong options; images of another size, or neither grey nor RGB; `real` not a bool.
        RuntimeError: compute() before there are `folds` images of each side.

    Source:
        Jung, Keuper 2021, "Spectral Distribution Aware Image Generation": cloaking score; Durall, Keuper, Keuper 2020,
        "Watch Your Up-Convolution": detection from profiles.

    Example:
        >>> import torch, specops
        >>> from specops.metrics import SpectralDetectability
        >>> detectability = SpectralDetectability(16)
        >>> detectability.update(torch.randn(20, 3, 16, 16), real=True)
        >>> detectability.update(specops.upsample(torch.randn(20, 3, 8, 8), mode="bilinear"), real=False)
        >>> detectability.compute()
        {'accuracy': tensor(1., dtype=torch.float64), 'cloaking': tensor(0., dtype=torch.float64)}
    """

    def __init__(self, size: geometry.Size, *, folds: int = 5, seed: int = 0, **options: Any) -> None:
        super().__init__(size, **options)
        self.folds, self.seed = integer("folds", folds, least=2), integer("seed", seed, least=0, most=2**32 - 1)
        for side in SIDES:
            self.add_rows(f"{side}_profiles", n_bins(self.size, "jung2021"))

    def update(self, images: Tensor, real: bool) -> None:
        """Adds images [..., C, H, W], C = 3 or 1."""
        side = self.side(real)
        x = self.images(images)
        profiles = log_profile(x, GREY_JUNG, "jung2021", 1e-8, name="images")
        self.note_values(side, x)
        getattr(self, f"{side}_profiles").append(profiles.float())

    def compute(self) -> dict[str, Tensor]:
        """Returns accuracy and cloaking score of all images so far, of all processes."""
        sides = {side: self.rows(f"{side}_profiles").cpu().numpy() for side in SIDES}
        self.require({side: len(profiles) for side, profiles in sides.items()}, at_least=self.folds)
        profiles = np.concatenate([side[np.lexsort(side.T)] for side in sides.values()])
        labels = np.repeat([1, 0], [len(side) for side in sides.values()])
        accuracy = cross_val_score(
            make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=10_000)),
            profiles.astype(np.float64),
            labels,
            cv=StratifiedKFold(self.folds, shuffle=True, random_state=self.seed),
            scoring="balanced_accuracy",
        ).mean()
        scores = {"accuracy": accuracy, "cloaking": 1 - abs(accuracy - 0.5) / 0.5}
        return {name: torch.tensor(value, dtype=torch.float64, device=self.device) for name, value in scores.items()}
