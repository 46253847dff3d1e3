"""How far generated images are from held-out real ones: spectrum by band, leakage, detectability, patches, features."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from specops.metrics import LeakageRatio, SlicedWassersteinDistance, SpectralDetectability, SpectralDistance

from .errors import InputError
from .evaluation import reduced_spectrum
from .models import find_model, model_name, told

_PIECE = 256
"""Images given to a metric at a time."""
_ALONE: dict[str, Any] = {"sync_on_compute": False}
"""One process evaluates, the others wait."""


class Evaluator:
    """Measures of generated images `[m, C, N, N]` in [-1, 1] against the same real ones `[n, C, N, N]`.

    `features` is a network from images `[n, 3, N, N]` in [-1, 1] to features `[n, d]`, for FID and KID;
    `patches_per_image` are those of the Wasserstein distance. The side of the real images is worked out once.
    """

    def __init__(self, real: Tensor, *, features: nn.Module | None = None, patches_per_image: int = 64) -> None:
        size, channels = real.shape[-1], real.shape[1]
        self.real_spectrum = reduced_spectrum(real)
        self._metrics: dict[str, Any] = {
            "bands": SpectralDistance(size, **_ALONE),
            "leakage": LeakageRatio(size, **_ALONE),
            "detectability": SpectralDetectability(size, **_ALONE),
            "swd": SlicedWassersteinDistance(
                size, channels=channels, patches_per_image=patches_per_image, repeats=1, **_ALONE
            ),
        }
        if features is not None:
            self._metrics |= _feature_metrics(features, real)
        for metric in self._metrics.values():
            _feed(metric.to(real.device), real, real=True)

    def measure(self, fake: Tensor) -> dict[str, float]:
        """e_low … e_corner, leakage, detectability, cloaking, swd_N per level N, swd; of features fid, kid_mean.

        Detectability is the accuracy in [½, 1], cloaking the score of 1 for what cannot be told apart.
        """
        row: dict[str, float] = {}
        for name, metric in self._metrics.items():
            fed = metric.clone()
            _feed(fed, fake, real=False)
            row |= _named(name, _reproducibly(fed.compute))
        return row


def load_features(reference: str, weights: str | None, resolution: int, device: torch.device) -> nn.Module:
    """`Net()` of `my_package.module:Net`, with `weights` of a file of its `state_dict` if given, tried on an image."""
    model, called = find_model(reference, option="--features"), f"--features {reference}"
    try:
        network = model().eval().requires_grad_(False).to(device)
        if weights is not None:
            network.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
        features = network(torch.zeros(2, 3, resolution, resolution, device=device))
    except Exception as error:
        raise InputError(f"{called}: {model_name(reference)} raised {told(error)}") from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        raise InputError(f"{called}, called with [2, 3, {resolution}, {resolution}], must return features [2, d]")
    return _Features(network, features.shape[1])


class _Features(nn.Module):
    """A network with the attribute by which torchmetrics knows how many features there are."""

    def __init__(self, network: nn.Module, num_features: int) -> None:
        super().__init__()
        self.network, self.num_features = network, num_features

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images)
        return features


def _feature_metrics(features: nn.Module, real: Tensor) -> dict[str, Any]:
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    subset = min(1000, len(real) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric .* will save all extracted features", UserWarning)
        return {
            "fid": FrechetInceptionDistance(feature=features, **_ALONE),
            "kid": KernelInceptionDistance(feature=features, subset_size=subset, **_ALONE),
        }


def _feed(metric: Any, images: Tensor, *, real: bool) -> None:
    for piece in images.split(_PIECE):
        metric.update(piece, real=real)


def _reproducibly(compute: Callable[[], Any]) -> Any:
    """What `compute` gives with torch's own random state as after manual_seed(0): KID draws its subsets from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return compute()


def _named(name: str, values: Any) -> dict[str, float]:
    """The values of a metric by column of metrics.csv."""
    if name == "kid":
        values = dict(zip(("kid_mean", "kid_std"), values, strict=True))
    if not isinstance(values, dict):
        return {name: float(values)}
    return {"detectability" if key == "accuracy" else key: float(value) for key, value in values.items()}
