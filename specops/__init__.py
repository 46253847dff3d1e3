"""Spectral operations for generative image models, as torch ops with gradients of any order."""

import importlib
from types import ModuleType

from specops import backends, functional, geometry, masks, ops
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

_LOADED_WHEN_ASKED_FOR = ("compat", "losses", "metrics", "nn")


def __getattr__(name: str) -> ModuleType:
    if name not in _LOADED_WHEN_ASKED_FOR:
        raise AttributeError(f"module 'specops' has no attribute {name!r}")
    return importlib.import_module(f"specops.{name}")


__all__ = [
    "backends",
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
    "masks",
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
