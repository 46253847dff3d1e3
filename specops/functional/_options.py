"""Checks of options, and the warning of a radius that looks like a cutoff."""

from __future__ import annotations

import math
import numbers
import sys
import warnings

import torch


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def odd_units(radius: object, cutoff: object) -> str | None:
    """Returns what is odd about a radius below 1 or a cutoff from 1 on, each nearly always meant as the other.

    Nothing is in traced code: a graph keeps no warnings, and a look at the number would bind the graph to its value.
    """
    if torch.compiler.is_compiling() or (radius is None) == (cutoff is None):
        return None
    if isinstance(radius, numbers.Real) and 0 < float(radius) < 1:
        told = f"radius={radius} is in cycles per image, and every frequency but the mean lies above it. If you mean "
        return told + f"cycles per pixel, give cutoff={radius}."
    if isinstance(cutoff, numbers.Real) and not isinstance(cutoff, bool) and 1 <= float(cutoff) < math.inf:
        told = f"cutoff={cutoff} is in cycles per pixel, and every frequency lies below it. If you mean cycles per "
        return told + f"image, give radius={cutoff}."
    return None


def warn_of_units(radius: object, cutoff: object) -> None:
    """Warns of odd units in the line that calls the caller; calls from within this package are silent."""
    told = odd_units(radius, cutoff)
    if told is None:
        return
    user = sys._getframe(1).f_back  # None where C calls the caller
    if user is None or user.f_globals.get("__name__", "").partition(".")[0] != "specops":
        warnings.warn(told, UserWarning, stacklevel=3)


def integer(name: str, value: object, least: int, most: float = math.inf) -> int:
    """Returns an integer in [least, most] as Python's, or raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    whole = int(value)
    if whole < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")
    if whole > most:
        raise ValueError(f"{name} must be at most {most}; got {value}.")
    return whole


def number_pair(name: str, value: object, meaning: str) -> tuple[float, float]:
    """Returns two finite numbers as floats, or raises TypeError or ValueError."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(part, numbers.Real) and not isinstance(part, bool) for part in pair):
        raise TypeError(f"{name} must be a pair {meaning} of numbers; got {value!r}.")
    if not all(-math.inf < part < math.inf for part in pair):
        raise ValueError(f"{name} must be a pair {meaning} of finite numbers; got {value!r}.")
    return float(pair[0]), float(pair[1])
