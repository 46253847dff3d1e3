"""Each metric, two sides of images for it, and its values from batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("torchmetrics", reason="specops.metrics needs the extra `metrics`")
pytest.importorskip("sklearn", reason="specops.metrics needs the extra `metrics`")

import specops
from specops.metrics import (
    LeakageRatio,
    RadialSpectrumStatistics,
    SlicedWassersteinDistance,
    SpectralDetectability,
    SpectralDistance,
)

METRICS: dict[str, Callable[[], Any]] = {
    "RadialSpectrumStatistics": lambda: RadialSpectrumStatistics(32, scale="log"),
    "SpectralDistance": lambda: SpectralDistance(32),
    "LeakageRatio": lambda: LeakageRatio(32, window="hann"),
    "SpectralDetectability": lambda: SpectralDetectability(32, folds=3),
    "SlicedWassersteinDistance": lambda: SlicedWassersteinDistance(32, patches_per_image=8, directions=16, repeats=2),
}
each_metric = pytest.mark.parametrize("build", METRICS.values(), ids=METRICS.keys())


def both_sides() -> tuple[Tensor, Tensor]:
    """13 real and 17 generated images, the latter with a little less high frequency."""
    draw = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(n, 3, 32, 32, generator=draw) for n in (13, 17))
    mask = specops.masks.lowpass((32, 32), 40.0, kind="gaussian")
    return real, specops.frequency_filter(fake, mask)


def computed(metric: Any, real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Tensor]:
    """The values after an update per batch."""
    for images in real:
        metric.update(images, real=True)
    for images in fake:
        metric.update(images, real=False)
    return values_of(metric)


def values_of(metric: Any) -> dict[str, Tensor]:
    value = metric.compute()
    return value if isinstance(value, dict) else {"value": value}


def assert_same(values: dict[str, Tensor], expected: dict[str, Tensor], bound: float = 1e-6) -> None:
    assert list(values) == list(expected)
    for name, value in values.items():
        torch.testing.assert_close(value, expected[name], rtol=bound, atol=bound * 1e-2, msg=lambda m: f"{name}: {m}")  # noqa: B023
