"""What the errors of bands say, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from specops.report.pages import clamped_percent


def read_bands(errors: Mapping[str, float]) -> str:
    """The bands with what is to be said of their clamped relative errors: "low about right (+3 %), mid …".

    A band without frequencies, whose error is NaN, is left out.
    """
    there = {band: error for band, error in errors.items() if not math.isnan(error)}
    return ", ".join(f"{band} {judge(error)} ({clamped_percent(error)})" for band, error in there.items())


def judge(error: float) -> str:
    """A band's clamped relative error as an adjective."""
    words = {
        -0.85: "almost missing",
        -0.6: "much too weak",
        -0.3: "too weak",
        -0.1: "slightly weak",
        0.1: "about right",
        0.3: "slightly strong",
        0.6: "too strong",
    }
    return next((word for limit, word in words.items() if error <= limit), "much too strong")
