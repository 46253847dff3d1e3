"""Every half plane that a filter hands to an inverse real transform is Hermitian in ky where kx = 0 or W/2."""

from __future__ import annotations

import pytest
import torch
from inverse_transforms import check_hermitian, recorded
from tolerances import assert_near, tolerance

import specops
from specops import backends, ops

AROUND_FFT = [(1030, 4), (1031, 3)]  # sizes that no engine serves: the way around torch.fft, in C++ too

on_each_backend = pytest.mark.parametrize("backend", ["reference", "cpp"])
each_size = pytest.mark.parametrize("size", AROUND_FFT, ids=lambda size: f"{size[0]}x{size[1]}")


@on_each_backend
@each_size
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_half_planes_are_hermitian(backend: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    with backends.use(backend):
        check_hermitian(ops, size, dtype)


@on_each_backend
@each_size
def test_a_mask_that_is_not_even_acts_by_its_even_part(backend: str, size: tuple[int, int]) -> None:
    x, mask = torch.randn(2, *size), torch.rand(size[0], size[1] // 2 + 1)
    kx = torch.arange(mask.shape[1])
    alone = (kx == 0) | (2 * kx == size[1])
    even = torch.where(alone, (mask + mask.flip(0).roll(1, 0)) / 2, mask)
    with backends.use(backend), recorded() as calls:
        out = specops.frequency_filter(x, mask)
    assert calls
    full = torch.fft.irfft2(torch.fft.rfft2(x.double()) * even, s=size)
    assert_near(out, full, tolerance(torch.float32, torch.float32, size))


@pytest.mark.parametrize("size", [(256, 256), (512, 512), (1024, 1024), (1000, 1024)], ids=str)
def test_gradient_of_bins_that_are_not_even(size: tuple[int, int]) -> None:
    """`durall2020` puts ky and -ky into different bins; with a transform that believes one of them, as on a GPU."""
    x = torch.randn(1, *size, requires_grad=True)
    profile = specops.radial_spectrum(x, convention="durall2020", norm="ortho")
    cotangent = torch.randn(profile.shape)
    with backends.use("reference"), recorded() as calls:
        (gradient,) = torch.autograd.grad(profile, x, cotangent)
    assert calls
    exact = x.detach().double().requires_grad_()
    profile = specops.radial_spectrum(exact, convention="durall2020", norm="ortho")
    (expected,) = torch.autograd.grad(profile, exact, cotangent.double())
    assert_near(gradient, expected, tolerance(torch.float32, torch.float32, size))
