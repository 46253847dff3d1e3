"""Why the high frequencies of a convolution are hard to tell apart: the correlation of its filter's spectrum."""

from __future__ import annotations

import math


def filter_spectrum_correlation(k: int, d: int, offset: tuple[int, int] = (1, 1)) -> float:
    """Correlation between two coefficients of the spectrum of a random k×k filter inside a d×d map.

    F(u, v) is the d×d DFT of the filter w, filled up with zeros; the entries of w are uncorrelated and of one variance.
    For frequencies that differ by `offset` = (a, b)

        E[F(u, v)·conj F(u + a, v + b)] / E|F|² = ± s(a)·s(b),   s(a) = sin(πka/d) / (k·sin(πa/d)),

    up to a phase; the modulus is returned. It does not depend on (u, v). Diagonal neighbours, (1, 1), give
    sin²(πk/d) / (k²·sin²(π/d)). The larger the map, the nearer to 1: the layers that alone can make the highest
    frequencies are those whose filters can least treat one frequency unlike the next.

    Args:
        k: side of the filter, 1 ≤ k ≤ d.
        d: side of the map.
        offset: (a, b) in cycles per map.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: a filter that does not fit the map.

    Source:
        Khayatkhoei, Elgammal 2022, "Spatial Frequency Bias in Convolutional Generative Adversarial Networks".

    Example:
        >>> [round(filter_spectrum_correlation(5, d), 5) for d in (16, 32, 64, 128)]
        [0.72658, 0.92519, 0.98087, 0.99519]
    """
    if not 1 <= k <= d:
        raise ValueError(f"k must be from 1 to d = {d}; got {k}.")
    return math.prod(abs(_kernel(k, d, a)) for a in offset)


def _kernel(k: int, d: int, a: int) -> float:
    """Mean of exp(2πi·aj/d) over j = 0 … k-1, up to its phase."""
    return 1.0 if a % d == 0 else math.sin(math.pi * k * a / d) / (k * math.sin(math.pi * a / d))
