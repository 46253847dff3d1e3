"""Filters, shifts and swaps: identities, published values, derivatives in the gains, and wrong use."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from wrong_use import Wrong, refused

import specops
from specops import masks

sides = st.integers(1, 20)


@given(sides, sides)
def test_a_mask_of_ones_is_the_identity_and_low_plus_high_too(H: int, W: int) -> None:
    x = torch.randn(2, H, W, dtype=torch.float64)
    torch.testing.assert_close(specops.frequency_filter(x, torch.ones(H, W // 2 + 1)), x)
    low, high = (mask((H, W), 3.0, kind="gaussian", dtype=torch.float64) for mask in (masks.lowpass, masks.highpass))
    torch.testing.assert_close(specops.frequency_filter(x, low) + specops.frequency_filter(x, high), x)


@given(sides, sides)
def test_any_full_mask_acts_as_the_real_part_of_the_transform(H: int, W: int) -> None:
    x, mask = torch.randn(3, H, W, dtype=torch.float64), torch.randn(H, W, dtype=torch.float64)
    expected = torch.fft.ifft2(torch.fft.fft2(x) * mask).real
    if W > 2:  # below, [H, W] is also the half plane
        torch.testing.assert_close(specops.frequency_filter(x, mask), expected)


@given(sides, sides)
def test_any_half_mask_acts_as_in_irfft2(H: int, W: int) -> None:
    x, mask = torch.randn(3, H, W, dtype=torch.float64), torch.randn(H, W // 2 + 1, dtype=torch.float64)
    expected = torch.fft.irfft2(torch.fft.rfft2(x) * mask, s=(H, W))
    torch.testing.assert_close(specops.frequency_filter(x, mask), expected)


@pytest.mark.parametrize("full", [False, True], ids=["half", "full"])
def test_derivatives_in_the_mask(full: bool) -> None:
    x = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.randn(4, 5 if full else 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(specops.frequency_filter, (x, mask))
    torch.autograd.gradgradcheck(specops.frequency_filter, (x, mask))


@pytest.mark.parametrize("convention", specops.geometry.CONVENTIONS)
@pytest.mark.parametrize("per_image", [False, True], ids=["shared", "per image"])
def test_derivatives_in_the_profile(convention: str, per_image: bool) -> None:
    n_bins = specops.geometry.radial_bins((8, 7), convention=convention).n_bins
    x = torch.randn(2, 8, 7, dtype=torch.float64, requires_grad=True)
    profile = torch.randn(*((2,) if per_image else ()), n_bins, dtype=torch.float64, requires_grad=True)
    for interpolation in ("nearest", "linear"):

        def filtered(x: Tensor, profile: Tensor, interpolation: str = interpolation) -> Tensor:
            return specops.radial_filter(x, profile, convention=convention, interpolation=interpolation)

        torch.autograd.gradcheck(filtered, (x, profile), fast_mode=True)
        torch.autograd.gradgradcheck(filtered, (x, profile), fast_mode=True)


@pytest.mark.parametrize("convention", ["schwarz2021", "plain", "jung2021"])
@pytest.mark.parametrize("size", [(8, 8), (9, 6), (5, 7)], ids=str)
def test_a_profile_scales_each_ring(convention: str, size: tuple[int, int]) -> None:
    """Where every coefficient is in a bin, the spectrum of the filtered image is gain² times that of the image."""
    x = torch.randn(3, *size, dtype=torch.float64)
    gain = torch.rand(specops.geometry.radial_bins(size, convention=convention).n_bins, dtype=torch.float64)
    before, after = (
        specops.radial_spectrum(image, convention=convention)
        for image in (x, specops.radial_filter(x, gain, convention=convention))
    )
    torch.testing.assert_close(after, gain**2 * before)


def test_durall2020_gives_each_conjugate_pair_the_mean_of_its_two_bins() -> None:
    H = W = 8
    distance = torch.hypot(torch.arange(8.0)[:, None] - 3.5, torch.arange(8.0) - 3.5).double()
    bins = distance.floor().long() - 1
    n_bins = specops.geometry.radial_bins((H, W), convention="durall2020").n_bins
    profile = torch.rand(n_bins, dtype=torch.float64)
    gain = torch.where((bins >= 0) & (bins < n_bins), profile[bins.clamp(0, n_bins - 1)], 0)
    x = torch.randn(2, H, W, dtype=torch.float64)
    expected = torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.ifftshift(gain)).real
    torch.testing.assert_close(specops.radial_filter(x, profile, convention="durall2020"), expected)


@pytest.mark.parametrize("convention", specops.geometry.CONVENTIONS)
def test_linear_interpolation_of_a_line_is_the_line(convention: str) -> None:
    """Gains a + b·k at the bins' centers give a + b·k at every k between the first and the last center."""
    size = (12, 12)
    bins = specops.geometry.radial_bins(size, convention=convention)
    x = torch.randn(*size, dtype=torch.float64)
    k = specops.geometry.radii(*size, torch.device("cpu")).clamp(bins.centers[0], bins.centers[-1])
    filtered = specops.radial_filter(x, 2 + 3 * bins.centers, convention=convention, interpolation="linear")
    torch.testing.assert_close(filtered, specops.frequency_filter(x, 2 + 3 * k))


def test_a_shift_moves_the_spectrum() -> None:
    x, imag = torch.randn(2, 8, 6, dtype=torch.float64), torch.randn(2, 8, 6, dtype=torch.float64)
    real, imaginary = specops.frequency_shift_complex(x, imag, (2 / 6, -3 / 8))
    shifted = torch.fft.fft2(torch.complex(real, imaginary))
    torch.testing.assert_close(shifted, torch.fft.fft2(torch.complex(x, imag)).roll((-3, 2), (-2, -1)))
    assert torch.equal(specops.frequency_shift(x, (2 / 6, -3 / 8), imag=imag), real)


def test_half_a_cycle_is_an_exact_checkerboard() -> None:
    x = torch.randn(5, 7)
    signs = 1 - 2 * ((torch.arange(5)[:, None] + torch.arange(7)) % 2)
    assert torch.equal(specops.frequency_shift(x, (0.5, 0.5)), x * signs)
    assert torch.equal(specops.frequency_shift(specops.frequency_shift(x, (0.5, 0.5)), (0.5, 0.5)), x)


@pytest.mark.parametrize("backend", ["reference", "cpp"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 2e-7)], ids=["float32", "float64"])
def test_hfc_and_hff_equal_the_published_code(
    dtype: torch.dtype, bound: float, backend: str, fixes: dict[str, np.ndarray]
) -> None:
    """Outputs and gradients. The published code returns float32, which bounds the agreement in float64."""
    real, fake = (
        torch.from_numpy(fixes[f"hfc_a_{name}"]).to(dtype, copy=True).requires_grad_() for name in ("real", "fake")
    )
    cotangent, radius = torch.from_numpy(fixes["hfc_a_w"]).to(dtype), float(fixes["hfc_a_R"])
    with specops.backends.use(backend):
        real_out, fake_out = specops.hfc(real, fake, radius)
        filtered = specops.hff(fake, radius)
        gradients = torch.autograd.grad(fake_out, (real, fake), cotangent)
        (filter_gradient,) = torch.autograd.grad(filtered, fake, cotangent)
    for value, name in (
        (real_out, "real_out"),
        (fake_out, "fake_out"),
        (gradients[0], "grad_real"),
        (gradients[1], "grad_fake"),
        (filtered, "hff"),
        (filter_gradient, "grad_hff"),
    ):
        expected = fixes[f"hfc_a_{name}"]
        assert np.linalg.norm(value.detach().double().numpy() - expected) <= bound * np.linalg.norm(expected), name


@pytest.mark.parametrize("kind", masks.KINDS)
def test_hfc_and_hff_follow_their_formulas(kind: str) -> None:
    real, fake = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    low, high = -0.5, 1.5
    units = [(x - low) / (high - low) for x in (real, fake)]
    mask = masks.lowpass((9, 8), 2.5, kind=kind, dtype=torch.float64)
    X, Y = (torch.fft.rfft2(x) for x in units)
    inner = {
        "real": units[0],
        "confused": torch.fft.irfft2(mask * Y + (1 - mask) * X, s=(9, 8)),
        "filtered": torch.fft.irfft2(mask * Y, s=(9, 8)),
    }
    expected = [low + (high - low) * u.abs().clamp(0, 1) for u in inner.values()]
    confused = specops.hfc(real, fake, 2.5, kind=kind, value_range=(low, high))
    filtered = specops.hff(fake, 2.5, kind=kind, value_range=(low, high))
    torch.testing.assert_close([*confused, filtered], expected)


class OpCounter(TorchDispatchMode):
    """Counts the calls of this library's ops, and of transforms outside them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        if name.startswith("specops::") or "fft" in name:
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))


FUSED: dict[str, tuple[Callable[[Tensor, Tensor], Any], str, str]] = {
    "hfc": (lambda a, b: specops.hfc(a, b, 3)[1], "clipped_band_swap", "binned_filter"),
    "hfc of a constant": (lambda a, b: specops.hfc(b.detach(), a, 3)[1], "clipped_band_swap", "binned_sloped_filter"),
    "hff": (lambda a, b: specops.hff(a, 3), "clipped_filter", "binned_sloped_filter"),
    "swap_bands": (lambda a, b: specops.swap_bands(a, b, torch.ones(8, 5)), "binned_filter", "binned_filter"),
}


@pytest.mark.parametrize(("swap", "op", "backward_op"), FUSED.values(), ids=FUSED.keys())
def test_one_transform_and_one_inverse(
    swap: Callable[[Tensor, Tensor], Tensor], op: str, backward_op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One op forward, one filter backward; in the reference, one transform each way."""
    a, b = torch.rand(2, 3, 8, 8, requires_grad=True)
    with OpCounter() as forward:
        out = swap(a, b)
    assert forward.calls == {f"specops::{op}": 1}
    with OpCounter() as backward:
        torch.autograd.grad(out.sum(), (a, b), allow_unused=True)
    assert backward.calls == {f"specops::{backward_op}": 1}
    transforms = {name: mock.Mock(wraps=getattr(torch.fft, name)) for name in ("rfft2", "irfft2")}
    for name, transform in transforms.items():
        monkeypatch.setattr(torch.fft, name, transform)
    with specops.backends.use("reference"):
        swap(a, b)
    assert [transform.call_count for transform in transforms.values()] == [1, 1]


def test_a_swap_with_itself_is_the_identity() -> None:
    x = torch.rand(3, 9, 8, dtype=torch.float64) * 2 - 1
    mask = masks.lowpass((9, 8), 3)
    torch.testing.assert_close(specops.swap_bands(x, x, mask), x)
    torch.testing.assert_close(specops.hfc(x, x, 3)[1], x)
    torch.testing.assert_close(specops.hff(x, 100), x)


def test_a_swap_takes_each_band_from_its_image() -> None:
    a, b = torch.randn(2, 10, 10, dtype=torch.float64)
    mask = masks.lowpass((10, 10), 3, dtype=torch.float64)
    swapped = specops.swap_bands(a, b, mask)
    torch.testing.assert_close(specops.frequency_filter(swapped, mask), specops.frequency_filter(a, mask))
    torch.testing.assert_close(specops.frequency_filter(swapped, 1 - mask), specops.frequency_filter(b, 1 - mask))


def test_value_range_is_only_a_change_of_units() -> None:
    real, fake = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    unit = specops.hfc(real, fake, 2, value_range=(0, 1))
    bytes_ = specops.hfc(real * 255, fake * 255, 2, value_range=(0, 255))
    torch.testing.assert_close([image / 255 for image in bytes_], list(unit))


X, Y = torch.randn(2, 3, 8, 8)
WRONG: list[Wrong] = [
    (
        lambda: specops.frequency_filter(X, torch.ones(8, 4)),
        ValueError,
        r"mask must be \[8, 5\] or \[8, 8\] for x \[3, 8, 8\]",
    ),
    (
        lambda: specops.frequency_filter(X, torch.ones(8, 5).bool()),
        TypeError,
        "mask must be a real floating-point tensor",
    ),
    (lambda: specops.frequency_filter(X, torch.ones(8, 5).to_sparse()), TypeError, r"dense .* Use mask\.to_dense\(\)"),
    (lambda: specops.swap_bands(X, Y, torch.ones(8, 5).to_sparse()), TypeError, "mask must be a dense tensor"),
    (lambda: specops.radial_filter(X, torch.ones(6).to_sparse()), TypeError, "profile must be a dense tensor"),
    (lambda: specops.frequency_filter(X, torch.ones(8, 5, device="meta")), ValueError, "mask must be on cpu like x"),
    (lambda: specops.radial_filter(X, torch.ones(7)), ValueError, r"profile must be \[6\] or \[3, 6\]"),
    (
        lambda: specops.radial_filter(X, torch.ones(6), interpolation="cubic"),
        ValueError,
        "interpolation must be one of",
    ),
    (lambda: specops.radial_filter(X, torch.ones(6), convention="x"), ValueError, "convention must be one of"),
    (lambda: specops.radial_filter(X, [1.0] * 6), TypeError, "profile must be a real floating-point tensor; got list"),
    (lambda: specops.frequency_shift(X, 0.5), TypeError, r"shift must be a pair \(fx, fy\)"),
    (lambda: specops.frequency_shift(X, (0.5, 0), imag=Y[:2]), ValueError, "x and imag must have one shape"),
    (lambda: specops.frequency_shift_complex(X, Y[0], (0.5, 0)), ValueError, "real and imag must have one shape"),
    (lambda: specops.hff(X, 0), ValueError, "radius must be above 0; got 0"),
    (lambda: specops.hff(X, 2, kind=["ideal"]), ValueError, "kind must be one of ideal"),
    (lambda: specops.hff(X, 2, kind="box"), ValueError, "kind must be one of"),
    (lambda: specops.hff(X, 2, value_range=(1, 1)), ValueError, r"value_range must be \(lo, hi\) with lo < hi"),
    (lambda: specops.frequency_shift(X, (math.nan, 0)), ValueError, "pair .* of finite numbers"),
    (lambda: specops.hff(X, 2, value_range=(0, math.inf)), ValueError, "pair .* of finite numbers"),
    (lambda: specops.hff(X, 2, value_range=1), TypeError, "value_range must be a pair"),
    (lambda: specops.hff(X), ValueError, "either radius in cycles per image or cutoff in cycles per pixel"),
    (lambda: specops.hff(X, 2, cutoff=0.25), ValueError, "either radius .* got both"),
    (lambda: specops.hfc(X, Y, cutoff=0), ValueError, "cutoff must be above 0; got 0"),
    (lambda: specops.hfc(X, Y, cutoff="0.2"), TypeError, "cutoff must be a number or a tensor; got str"),
    (lambda: specops.hfc(X, Y[:2], 2), ValueError, "real and fake must have one shape and device"),
    (lambda: specops.swap_bands(X, Y, torch.ones(3, 3)), ValueError, "mask must be"),
]

test_wrong_arguments = refused(WRONG)
