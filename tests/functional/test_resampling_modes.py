"""The modes of upsample and downsample at all factors: against scipy, torch and what defines them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from specops import backends, downsample, upfirdn2d, upsample
from specops.functional import _sampling, _taps

UPSAMPLE = ("zeros", "nearest", "bilinear", "binomial", "sinc", "fourier")
DOWNSAMPLE = ("stride", "avg", "blur", "schwarz_blur", "binomial", "sinc", "fourier")
FACTORS = (1, 2, 3, 4, 8)


def filtered_by_scipy(x: Tensor, f: list[float], up: int, down: int) -> Tensor:
    """x [H, W] with its edges reflected, through scipy's 1-D routine; the filter's middle on the first sample."""
    wide = x.numpy()
    for axis in (0, 1):
        n, reach = wide.shape[axis], len(f) // 2
        far = math.ceil(reach / up)
        padding = [(far, far) if each == axis else (0, 0) for each in (0, 1)]
        full = scipy.signal.upfirdn(f, np.pad(wide, padding, mode="reflect"), up=up, axis=axis)
        wide = np.take(full, far * up + reach + np.arange(0, n * up, down), axis=axis)
    return torch.from_numpy(wide)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("mode", ["binomial", "sinc"])
def test_low_passes_equal_scipy(mode: str, factor: int) -> None:
    x = torch.randn(53, 50, dtype=torch.float64)
    f = _taps.spline(factor) if mode == "binomial" else _taps.sinc(factor)
    torch.testing.assert_close(
        upsample(x, factor, mode=mode), filtered_by_scipy(x, [factor * tap for tap in f], factor, 1)
    )
    torch.testing.assert_close(downsample(x, factor, mode=mode), filtered_by_scipy(x, f, 1, factor))


def test_binomial_of_factor_two_is_the_binomial_filter() -> None:
    assert _taps.spline(2) == [tap / 16 for tap in (1, 4, 6, 4, 1)]
    x = torch.randn(2, 9, 8)
    assert torch.equal(downsample(x, mode="binomial"), downsample(x, mode="blur", taps=5))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_the_sinc_is_a_windowed_ideal_filter(factor: int) -> None:
    """scipy.signal.firwin, up to the scale of the phases; 55 dB down from half a lobe's width beyond the cutoff."""
    f = np.array(_taps.sinc(factor))
    n = _taps.SINC_LOBES * factor
    window = np.kaiser(2 * n + 1, _taps.SINC_BETA)[1:-1]
    expected = scipy.signal.firwin(2 * n + 1, 1 / factor, window=("kaiser", _taps.SINC_BETA))[1:-1]
    np.testing.assert_allclose(f, expected, atol=2e-3 / factor)
    np.testing.assert_allclose(f[n - 1 :: factor][1:], 0, atol=1e-17)
    assert window[n - 1] == 1
    gains = abs(np.fft.rfft(f, 4096))
    stop = np.arange(len(gains)) / 4096 > (0.5 + 0.34) / factor
    assert gains[stop].max() < 10 ** (-55 / 20)


@pytest.mark.parametrize("factor", FACTORS)
def test_sinc_and_fourier_keep_the_pixels_they_interpolate_between(factor: int) -> None:
    x = torch.randn(3, 7, 10, dtype=torch.float64)
    for mode in ("zeros", "sinc", "fourier"):
        torch.testing.assert_close(upsample(x, factor, mode=mode)[..., ::factor, ::factor], x)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(16, 24), (17, 9), (8, 8), (25, 31)], ids=str)
def test_sizes_and_constants(size: tuple[int, int], factor: int) -> None:
    for mode in UPSAMPLE:
        out = upsample(torch.ones(size), factor, mode=mode)
        assert out.shape == (size[0] * factor, size[1] * factor)
        if mode != "zeros":
            torch.testing.assert_close(out, torch.ones_like(out))
    for mode in DOWNSAMPLE:
        rounded = math.floor if mode in ("avg", "schwarz_blur") else math.ceil
        out = downsample(torch.ones(size), factor, mode=mode)
        assert out.shape == (rounded(size[0] / factor), rounded(size[1] / factor))
        torch.testing.assert_close(out, torch.ones_like(out))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_fourier_upsampling_equals_scipy(H: int, W: int, factor: int) -> None:
    """Both share the Nyquist frequency of even sides in the same way."""
    x = torch.randn(H, W, dtype=torch.float64)
    expected = scipy.signal.resample(scipy.signal.resample(x.numpy(), H * factor, axis=0), W * factor, axis=1)
    torch.testing.assert_close(upsample(x, factor, mode="fourier"), torch.from_numpy(expected))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
def test_fourier_downsampling_equals_scipy(H: int, W: int, factor: int) -> None:
    x = torch.randn(H * factor, W * factor, dtype=torch.float64)
    expected = scipy.signal.resample(scipy.signal.resample(x.numpy(), H, axis=0), W, axis=1)
    torch.testing.assert_close(downsample(x, factor, mode="fourier"), torch.from_numpy(expected))


def wave(size: tuple[int, int], ky: int, kx: int, step: float, period: tuple[int, int]) -> Tensor:
    """cos and sin of (ky, kx) cycles per period, sampled every `step` pixels."""
    y = torch.arange(size[0], dtype=torch.float64).unsqueeze(1) * step * ky / period[0]
    x = torch.arange(size[1], dtype=torch.float64) * step * kx / period[1]
    phase = 2 * math.pi * (y + x)
    return torch.stack([phase.cos(), phase.sin()])


@pytest.mark.parametrize("size", [(12, 15), (13, 10), (9, 9), (7, 18)], ids=str)
@pytest.mark.parametrize("factor", [2, 3])
def test_fourier_is_exact_for_band_limited_images(size: tuple[int, int], factor: int) -> None:
    """Waves below the Nyquist frequency of the coarse grid, also where the factor does not divide the size."""
    large = (size[0] * factor, size[1] * factor)
    for ky, kx in ((0, 0), (1, 2), (-3, 1), ((size[0] - 1) // 2, (size[1] - 1) // 2)):
        fine = wave(large, ky, kx, 1 / factor, size)
        torch.testing.assert_close(upsample(wave(size, ky, kx, 1, size), factor, mode="fourier"), fine)
        torch.testing.assert_close(downsample(fine, factor, mode="fourier"), wave(size, ky, kx, 1, size))
    ky, kx = size[0] // (2 * factor), size[1] // (2 * factor)
    kept, kept_small = (
        wave(size, ky, kx, 1, size)[0],
        downsample(wave(size, ky, kx, 1, size)[0], factor, mode="fourier"),
    )
    torch.testing.assert_close(kept_small, kept[::factor, ::factor])
    above = wave(size, ky + 1, 0, 1, size)
    torch.testing.assert_close(
        downsample(above, factor, mode="fourier"), torch.zeros_like(above)[:, ::factor, ::factor]
    )


@pytest.mark.parametrize("mode", [*UPSAMPLE, *DOWNSAMPLE])
def test_channels_last_stays(mode: str) -> None:
    f = upsample if mode in UPSAMPLE else downsample
    x = torch.randn(2, 5, 9, 8).contiguous(memory_format=torch.channels_last)
    for factor in (2, 3):
        out = f(x, factor, mode=mode)
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(out, f(x.contiguous(), factor, mode=mode))


@pytest.mark.parametrize("boundary", ["zeros", "reflect", "replicate", "circular"])
def test_outer_products_are_recognised(boundary: str) -> None:
    """An outer product takes one pass along each axis; bent by 1e-9 it takes all taps at once, and both agree."""
    x = torch.randn(2, 3, 12, 40, dtype=torch.float64)
    rows, columns = torch.randn(4, dtype=torch.float64), torch.randn(12, dtype=torch.float64)
    for f in (torch.outer(rows, columns), torch.outer(rows - rows.mean(), columns - columns.mean())):
        bent = f.clone()
        bent[1, 3] *= 1 + 1e-9
        for up, down in ((1, 1), (2, 1), (1, 2), (3, 2)):
            whole = upfirdn2d(x, bent, up=up, down=down, padding=5, boundary=boundary)
            parts = upfirdn2d(x, f, up=up, down=down, padding=5, boundary=boundary)
            torch.testing.assert_close(parts, whole, rtol=1e-7, atol=1e-7)
            with backends.use("reference"):
                expected = upfirdn2d(x, f, up=up, down=down, padding=5, boundary=boundary)
            torch.testing.assert_close(parts, expected, rtol=1e-12, atol=1e-12)


def test_one_plane_of_a_batch_and_any_threads_give_the_same_bits() -> None:
    x = torch.randn(3, 5, 37, 70)
    for mode in ("bilinear", "binomial", "sinc"):
        whole = upsample(x, mode=mode)
        assert torch.equal(upsample(x[1, 2], mode=mode), whole[1, 2])
        torch.set_num_threads(3)
        assert torch.equal(upsample(x, mode=mode), whole)


@pytest.mark.parametrize("width", [256, 255])
def test_large_outputs_have_the_bits_of_small_ones(width: int) -> None:
    """They are written past the caches where their rows are whole cache lines."""
    x = torch.randn(17, 256, width)
    for mode in ("zeros", "bilinear"):
        whole = upsample(x, mode=mode)
        assert whole.nbytes > 2**24
        assert torch.equal(whole, torch.stack([upsample(plane, mode=mode) for plane in x]))
    wide = torch.randn(2, 1024, 1056, dtype=torch.float64)
    whole = downsample(wide, 1, mode="blur", taps=4)
    assert torch.equal(whole, torch.stack([downsample(plane, 1, mode="blur", taps=4) for plane in wide]))


@pytest.mark.skipif(backends.no_extension() is not None, reason=str(backends.no_extension()))
@pytest.mark.parametrize("boundary", ["zeros", "reflect", "replicate", "circular"])
def test_every_width_around_a_vector(boundary: str) -> None:
    """Short outer products of every phase, forward and transposed, also where padding shifts or crops."""
    for width in (*range(15, 20), 31, 32, 33, 63, 64, 65, 79):
        x = torch.randn(1, 9, width, dtype=torch.float64).requires_grad_()
        for n, up, down, padding in ((4, 2, 1, (2, 1)), (5, 2, 1, (1, 3)), (12, 1, 2, (5, 6)), (3, 1, 1, (-2, 1))):
            f = torch.randn(n, dtype=torch.float64)
            results = []
            for backend in ("cpp", "reference"):
                with backends.use(backend):
                    y = upfirdn2d(x, f, up=up, down=down, padding=(*padding, *padding), boundary=boundary)
                    results.append((y, *torch.autograd.grad((y * y.detach().cos()).sum(), x)))
            for ours, expected in zip(*results, strict=True):
                torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("running", ["cpp", "cuda", "triton", None])
def test_both_passes_in_one_where_kernels_run(running: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "why_not", lambda backend, op, device: None if backend == running else "not here")
    assert _sampling._has_kernels.__wrapped__("cuda") == (running is not None)
