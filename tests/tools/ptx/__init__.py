"""Compiled PTX executed with NumPy: a GPU kernel's results, races and memory traffic, tested without a GPU."""

from __future__ import annotations

from .counters import SECTOR, Counters, Traffic
from .kernel import MOST_SHARED, Kernel, Module
from .text import PtxError

__all__ = ["MOST_SHARED", "SECTOR", "Counters", "Kernel", "Module", "PtxError", "Traffic"]
