"""Cross spectra, full-plane spectra, leakage and profiles; the other conventions against their published codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from wrong_use import Wrong, refused

import specops

GREY = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]
GREY_SSD = torch.tensor([0.2989, 0.587, 0.114], dtype=torch.float64)[:, None, None]


def relative_error(value: Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(value.double().numpy() - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("side", [32, 64])
def test_conventions_equal_their_published_codes(side: int, dtype: torch.dtype, fixes: dict[str, np.ndarray]) -> None:
    """Those compute in float32, which bounds the agreement."""
    x = torch.from_numpy(fixes[f"prof_{side}_x"]).to(dtype)
    grey, grey_ssd = (x * GREY.to(dtype)).sum(1), (x * GREY_SSD.to(dtype)).sum(1)
    power = specops.radial_spectrum(grey, convention="durall2020")
    assert relative_error(power, fixes[f"prof_{side}_durall2020_power"]) <= (2e-7 if dtype == torch.float64 else 1e-6)
    log = 10 * specops.radial_spectrum(grey, convention="durall2020", scale="log", eps=0)
    assert relative_error(log, fixes[f"prof_{side}_durall2020_20ln"]) <= 1e-6
    jung = specops.normalize_profile(specops.radial_spectrum(grey, convention="jung2021", scale="log"), mode="minmax")
    weak = (
        side == 64 and dtype == torch.float32
    )  # its minimum is a weak coefficient: scipy in float32 is 2.3e-6 off too
    assert relative_error(jung, fixes[f"prof_{side}_jung2021"]) <= (3e-6 if weak else 1e-6)
    ssd = specops.normalize_profile(
        specops.radial_spectrum(grey_ssd, convention="ssd2021", scale="log", eps=0), mode="minmax"
    )
    assert relative_error(ssd, fixes[f"prof_{side}_ssd2021"]) <= 1e-6


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan], ids=str)
@pytest.mark.parametrize("size", [(8, 6), (7, 7), (64, 64), (97, 97)], ids=str)
def test_inf_and_nan_spread_as_in_the_reference(size: tuple[int, int], value: float) -> None:
    x = torch.rand(3, *size)
    x[1, size[0] // 2, 2] = value
    y = x.flip(-1)
    found = {}
    for backend in ("reference", "cpp"):
        with specops.backends.use(backend):
            found[backend] = specops.radial_spectrum(x), specops.radial_cross_spectrum(x, y), specops.power_spectrum(x)
    for here, expected in zip(found["cpp"], found["reference"], strict=True):
        assert torch.equal(here.isnan(), expected.isnan())
        assert torch.equal(here.isinf(), expected.isinf())
        assert here[[0, 2]].isfinite().all()


def test_export_with_any_size() -> None:
    class Profile(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return specops.radial_spectrum(x, convention="durall2020", scale="log")

    H, W = (torch.export.Dim(name, min=4, max=64) for name in "HW")
    program = torch.export.export(Profile(), (torch.rand(2, 8, 6),), dynamic_shapes=({1: H, 2: W},))
    x = torch.rand(2, 33, 20)
    torch.testing.assert_close(program.module()(x), Profile()(x))


def full_plane_profile(x: Tensor, convention: str) -> Tensor:
    """The table of conventions, coefficient by coefficient on the full plane."""
    H, W = x.shape
    power = torch.fft.fft2(x).abs().square()
    sums: dict[int, list[float]] = {}
    for row in range(H):
        for column in range(W):
            ky, kx = (i if 2 * i <= n else i - n for i, n in ((row, H), (column, W)))
            k = np.hypot(ky * max(H, W) / H, kx * max(H, W) / W)
            position = {"rapsd": float(np.round(k))}.get(convention, k)
            if convention == "durall2020":
                i, j = (row + H // 2) % H, (column + W // 2) % W
                position = np.hypot(i - (H - 1) / 2, j - (W - 1) / 2)
            copies = 1
            if convention == "schwarz2021":
                copies = (1 + (2 * abs(ky) == H)) * (1 + (2 * abs(kx) == W))
            if convention == "jung2021" and 2 * column > W:
                copies = 0
            sums.setdefault(int(position), []).extend([float(power[row, column])] * copies)
    means = [np.mean(sums[i]) for i in range(max(sums) + 1)]
    if convention == "rapsd":
        means = means[: min(H, W) // 2 + 1]
    first, last = {"durall2020": (1, 1), "ssd2021": (1, 2)}.get(convention, (0, 0))
    return torch.tensor(means[first : len(means) - last], dtype=torch.float64)


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (12, 10), (7, 16), (5, 8)], ids=str)
@pytest.mark.parametrize("convention", specops.geometry.CONVENTIONS)
def test_conventions_follow_their_table(convention: str, size: tuple[int, int]) -> None:
    x = torch.randn(size, dtype=torch.float64)
    torch.testing.assert_close(specops.radial_spectrum(x, convention=convention), full_plane_profile(x, convention))


def test_rapsd_bins_are_centred_on_integers() -> None:
    assert specops.geometry.radial_bins((8, 8), convention="rapsd").centers.tolist() == [0, 1, 2, 3, 4]


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(["backward", "ortho", "forward"]), st.booleans())
def test_power_spectrum_is_that_of_fft2(H: int, W: int, norm: str, shift: bool) -> None:
    x = torch.randn(2, H, W, dtype=torch.float64)
    expected = torch.fft.fft2(x, norm=norm).abs().square()
    expected = torch.fft.fftshift(expected, dim=(-2, -1)) if shift else expected
    torch.testing.assert_close(specops.power_spectrum(x, norm=norm, shift=shift), expected)


@pytest.mark.parametrize("convention", specops.geometry.CONVENTIONS)
def test_cross_spectrum_polarises_the_power(convention: str) -> None:
    """4 Re(conj(X) Y) = |X + Y|² - |X - Y|²."""
    x, y = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    plus, minus = (specops.radial_spectrum(z, convention=convention) for z in (x + y, x - y))
    torch.testing.assert_close(4 * specops.radial_cross_spectrum(x, y, convention=convention), plus - minus)
    windowed = specops.radial_cross_spectrum(x, x, window="hann", norm="ortho")
    torch.testing.assert_close(windowed, specops.radial_spectrum(x, window="hann", norm="ortho"))


def test_derivatives_in_a_window() -> None:
    x, y, window = (torch.randn(*shape, 4, 5, dtype=torch.float64, requires_grad=True) for shape in ((2,), (2,), ()))

    def spectra(x: Tensor, y: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        return specops.radial_spectrum(x, window=window), specops.radial_cross_spectrum(x, y, window=window)

    torch.autograd.gradcheck(spectra, (x, y, window))
    torch.autograd.gradgradcheck(spectra, (x, y, window))


def test_ring_correlation() -> None:
    x, y = torch.randn(2, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(specops.fourier_ring_correlation(x, -2 * x), -torch.ones(6, dtype=torch.float64))
    both = specops.fourier_ring_correlation(x, y)
    torch.testing.assert_close(both, specops.fourier_ring_correlation(y, x))
    assert (both.abs() <= 1).all()
    assert specops.fourier_ring_correlation(x, torch.zeros_like(x)).eq(0).all()
    assert specops.fourier_ring_correlation(torch.full_like(x, np.nan), torch.zeros_like(x)).isnan().all()


@pytest.mark.parametrize("scale", [1e-15, 1e12])
def test_ring_correlation_has_no_scale(scale: float) -> None:
    x, y = torch.randn(2, 64, 64)
    expected = specops.fourier_ring_correlation(x, y)
    torch.testing.assert_close(specops.fourier_ring_correlation(scale * x, y / scale), expected, rtol=1e-4, atol=1e-5)


def test_leakage_is_zero_for_one_spectrum_and_one_for_disjoint_ones() -> None:
    power = torch.rand(4, 5)
    assert specops.leakage_ratio(power, 7 * power) < 1e-6
    left, right = torch.zeros(4, 4), torch.zeros(4, 4)
    left[:, 0], right[:, 1] = 3, 5
    assert specops.leakage_ratio(left, right) == 1


def test_normalized_profiles() -> None:
    p = torch.rand(3, 2, 9) + 0.1
    scaled = specops.normalize_profile(p, mode="minmax")
    assert scaled.amin(-1).eq(0).all()
    assert scaled.amax(-1).eq(1).all()
    assert specops.normalize_profile(torch.ones(2, 4), mode="minmax").eq(0).all()
    torch.testing.assert_close(specops.normalize_profile(p, mode="dc") * p[..., :1], p)
    assert specops.normalize_profile(p.half(), mode="dc").dtype == torch.float32


X = torch.randn(2, 8, 8)
WRONG: list[Wrong] = [
    (
        lambda: specops.radial_cross_spectrum(X, X[:1]),
        ValueError,
        r"x and y must have one shape .* \[2, 8, 8\] torch.float32 on cpu",
    ),
    (lambda: specops.fourier_ring_correlation(X, X[0]), ValueError, "x and y must have one shape and device"),
    (lambda: specops.radial_cross_spectrum(X, X, norm="x"), ValueError, "norm must be one of"),
    (lambda: specops.fourier_ring_correlation(X, X, convention="x"), ValueError, "convention must be one of"),
    (lambda: specops.radial_spectrum(X, scale="log", eps=-1), ValueError, "eps must be at least 0"),
    (lambda: specops.radial_spectrum(X, eps="a"), TypeError, "eps must be a number; got str"),
    (lambda: specops.radial_spectrum(X, window=torch.ones(8, 8).to_sparse()), TypeError, "window must be a dense"),
    (lambda: specops.radial_spectrum(X, eps=float("inf")), ValueError, "eps must be at least 0 and finite; got inf"),
    (lambda: specops.normalize_profile(torch.ones(3).to_sparse(), mode="dc"), TypeError, "p must be a dense tensor"),
    (lambda: specops.radial_spectrum(X, window=X.numpy()), ValueError, "window must be None, 'hann' or a tensor"),
    (lambda: specops.radial_spectrum(X, window=torch.ones(8, 8) * 1j), TypeError, "window must be a real"),
    (lambda: specops.radial_spectrum(X, convention=[]), ValueError, "convention must be one of"),
    (lambda: specops.radial_spectrum(X.to_sparse()), TypeError, "x must be a dense tensor"),
    (lambda: specops.power_spectrum(X, norm="x"), ValueError, "norm must be one of"),
    (lambda: specops.power_spectrum(X.to(torch.complex64)), TypeError, "x must be real"),
    (lambda: specops.leakage_ratio(X, X), ValueError, "must be two mean spectra .* Average over images first"),
    (lambda: specops.leakage_ratio(X[0], X[0, :4]), ValueError, "must be two mean spectra"),
    (lambda: specops.normalize_profile(X.int(), mode="dc"), TypeError, "p must be a real floating-point tensor"),
    (lambda: specops.normalize_profile(torch.tensor(1.0), mode="dc"), ValueError, r"p must be \[\.\.\., K\]"),
    (lambda: specops.normalize_profile(X, mode="max"), ValueError, "mode must be one of minmax, dc"),
    (
        lambda: specops.radial_spectrum(X[..., :2, :2], convention="ssd2021"),
        ValueError,
        "too small for this convention",
    ),
]

test_wrong_arguments = refused(WRONG)
