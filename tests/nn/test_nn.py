"""Modules: equal to their functions, learn, save, move, compile; and every way of wrong use."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from wrong_use import Wrong, refused

import specops
import specops.nn as snn
from specops import masks

X = torch.randn(2, 4, 8, 6)
Y = torch.randn(2, 4, 8, 6)

MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module, Tensor], Any]]] = {
    "RadialSpectrum": (
        lambda: snn.RadialSpectrum(convention="plain", scale="log", norm="ortho", window="hann", eps=1e-3),
        lambda m, x: specops.radial_spectrum(x, convention="plain", scale="log", norm="ortho", window="hann", eps=1e-3),
    ),
    "RadialSpectrum-window": (
        lambda: snn.RadialSpectrum(window=torch.linspace(0, 1, 48).reshape(8, 6)),
        lambda m, x: specops.radial_spectrum(x, window=torch.linspace(0, 1, 48).reshape(8, 6)),
    ),
    "FrequencyFilter": (lambda: snn.FrequencyFilter((8, 6)), lambda m, x: specops.frequency_filter(x, m.mask)),
    "RadialFilter": (
        lambda: snn.RadialFilter((8, 6), convention="schwarz2021", interpolation="linear"),
        lambda m, x: specops.radial_filter(x, m.profile, convention="schwarz2021", interpolation="linear"),
    ),
    "LowPass": (
        lambda: snn.LowPass(0.2),
        lambda m, x: specops.frequency_filter(x, masks.lowpass((8, 6), cutoff=0.2, kind="gaussian")),
    ),
    "HighPass": (
        lambda: snn.HighPass(0.2, kind="butterworth", order=3),
        lambda m, x: specops.frequency_filter(x, masks.highpass((8, 6), cutoff=0.2, kind="butterworth", order=3)),
    ),
    "HFF": (
        lambda: snn.HFF(2.5, kind="logistic", value_range=(0, 2)),
        lambda m, x: specops.hff(x, 2.5, kind="logistic", value_range=(0, 2)),
    ),
    "HFC": (
        lambda: snn.HFC(2.5, kind="gaussian", value_range=(-2, 1)),
        lambda m, x: specops.hfc(x, Y.to(x), 2.5, kind="gaussian", value_range=(-2, 1)),
    ),
    "FrequencyShift": (
        lambda: snn.FrequencyShift((0.25, 0.5)),
        lambda m, x: specops.frequency_shift(x, (0.25, 0.5)),
    ),
    "Upsample": (lambda: snn.Upsample(3, mode="nearest"), lambda m, x: specops.upsample(x, 3, mode="nearest")),
    "SpectrumDiscriminator": (
        lambda: snn.SpectrumDiscriminator((8, 6), 3, convention="plain"),
        lambda m, x: logits_by_hand(m, x),
    ),
}
each_module = pytest.mark.parametrize(("build", "expected"), MODULES.values(), ids=MODULES.keys())


def logits_by_hand(module: nn.Module, x: Tensor) -> Tensor:
    spectrum = specops.radial_spectrum(x, convention="plain", norm="ortho").mean(-2)
    first, second = (module.get_submodule(name) for name in ("hidden", "logits"))
    assert isinstance(first, nn.Linear)
    assert first.in_features == first.out_features == spectrum.shape[-1]
    hidden = first((1 + spectrum).log().to(first.weight.dtype))
    return second(torch.where(hidden > 0, hidden, 0.2 * hidden))


def call(module: nn.Module, x: Tensor) -> Any:
    return module(x, Y.to(x)) if isinstance(module, snn.HFC) else module(x)


def disturbed(module: nn.Module) -> nn.Module:
    """Moves every parameter by a little."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.rand_like(parameter)
    return module


@each_module
def test_a_module_is_its_function(build: Callable[[], nn.Module], expected: Callable[[nn.Module, Tensor], Any]) -> None:
    module = build()
    torch.testing.assert_close(call(module, X), expected(module, X))
    if not isinstance(module, (snn.LowPass, snn.HighPass)):
        disturbed(module)
        torch.testing.assert_close(call(module, X), expected(module, X))


@each_module
def test_saved_and_copied(build: Callable[[], nn.Module], expected: Callable[[nn.Module, Tensor], Any]) -> None:
    module = disturbed(build())
    value = call(module, X)
    fresh = build()
    fresh.load_state_dict(module.state_dict())
    for other in (fresh, pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        torch.testing.assert_close(call(other, X), value, rtol=0, atol=0)
    assert repr(module).startswith(type(module).__name__ + "(")
    assert repr(fresh) == repr(module)


@each_module
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_moved_to_a_dtype(
    build: Callable[[], nn.Module], expected: Callable[[nn.Module, Tensor], Any], dtype: torch.dtype
) -> None:
    module = build().to(dtype)
    value = call(module, X.to(dtype))
    value = value[0] if isinstance(value, tuple) else value
    spectral = isinstance(module, snn.RadialSpectrum) and dtype != torch.float64
    assert value.dtype == (torch.float32 if spectral else dtype)
    assert value.isfinite().all()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n != "RadialFilter" else ()) for n in MODULES]
)
def test_compiles_whole(name: str) -> None:
    """Values and gradients of the parameters."""
    torch.compiler.reset()
    module = MODULES[name][0]()
    fast = torch.compile(module, fullgraph=True, backend="aot_eager")
    values = [f(X, Y) if isinstance(module, snn.HFC) else f(X) for f in (fast, module)]
    torch.testing.assert_close(*values)
    if parameters := list(module.parameters()):
        slopes = [torch.autograd.grad(value.square().sum(), parameters) for value in values]
        torch.testing.assert_close(*slopes)


@each_module
def test_on_the_meta_device(build: Callable[[], nn.Module], expected: Callable[[nn.Module, Tensor], Any]) -> None:
    with torch.device("meta"):
        module = build()
        assert all(parameter.is_meta for parameter in module.parameters())
    repr(module)


def test_device_and_dtype_of_parameters() -> None:
    for build in (snn.FrequencyFilter, snn.RadialFilter, snn.SpectrumDiscriminator):
        module = build(8, device="meta", dtype=torch.float64)
        assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float64)}
    for cutoff_filter in (snn.LowPass, snn.HighPass):
        (parameter,) = cutoff_filter(0.1, device="meta", dtype=torch.float64).parameters()
        assert (parameter.device.type, parameter.dtype) == ("meta", torch.float64)


def test_a_window_is_copied() -> None:
    window = torch.rand(8, 6, requires_grad=True)
    module = snn.RadialSpectrum(window=window)
    expected = specops.radial_spectrum(X, window=window.detach())
    with torch.no_grad():
        window.zero_()
    assert torch.equal(module(X), expected)
    assert not module(X).requires_grad


def test_frequency_shift_with_an_imaginary_part() -> None:
    shift = snn.FrequencyShift((0.1, 0.2))
    assert torch.equal(shift(X, Y), specops.frequency_shift(X, (0.1, 0.2), imag=Y))


@pytest.mark.parametrize("kind", ["gaussian", "butterworth", "logistic", "raised_cosine"])
def test_cutoffs_are_learned(kind: str) -> None:
    """The cutoff of a low-pass that made the target is found again."""
    x = torch.randn(8, 1, 16, 16)
    options = {"width": 6.0} if kind in ("logistic", "raised_cosine") else {}
    target = snn.LowPass(0.2, kind=kind, **options)(x).detach()
    learner = snn.LowPass(0.3, kind=kind, **options)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        F.mse_loss(learner(x), target).backward()
        optimizer.step()
    assert abs(float(learner.cutoff.detach()) - 0.2) < 0.01


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("logit", [-math.inf, -1e4, -20, 0.0, 20, 1e4, math.inf])
def test_a_cutoff_stays_inside(logit: float, dtype: torch.dtype) -> None:
    module = snn.LowPass(0.25, dtype=dtype)
    nn.init.constant_(module.cutoff_logit, logit)
    assert 0 < float(module.cutoff.detach()) < 0.5
    assert module(X).isfinite().all()


def test_a_cutoff_can_be_set_and_reset() -> None:
    module = snn.HighPass(0.1)
    before = module.cutoff_logit
    module.cutoff = 0.4
    assert module.cutoff_logit is before
    assert float(module.cutoff.detach()) == pytest.approx(0.4, abs=1e-6)
    module.reset_parameters()
    assert float(module.cutoff.detach()) == pytest.approx(0.1, abs=1e-6)
    assert list(module.state_dict()) == ["cutoff_logit"]


def test_learnable_gains_start_as_the_identity_and_learn() -> None:
    for module in (snn.FrequencyFilter((8, 6)), snn.RadialFilter((8, 6))):
        torch.testing.assert_close(module(X), X)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            F.mse_loss(module(X), 0.5 * X).backward()
            optimizer.step()
        assert F.mse_loss(module(X), 0.5 * X) < 1e-3


def test_gradient_penalty_through_the_discriminator() -> None:
    discriminator = snn.SpectrumDiscriminator(8, 2)
    x = torch.randn(3, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    penalty = slope.square().sum((1, 2, 3)).mean()
    gradients = torch.autograd.grad(penalty, [discriminator.hidden.weight, discriminator.logits.weight])
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_discriminator_under_autocast() -> None:
    discriminator = snn.SpectrumDiscriminator(8)
    x = torch.randn(2, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = discriminator(x)
    torch.testing.assert_close(logits.float(), discriminator(x), rtol=0.05, atol=0.05)


WRONG: list[Wrong] = [
    ("spectrum convention", lambda: snn.RadialSpectrum(convention="x"), ValueError, "convention must be one of"),
    ("spectrum scale", lambda: snn.RadialSpectrum(scale="x"), ValueError, "scale must be one of"),
    ("spectrum norm", lambda: snn.RadialSpectrum(norm="x"), ValueError, "norm must be one of"),
    ("spectrum window", lambda: snn.RadialSpectrum(window="x"), ValueError, "window must be None, 'hann' or a tensor"),
    ("spectrum eps", lambda: snn.RadialSpectrum(eps=-1), ValueError, "eps must be at least 0 and finite; got -1"),
    ("spectrum eps type", lambda: snn.RadialSpectrum(eps="a"), TypeError, "eps must be a number; got str"),
    ("window shape", lambda: snn.RadialSpectrum(window=torch.ones(8)), ValueError, r"tensor \[H, W\]; got \[8\]"),
    ("window dtype", lambda: snn.RadialSpectrum(window=torch.ones(8, 8).int()), TypeError, "got torch.int32"),
    ("window array", lambda: snn.RadialSpectrum(window=X.numpy()), ValueError, "'hann' or a tensor"),
    ("complex input", lambda: snn.FrequencyFilter((8, 6))(X + 0j), TypeError, r"x must be real; .* Pass x\.real"),
    ("complex gains", lambda: snn.FrequencyFilter(8, dtype=torch.complex64), TypeError, "dtype must be a floating"),
    ("integer gains", lambda: snn.RadialFilter(8, dtype=torch.int32), TypeError, "dtype must be a floating"),
    ("complex cutoff", lambda: snn.LowPass(0.2, dtype=torch.complex64), TypeError, "dtype must be a floating"),
    ("integer weights", lambda: snn.SpectrumDiscriminator(8, dtype=torch.int8), TypeError, "dtype must be a floating"),
    ("pool channels", lambda: snn.BlurPool(0), ValueError, "channels must be at least 1; got 0"),
    ("pool channels type", lambda: snn.BlurPool(2.5), TypeError, "channels must be an integer; got 2.5"),
    ("pool filter", lambda: snn.BlurPool(3, 8), ValueError, "taps must be 1 to 7; got 8"),
    ("pool stride", lambda: snn.BlurPool(3, 4, 0), ValueError, "factor must be at least 1; got 0"),
    ("pool edges", lambda: snn.BlurPool(3, pad_type=["reflect"]), ValueError, "pad_type must be one of zeros"),
    ("filter size", lambda: snn.FrequencyFilter((8, 0)), ValueError, "H, W >= 1"),
    ("filter size type", lambda: snn.FrequencyFilter("8"), TypeError, "size must be a pair"),
    (
        "filter input",
        lambda: snn.FrequencyFilter(8)(X),
        ValueError,
        r"\[\.\.\., 8, 8\], as this was built for; got \[2, 4",
    ),
    ("radial filter size", lambda: snn.RadialFilter((8.0, 8)), TypeError, "pair of integers"),
    ("radial filter convention", lambda: snn.RadialFilter(8, convention="x"), ValueError, "convention must be one of"),
    ("interpolation", lambda: snn.RadialFilter(8, interpolation="cubic"), ValueError, "interpolation must be one of"),
    ("radial filter input", lambda: snn.RadialFilter(8)(X.int()), TypeError, r"Convert it with x\.float\(\)"),
    ("ideal cutoff", lambda: snn.LowPass(0.2, kind="ideal"), ValueError, "no gradient for the cutoff .*masks.lowpass"),
    ("cutoff kind", lambda: snn.HighPass(0.2, kind="x"), ValueError, "kind must be one of"),
    ("cutoff width", lambda: snn.LowPass(0.2, width=2.0), ValueError, "width is a parameter of logistic"),
    ("cutoff of Nyquist", lambda: snn.LowPass(0.5), ValueError, r"cutoff must be in \(5e-05, 0\.49995\) .*; got 0\.5"),
    ("cutoff of a radius", lambda: snn.LowPass(12.0), ValueError, "cycles per pixel; got 12.0. Divide a radius"),
    ("cutoff of 0", lambda: snn.HighPass(0.0), ValueError, r"cutoff must be in .*; got 0\.0\.$"),
    ("cutoff below 0", lambda: snn.LowPass(-1.0), ValueError, r"cutoff must be in .*; got -1\.0\.$"),
    ("cutoff of NaN", lambda: snn.LowPass(math.nan), ValueError, r"cutoff must be in .*; got nan\.$"),
    ("cutoff type", lambda: snn.LowPass("0.2"), TypeError, "cutoff must be a number in cycles per pixel; got str"),
    ("low-pass input", lambda: snn.LowPass(0.2)(X[0, 0, 0]), ValueError, r"two dimensions \[\.\.\., H, W\]"),
    ("high-pass input", lambda: snn.HighPass(0.2)(1.0), TypeError, r"must be a torch\.Tensor"),
    ("HFF radius", lambda: snn.HFF(0), ValueError, "radius must be above 0"),
    ("HFF extent", lambda: snn.HFF(), ValueError, "give either radius in cycles per image or cutoff"),
    ("HFC extent", lambda: snn.HFC(2, cutoff=0.25), ValueError, "give either radius in cycles per image or cutoff"),
    ("HFF kind", lambda: snn.HFF(2, kind="x"), ValueError, "kind must be one of"),
    ("HFC range", lambda: snn.HFC(2, value_range=(1, 1)), ValueError, "lo < hi"),
    ("shift", lambda: snn.FrequencyShift(0.5), TypeError, "shift must be a pair"),
    ("upsample mode", lambda: snn.Upsample(mode="cubic"), ValueError, "mode must be one of"),
    ("upsample factor", lambda: snn.Upsample(0, mode="zeros"), ValueError, "factor must be at least 1"),
    ("discriminator size", lambda: snn.SpectrumDiscriminator(0), ValueError, "H, W >= 1"),
    ("discriminator logits", lambda: snn.SpectrumDiscriminator(8, 0), ValueError, "n_logits must be at least 1; got 0"),
    ("logits type", lambda: snn.SpectrumDiscriminator(8, 1.0), TypeError, "n_logits must be an integer"),
    (
        "discriminator convention",
        lambda: snn.SpectrumDiscriminator(8, convention="x"),
        ValueError,
        "convention must be",
    ),
    ("discriminator input", lambda: snn.SpectrumDiscriminator(8)(X), ValueError, "as this was built for"),
    ("no channels", lambda: snn.SpectrumDiscriminator((8, 6))(X[0, 0]), ValueError, r"x\.unsqueeze\(-3\)"),
]

test_wrong_arguments = refused(WRONG)
