"""Taps of the resampling modes along one axis, from their formulas, and gains of the modes that go by the spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from specops._tracing import cached_tensors

SINC_LOBES = 6  # zero crossings on each side
SINC_BETA = 0.1102 * (60 - 8.7)  # Kaiser's window for 60 dB

Taps = list[float]


def single(_: int) -> Taps:
    """Returns the tap 1."""
    return [1.0]


def nearest(factor: int) -> Taps:
    """Returns `factor` ones."""
    return [1.0] * factor


def mean(factor: int) -> Taps:
    """Returns the taps of a mean of `factor` pixels."""
    return [1 / factor] * factor


def bilinear(factor: int) -> Taps:
    """Returns the triangle of linear interpolation between pixel centres: 2·factor taps, one less for odd factors."""
    n = 2 * factor - factor % 2
    return [1 - abs(i - (n - 1) / 2) / factor for i in range(n)]


def binomial(taps: int) -> Taps:
    """Returns the binomial coefficients over their sum."""
    return [math.comb(taps - 1, i) / 2 ** (taps - 1) for i in range(taps)]


def spline(factor: int) -> Taps:
    """Returns the taps of mode "binomial": the mean of `factor` pixels, four times over, [1, 4, 6, 4, 1] / 16 for 2."""
    ones = [1.0] * factor
    twice = _convolved(ones, ones)
    return [tap / factor**4 for tap in _convolved(twice, twice)]


def schwarz(factor: int) -> Taps:
    """Returns [1, 3, 1] / 5 followed by the mean of `factor` pixels."""
    return [tap / (5 * factor) for tap in _convolved([1.0, 3.0, 1.0], [1.0] * factor)]


def sinc(factor: int) -> Taps:
    """Returns the Kaiser-windowed low-pass of cutoff 1 / (2·factor) cycles per pixel.

    h[n] = sinc(n / factor) · kaiser(n), |n| <= lobes·factor - 1, each of the `factor` phases scaled to the sum
    1 / factor, so that constants stay.
    """
    if factor == 1:
        return [1.0]
    reach = SINC_LOBES * factor
    taps = [_sinc(n, factor) * _kaiser(n / reach) for n in range(1 - reach, reach)]
    sums = [sum(taps[phase::factor]) for phase in range(factor)]
    return [tap / (factor * sums[i % factor]) for i, tap in enumerate(taps)]


def _sinc(n: int, factor: int) -> float:
    if n % factor == 0:
        return 1.0 if n == 0 else 0.0
    return math.sin(math.pi * n / factor) / (math.pi * n / factor)


def _kaiser(t: float) -> float:
    """Kaiser's window, |t| <= 1, up to a factor: I0(beta·sqrt(1 - t²)) by its power series."""
    quarter = SINC_BETA**2 * (1 - t * t) / 4
    term = total = 1.0
    for k in range(1, 40):
        term *= quarter / k**2
        total += term
    return total


def _convolved(a: Taps, b: Taps) -> Taps:
    out = [0.0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return out


def _values(kind: Callable[[int], Taps], n: int) -> Taps:
    return kind(n)


# As torch.compiler.assume_constant_result, which would import all of dynamo: tracing a filter's loops takes minutes.
_values._dynamo_marked_constant = True  # type: ignore[attr-defined]


@cached_tensors
def tap_tensor(kind: Callable[[int], Taps], n: int, gain: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns the taps gain · kind(n) along both axes: 1-D, or a filter [1, 1]."""
    taps = torch.tensor([gain * tap for tap in _values(kind, n)], dtype=dtype, device=device)
    return torch.outer(taps, taps) if len(taps) == 1 else taps


@cached_tensors
def zero_padding_gain(H: int, W: int, factor: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns the gain that makes a bed of nails of images [H, W] their Fourier interpolation, on its half plane.

    [H·factor, W·factor // 2 + 1]: factor² below the images' Nyquist frequency; at it half of that, since both its signs
    share it.
    """
    return _axis_gain(H, factor, False, dtype, device).unsqueeze(1) * _axis_gain(W, factor, True, dtype, device)


def _axis_gain(n: int, factor: int, half: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    k = torch.arange(n * factor // 2 + 1 if half else n * factor, device=device)
    k = torch.minimum(k, n * factor - k)
    at_nyquist = (2 * k == n).to(dtype) / 2
    return factor * ((2 * k < n).to(dtype) + at_nyquist)


@cached_tensors
def cropping_gain(H: int, W: int, factor: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Returns the gain 1 up to 1 / (2·factor) cycles per pixel along each axis and 0 beyond: [H, W // 2 + 1]."""
    rows, columns = torch.arange(H, device=device), torch.arange(W // 2 + 1, device=device)
    kept = (2 * factor * torch.minimum(rows, H - rows) <= H).unsqueeze(1) & (2 * factor * columns <= W)
    return kept.to(dtype)
