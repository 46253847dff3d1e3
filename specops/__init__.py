"""Spectral operations for generative image models, as torch ops with gradients of any order."""

from specops import backends, functional, geometry, ops
from specops.functional import radial_spectrum, upfirdn2d, upsample

__version__ = "0.1.0"

__all__ = ["backends", "functional", "geometry", "ops", "radial_spectrum", "upfirdn2d", "upsample"]
