"""Bands: each bin in the third of Nyquist's radius that holds its least whole radius, the last bin in none."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from specops import geometry, masks

sides = st.integers(8, 80)


def band_of(radius: int, nyquist: Fraction) -> str | None:
    """The band of a whole radius, in rational arithmetic."""
    if radius == 0:
        return None
    return next(
        (band for third, band in enumerate(("low", "mid", "high"), 1) if 3 * radius <= third * nyquist), "corner"
    )


@given(st.sampled_from(list(geometry.CONVENTIONS)), sides, sides)
def test_bins_lie_in_the_band_of_their_radius_but_for_the_last(convention: str, H: int, W: int) -> None:
    bins = geometry.radial_bins((H, W), convention=convention)
    expected = [band_of(math.ceil(edge), Fraction(max(H, W), 2)) for edge in bins.edges[:-1].tolist()]
    expected[-1] = None
    bands = geometry.radial_bands((H, W), convention=convention)
    assert tuple(bands) == geometry.BANDS
    listed: list[str | None] = [None] * bins.n_bins
    for band, part in bands.items():
        listed[part] = [band] * len(listed[part])
    assert listed == expected


@pytest.mark.parametrize("side", [8, 16, 64])
def test_one_side_stands_for_a_square(side: int) -> None:
    assert geometry.radial_bands(side) == geometry.radial_bands((side, side))
    assert geometry.radial_bins(side) is geometry.radial_bins((side, side))
    masks_of_both = (masks.bandpass(size, cutoff=(0.1, 0.3)) for size in (side, (side, side)))
    assert torch.equal(*masks_of_both)


def test_a_size_without_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for this convention"):
        geometry.radial_bands(1, convention="ssd2021")
