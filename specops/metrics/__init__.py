"""Metrics that compare the spectra of real and generated images, as torchmetrics; they need the extra `metrics`.

`update(images, real=True)` and `update(images, real=False)` feed a metric with images [..., C, H, W], in any order and
any division into batches and processes; `compute()` returns its value. The sides may differ in dtype, but must have one
range of values. Where they plainly have two, as [0, 1] and [-1, 1], a metric warns once, from 4 images of each side on.

Statistics are in float64, which Apple's GPUs lack. There, move `SlicedWassersteinDistance` and `SpectralDetectability`
to the CPU to compute: `metric.cpu().compute()`. Keep `RadialSpectrumStatistics`, `SpectralDistance` and `LeakageRatio`
on the CPU, and give them `images.cpu()`.
"""

from importlib.util import find_spec as _find_spec

if any(_find_spec(name) is None for name in ("torchmetrics", "sklearn")):
    raise ImportError(
        "specops.metrics needs torchmetrics and scikit-learn, the extra `metrics`: pip install 'specops[metrics]', or "
        "pip install torchmetrics scikit-learn."
    )

from specops.metrics._detectability import SpectralDetectability
from specops.metrics._leakage import LeakageRatio
from specops.metrics._statistics import RadialSpectrumStatistics, SpectralDistance
from specops.metrics._wasserstein import SlicedWassersteinDistance

__all__ = [
    "LeakageRatio",
    "RadialSpectrumStatistics",
    "SlicedWassersteinDistance",
    "SpectralDetectability",
    "SpectralDistance",
]
