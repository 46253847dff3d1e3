"""Losses: published values, properties, derivatives, and every way of wrong use."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from wrong_use import Wrong, refused

import specops
from specops.losses import (
    FocalFrequencyLoss,
    LogSpectrumMSE,
    SpectralProfileLoss,
    SpectralRegularization,
    focal_frequency_loss,
    log_spectrum_mse,
    spectral_profile_loss,
    spectral_regularization,
    spectral_regularization_detached,
)

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "log_spectrum_mse": log_spectrum_mse,
    "spectral_regularization": spectral_regularization,
    "spectral_profile_loss": spectral_profile_loss,
    "focal_frequency_loss": focal_frequency_loss,
    "focal_frequency_loss-options": lambda a, b: focal_frequency_loss(
        a, b, loss_weight=0.5, alpha=1.5, patch_factor=2, ave_spectrum=True, log_matrix=True, batch_matrix=True
    ),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
both_dtypes = pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-10)], ids=["float32", "float64"]
)


def relative(value: Tensor, expected: Any) -> float:
    expected = np.asarray(expected)
    return float(np.linalg.norm(value.detach().double().numpy() - expected) / np.linalg.norm(expected))


def minmax(profiles: np.ndarray) -> np.ndarray:
    low, high = profiles.min(-1, keepdims=True), profiles.max(-1, keepdims=True)
    return (profiles - low) / (high - low)


@both_dtypes
def test_focal_frequency_loss_equals_the_published_code(
    dtype: torch.dtype, bound: float, fixes: dict[str, np.ndarray]
) -> None:
    pred = torch.from_numpy(fixes["ffl_pred"]).to(dtype, copy=True).requires_grad_()
    value = focal_frequency_loss(pred, torch.from_numpy(fixes["ffl_target"]).to(dtype))
    assert relative(value, fixes["ffl_default"]) <= bound
    assert relative(torch.autograd.grad(value, pred)[0], fixes["ffl_default_grad"]) <= bound


@pytest.mark.parametrize("side", [32, 64])
def test_profile_losses_equal_the_published_profiles(side: int, fixes: dict[str, np.ndarray]) -> None:
    """One image each side: the published profiles, and the losses from them by their definitions."""
    x = torch.from_numpy(fixes[f"prof_{side}_x"]).double()
    fake, real = fixes[f"prof_{side}_jung2021"]
    assert relative(spectral_profile_loss(x[:1], x[1:]), np.abs(fake - real).mean()) <= 1e-6
    grey = sum(weight * x[:, channel] for channel, weight in enumerate((0.299, 0.587, 0.114)))
    assert isinstance(grey, Tensor)
    fake, real = minmax(fixes[f"prof_{side}_durall2020_20ln"])
    with np.errstate(divide="ignore"):
        expected = -(real * np.log(fake).clip(-100) + (1 - real) * np.log(1 - fake).clip(-100)).mean()
        exchanged = -(fake * np.log(real).clip(-100) + (1 - fake) * np.log(1 - real).clip(-100)).mean()
    assert relative(spectral_regularization(grey[:1, None], grey[1:, None]), expected) <= 1e-6
    assert relative(spectral_regularization_detached(grey[:1, None], grey[1:, None]), exchanged) <= 1e-6


def test_log_spectrum_mse_is_its_definition() -> None:
    fake, real = torch.randn(2, 5, 3, 12, 10, dtype=torch.float64)
    logs = [specops.radial_spectrum(x).mean(1).log1p() for x in (fake, real)]
    torch.testing.assert_close(log_spectrum_mse(fake, real), F.mse_loss(*logs))
    logs = [specops.radial_spectrum(x, convention="plain", norm="ortho").mean(1).log1p() for x in (fake, real)]
    torch.testing.assert_close(log_spectrum_mse(fake, real, convention="plain", norm="ortho"), F.mse_loss(*logs))


def test_spectral_regularization_is_torchs_cross_entropy() -> None:
    def profiles(x: Tensor) -> Tensor:
        grey = 0.2989 * x[:, 0] + 0.5870 * x[:, 1] + 0.1140 * x[:, 2]
        decibels = specops.radial_spectrum(grey, convention="durall2020", scale="db")
        return specops.normalize_profile(decibels, mode="minmax")

    fake, real = torch.randn(4, 3, 16, 16, dtype=torch.float64), torch.randn(6, 3, 16, 16, dtype=torch.float64)
    of_fake, of_real = profiles(fake), profiles(real).mean(0).expand(4, -1)
    torch.testing.assert_close(spectral_regularization(fake, real), F.binary_cross_entropy(of_fake, of_real))
    torch.testing.assert_close(spectral_regularization_detached(fake, real), F.binary_cross_entropy(of_real, of_fake))


def test_spectral_profile_loss_compares_means() -> None:
    """It sees which profiles are there, not how they are paired or how many there are."""
    fake, real = torch.randn(2, 4, 3, 16, 16, dtype=torch.float64)
    value = spectral_profile_loss(fake, real)
    torch.testing.assert_close(spectral_profile_loss(fake, real.flip(0)), value)
    torch.testing.assert_close(spectral_profile_loss(fake, real.repeat(2, 1, 1, 1)), value)
    assert 0 < float(value) < 1


def test_only_the_detached_form_is_without_gradient() -> None:
    fake, real = torch.randn(2, 4, 3, 16, 16, requires_grad=True)
    assert not spectral_regularization_detached(fake, real).requires_grad
    (gradient,) = torch.autograd.grad(spectral_regularization(fake, real), fake)
    assert gradient.isfinite().all()
    assert (gradient.abs().amax((1, 2, 3)) > 0).all()


def test_spectral_regularization_leads_to_the_real_profile() -> None:
    """Steps along its gradient bring the profiles of smooth images to that of white noise, but for their 0 and 1."""

    def profiles(x: Tensor) -> Tensor:
        return specops.normalize_profile(
            specops.radial_spectrum(x[:, 0], convention="durall2020", scale="log"), mode="minmax"
        )

    def distance(x: Tensor) -> Tensor:
        inside = (profiles(x) > 0) & (profiles(x) < 1)
        return (profiles(x) - profiles(real).mean(0)).abs()[inside].mean()

    real = torch.randn(32, 1, 16, 16)
    fake = (torch.randn(4, 1, 16, 16).cumsum(-1).cumsum(-2) / 10).requires_grad_()
    optimizer = torch.optim.Adam([fake], lr=0.05)
    before = distance(fake)
    for _ in range(30):
        optimizer.zero_grad()
        spectral_regularization(fake, real).backward()
        optimizer.step()
    assert distance(fake) < 0.7 * before


@pytest.mark.parametrize("loss", list(LOSSES.values())[:3], ids=list(LOSSES)[:3])
def test_derivatives(loss: Loss) -> None:
    """Those of the focal frequency loss are its authors': tests/peers/test_focal_frequency_loss.py."""
    pair = tuple(torch.randn(2, 3, 6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    torch.autograd.gradcheck(loss, pair, fast_mode=True)
    torch.autograd.gradgradcheck(loss, pair, fast_mode=True)


@pytest.mark.parametrize("shape", [(), (8, 8), (2, 1, 3, 8, 8), (1, 1, 1, 1, 1)], ids=str)
def test_focal_matrix(shape: tuple[int, ...]) -> None:
    """A matrix of ones gives the mean squared error (Parseval); any other weighs the full plane."""
    pred, target = torch.randn(2, 2, 3, 8, 8, dtype=torch.float64)
    ones = torch.ones(shape, dtype=torch.float64)
    torch.testing.assert_close(focal_frequency_loss(pred, target, ones), F.mse_loss(pred, target))
    matrix = torch.rand(shape, dtype=torch.float64)
    power = torch.fft.fft2(pred - target, norm="ortho").abs().square().unsqueeze(1)
    torch.testing.assert_close(focal_frequency_loss(pred, target, matrix, loss_weight=3), 3 * (matrix * power).mean())


def test_focal_loss_of_equal_images_is_zero() -> None:
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    for options in ({}, {"batch_matrix": True}, {"log_matrix": True}, {"alpha": 0.5}):
        value = focal_frequency_loss(x, x.detach(), **options)
        assert float(value.detach()) == 0
        assert (torch.autograd.grad(value, x)[0] == 0).all()


@pytest.mark.parametrize("shape", [(8, 6), (3, 8, 6), (2, 1, 8, 6), (2, 2, 3, 8, 6), (3, 7, 5)], ids=str)
def test_leading_dimensions(shape: tuple[int, ...]) -> None:
    fake, real = torch.randn(2, *shape)
    for loss in (log_spectrum_mse, spectral_regularization, spectral_profile_loss, focal_frequency_loss):
        assert loss(fake, real) > 0
    images = [x.reshape(-1, *x.shape[-3:]) if x.dim() > 2 else x[None, None] for x in (fake, real)]
    torch.testing.assert_close(focal_frequency_loss(fake, real), focal_frequency_loss(*images))


def test_compiles_whole_with_a_matrix() -> None:
    torch.compiler.reset()
    pred, target, matrix = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), torch.rand(8, 8)
    fast = torch.compile(focal_frequency_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(fast(pred, target, matrix), focal_frequency_loss(pred, target, matrix))


@each_loss
def test_no_images_have_no_loss(loss: Loss) -> None:
    fake, real = torch.randn(2, 0, 3, 8, 6)
    assert loss(fake, real).isnan()


def test_a_loss_waits_for_no_device() -> None:
    """On meta tensors any look at a value would raise."""
    fake, real = torch.randn(2, 2, 3, 8, 8, device="meta")
    for loss in LOSSES.values():
        assert loss(fake, real).shape == ()
    assert focal_frequency_loss(fake, real, torch.rand(8, 8, device="meta")).shape == ()


MODULES: dict[str, tuple[nn.Module, Loss]] = {
    "LogSpectrumMSE": (
        LogSpectrumMSE(convention="plain", norm="ortho"),
        lambda a, b: log_spectrum_mse(a, b, convention="plain", norm="ortho"),
    ),
    "SpectralRegularization": (SpectralRegularization(), spectral_regularization),
    "SpectralProfileLoss": (SpectralProfileLoss(), spectral_profile_loss),
    "FocalFrequencyLoss": (FocalFrequencyLoss(0.5, 1.5, 2, True, True, True), LOSSES["focal_frequency_loss-options"]),
}


@pytest.mark.parametrize(("module", "loss"), MODULES.values(), ids=MODULES.keys())
def test_modules_are_their_functions(module: nn.Module, loss: Loss) -> None:
    fake, real = torch.randn(2, 2, 3, 8, 8)
    assert torch.equal(module(fake, real), loss(fake, real))
    assert torch.equal(pickle.loads(pickle.dumps(module))(fake, real), loss(fake, real))
    assert module.state_dict() == {}
    assert repr(module).startswith(type(module).__name__ + "(")


def test_module_takes_a_matrix() -> None:
    pred, target, matrix = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), torch.rand(8, 8)
    expected = focal_frequency_loss(pred, target, matrix, loss_weight=2)
    assert torch.equal(FocalFrequencyLoss(2)(pred, target, matrix), expected)


X = torch.randn(2, 3, 8, 8)
WRONG: list[Wrong] = [
    ("integers", lambda: log_spectrum_mse(X.int(), X), TypeError, r"fake must be float16.*fake\.float\(\)"),
    ("array", lambda: log_spectrum_mse(X, X.numpy()), TypeError, r"real must be a torch\.Tensor"),
    ("no pair", lambda: log_spectrum_mse(X, X[:1]), ValueError, r"device; got \[2, 3, 8, 8\] .* and \[1, 3, 8, 8\]"),
    ("focal pair", lambda: focal_frequency_loss(X, X[:1]), ValueError, "pred and target must have one shape"),
    ("sizes", lambda: spectral_profile_loss(X, X[..., 1:]), ValueError, r"one size \[\.\.\., H, W\] and device; got"),
    (
        "devices",
        lambda: spectral_profile_loss(X, X.to("meta")),
        ValueError,
        r"device; got .* on cpu and .* on meta",
    ),
    ("convention", lambda: log_spectrum_mse(X, X, convention="x"), ValueError, "convention must be one of"),
    ("norm", lambda: log_spectrum_mse(X, X, norm="x"), ValueError, "norm must be one of"),
    ("channels", lambda: spectral_regularization(X, X[:, :2]), ValueError, r"real must be RGB .* got \[2, 2, 8, 8\]"),
    ("profile channels", lambda: spectral_profile_loss(X[:, 1:], X), ValueError, "fake must be RGB"),
    ("tiny", lambda: spectral_regularization(X[..., :1, :1], X[..., :1, :1]), ValueError, "too small"),
    ("weight", lambda: focal_frequency_loss(X, X, loss_weight="1"), TypeError, "loss_weight must be a number; got str"),
    ("alpha", lambda: focal_frequency_loss(X, X, alpha=None), TypeError, "alpha must be a number; got NoneType"),
    ("alpha NaN", lambda: focal_frequency_loss(X, X, alpha=math.nan), ValueError, "alpha must be finite; got nan"),
    ("weight inf", lambda: focal_frequency_loss(X, X, loss_weight=math.inf), ValueError, "loss_weight must be finite"),
    ("matrix layout", lambda: focal_frequency_loss(X, X, X[0, 0].to_sparse()), TypeError, "matrix must be a dense"),
    ("module alpha", lambda: FocalFrequencyLoss(alpha=math.nan), ValueError, "alpha must be finite; got nan"),
    ("module weight", lambda: FocalFrequencyLoss("1"), TypeError, "loss_weight must be a number; got str"),
    ("patch type", lambda: focal_frequency_loss(X, X, patch_factor=2.0), TypeError, "must be an integer; got 2.0"),
    ("patch value", lambda: focal_frequency_loss(X, X, patch_factor=0), ValueError, "at least 1; got 0"),
    ("patches", lambda: focal_frequency_loss(X, X, patch_factor=3), ValueError, "must divide H and W; got 3"),
    (
        "average",
        lambda: focal_frequency_loss(X[0, 0], X[0, 0], ave_spectrum=True),
        ValueError,
        "averages over the first",
    ),
    ("matrix type", lambda: focal_frequency_loss(X, X, [1]), TypeError, "matrix must be a real .* got list"),
    ("matrix dtype", lambda: focal_frequency_loss(X, X, X.int()), TypeError, r"matrix must be .* got torch\.int32"),
    (
        "matrix shape",
        lambda: focal_frequency_loss(X, X, torch.ones(8, 5)),
        ValueError,
        r"\[2, 1, 3, 8, 8\]; got \[8, 5\]",
    ),
    ("matrix device", lambda: focal_frequency_loss(X, X, torch.ones(8, 8, device="meta")), ValueError, "got meta"),
    ("matrix value", lambda: focal_frequency_loss(X, X, torch.full((8, 8), 1.5)), ValueError, r"values in \[0, 1\]"),
    ("matrix NaN", lambda: focal_frequency_loss(X, X, torch.full((8, 8), math.nan)), ValueError, r"values in \[0, 1\]"),
    ("module convention", lambda: LogSpectrumMSE(convention="x"), ValueError, "convention must be one of"),
    ("module norm", lambda: LogSpectrumMSE(norm="x"), ValueError, "norm must be one of"),
    ("module patches", lambda: FocalFrequencyLoss(patch_factor=0), ValueError, "at least 1; got 0"),
]

test_wrong_arguments = refused(WRONG)
