"""Against scipy: the Gaussian filter and what lies beyond the edges of an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import specops

fft = pytest.importorskip("scipy.fft", reason="scipy is not installed (the extra `test`)")
ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed (the extra `test`)")


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (1, 9), (31, 8)], ids=str)
def test_gaussian_filter(size: tuple[int, int]) -> None:
    """The Gaussian mask of radius r is that of a Gaussian in space with σ = n / (2πr)."""
    x = torch.randn(*size, dtype=torch.float64)
    radius = 2.5
    sigma = max(size) / (2 * np.pi * radius)
    expected = fft.ifft2(ndimage.fourier_gaussian(fft.fft2(x.numpy()), sigma)).real
    mask = specops.masks.lowpass(size, radius, kind="gaussian", dtype=torch.float64)
    np.testing.assert_allclose(specops.frequency_filter(x, mask), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("boundary", "mode"), [("reflect", "mirror"), ("replicate", "nearest"), ("circular", "wrap"), ("zeros", "constant")]
)
def test_boundaries(boundary: str, mode: str) -> None:
    x, f = torch.randn(9, 12, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    ours = specops.upfirdn2d(x, f, padding=(2, 2, 1, 1), boundary=boundary)
    np.testing.assert_allclose(ours, ndimage.convolve(x.numpy(), f.numpy(), mode=mode), atol=1e-12)
