"""Metrics that compare the spectra of real and generated images, as torchmetrics; they need the extra `metrics`.

Each is fed by `update(images, real=True)` and `update(images, real=False)` with images [..., C, H, W], in any order and
any division into batches and processes, and gives its value by `compute()`. The sides may differ in dtype, but must
have one range of values: where they plainly have not, as [0, 1] and [-1, 1] or [0, 255], a metric warns once, from 4
images of each side on.

Statistics are in float64. On a device that has none, as Apple's GPUs, `SlicedWassersteinDistance` and
`SpectralDetectability` can be updated, but are moved to the CPU to compute: `metric.cpu().compute()`. Keep
`RadialSpectrumStatistics`, `SpectralDistance` and `LeakageRatio` on the CPU, and give them `images.cpu()`.
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
