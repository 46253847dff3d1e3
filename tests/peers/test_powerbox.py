"""Against powerbox, which bins isotropic power spectra for cosmology."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import specops

tools = pytest.importorskip("powerbox.tools", reason="powerbox is not installed (the extra `peers`)")


def test_power_spectrum_of_a_box() -> None:
    """Its isotropic power of a field in a unit box is ours with norm="forward", in the conventions of numpy's DFT."""
    side = 32
    x = np.random.default_rng(1).standard_normal((side, side))
    edges = np.arange(1, 17) - 1e-9
    spectrum = tools.get_power(
        x, 1.0, a=0, b=2 * np.pi, bins=edges, dimensionless=False, vol_normalised_power=False, nthreads=1
    )
    ours = specops.radial_spectrum(torch.from_numpy(x), convention="plain", norm="forward")
    np.testing.assert_allclose(ours[1:16].numpy(), spectrum.power, rtol=1e-10)
    counts = specops.geometry.radial_bins((side, side), convention="plain").count[1:16]
    np.testing.assert_allclose(counts.numpy(), spectrum.nsamples)


def test_cross_spectrum() -> None:
    x, y = np.random.default_rng(2).standard_normal((2, 24, 24))
    edges = np.arange(1, 13) - 1e-9
    spectrum = tools.get_power(
        x, 1.0, deltax2=y, a=0, b=2 * np.pi, bins=edges, dimensionless=False, vol_normalised_power=False, nthreads=1
    )
    ours = specops.radial_cross_spectrum(torch.from_numpy(x), torch.from_numpy(y), convention="plain", norm="forward")
    np.testing.assert_allclose(ours[1:12].numpy(), spectrum.power, rtol=1e-10)
