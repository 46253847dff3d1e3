"""Against scipy: transforms, windows, resampling and distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import specops

fft = pytest.importorskip("scipy.fft", reason="scipy is not installed (the extra `test`)")
ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed (the extra `test`)")
signal = pytest.importorskip("scipy.signal", reason="scipy is not installed (the extra `test`)")

SIZES = [(16, 16), (15, 22), (1, 9), (31, 8)]


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_power_spectrum(size: tuple[int, int], norm: str) -> None:
    x = torch.randn(2, *size, dtype=torch.float64)
    expected = np.abs(fft.fft2(x.numpy(), norm=norm)) ** 2
    np.testing.assert_allclose(specops.power_spectrum(x, norm=norm), expected, rtol=1e-10, atol=1e-12)
    shifted = fft.fftshift(expected, axes=(-2, -1))
    np.testing.assert_allclose(specops.power_spectrum(x, norm=norm, shift=True), shifted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_hann_window(size: tuple[int, int]) -> None:
    x = torch.randn(2, *size, dtype=torch.float64)
    window = np.outer(*(signal.windows.hann(n, sym=True) for n in size))
    expected = specops.radial_spectrum(x, window=torch.from_numpy(window))
    torch.testing.assert_close(specops.radial_spectrum(x, window="hann"), expected)


@pytest.mark.parametrize("side", [15, 16, 33])
def test_radial_spectrum_by_labels(side: int) -> None:
    """ndimage.mean over the labels floor(radius)."""
    x = torch.randn(side, side, dtype=torch.float64)
    k = fft.fftfreq(side, 1 / side)
    labels = np.floor(np.hypot(k[:, None], k[None])).astype(int)
    expected = ndimage.mean(np.abs(fft.fft2(x.numpy())) ** 2, labels, np.arange(labels.max() + 1))
    np.testing.assert_allclose(specops.radial_spectrum(x, convention="plain"), expected, rtol=1e-10)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gaussian_filter(size: tuple[int, int]) -> None:
    """The Gaussian mask of radius r is that of a Gaussian in space with σ = n / (2πr)."""
    x = torch.randn(*size, dtype=torch.float64)
    radius = 2.5
    sigma = max(size) / (2 * np.pi * radius)
    expected = fft.ifft2(ndimage.fourier_gaussian(fft.fft2(x.numpy()), sigma)).real
    mask = specops.masks.lowpass(size, radius, kind="gaussian", dtype=torch.float64)
    np.testing.assert_allclose(specops.frequency_filter(x, mask), expected, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_butterworth_mask(order: int) -> None:
    """|H|² of the analogue Butterworth filter of that order."""
    b, a = signal.butter(order, 5.0, analog=True)
    mask = specops.masks.lowpass((1, 32), 5.0, kind="butterworth", order=order, dtype=torch.float64)
    _, response = signal.freqs(b, a, np.arange(17))
    np.testing.assert_allclose(mask[0], np.abs(response) ** 2, rtol=1e-10)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_upfirdn(up: int, down: int) -> None:
    """Full padding; scipy keeps no sample beyond the filter's end of the last one that was inserted."""
    x, taps = torch.randn(3, 1, 11, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    ours = specops.upfirdn2d(x, taps.unsqueeze(0), up=(up, 1), down=(down, 1), padding=(3, 3, 0, 0))
    theirs = signal.upfirdn(taps.numpy(), x.numpy(), up, down)
    length = min(ours.shape[-1], theirs.shape[-1])
    assert length >= 11 * up // down
    np.testing.assert_allclose(ours[..., :length], theirs[..., :length], atol=1e-12)


@pytest.mark.parametrize(
    ("boundary", "mode"), [("reflect", "mirror"), ("replicate", "nearest"), ("circular", "wrap"), ("zeros", "constant")]
)
def test_boundaries(boundary: str, mode: str) -> None:
    x, f = torch.randn(9, 12, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    ours = specops.upfirdn2d(x, f, padding=(2, 2, 1, 1), boundary=boundary)
    np.testing.assert_allclose(ours, ndimage.convolve(x.numpy(), f.numpy(), mode=mode), atol=1e-12)


def test_frequency_shift_moves_the_spectrum() -> None:
    real, imag = torch.randn(2, 8, 12, dtype=torch.float64)
    moved = specops.frequency_shift_complex(real, imag, (3 / 12, 2 / 8))
    before, after = fft.fft2((real + 1j * imag).numpy()), fft.fft2((moved[0] + 1j * moved[1]).numpy())
    np.testing.assert_allclose(after, np.roll(before, (2, 3), (0, 1)), atol=1e-10)
