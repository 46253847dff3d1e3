"""Spectral operations for generative image models, as torch ops with gradients of any order."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from specops import backends, compat, functional, geometry, losses, masks, nn, ops
from specops._library import library_path
from specops.functional import (
    downsample,
    fourier_ring_correlation,
    frequency_filter,
    frequency_shift,
    frequency_shift_complex,
    hfc,
    hff,
    leakage_ratio,
    normalize_profile,
    power_spectrum,
    radial_cross_spectrum,
    radial_filter,
    radial_spectrum,
    swap_bands,
    upfirdn2d,
    upsample,
)

__version__ = "0.1.0"

backends.warn_without_extension()

if TYPE_CHECKING:
    from specops import metrics as metrics


def __getattr__(name: str) -> ModuleType:
    if name != "metrics":  # loaded when asked for: torchmetrics takes seconds, and may not be installed
        raise AttributeError(f"module 'specops' has no attribute {name!r}")
    return importlib.import_module("specops.metrics")


def __dir__() -> list[str]:
    return [*__all__, "__version__", "metrics"]


__all__ = [
    "backends",
    "compat",
    "downsample",
    "fourier_ring_correlation",
    "frequency_filter",
    "frequency_shift",
    "frequency_shift_complex",
    "functional",
    "geometry",
    "hfc",
    "hff",
    "leakage_ratio",
    "library_path",
    "losses",
    "masks",
    "nn",
    "normalize_profile",
    "ops",
    "power_spectrum",
    "radial_cross_spectrum",
    "radial_filter",
    "radial_spectrum",
    "swap_bands",
    "upfirdn2d",
    "upsample",
]
