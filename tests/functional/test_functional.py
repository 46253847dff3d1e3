"""Public functions: published values, properties, and every way of wrong use."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from wrong_use import Wrong, refused

import specops
from specops import radial_spectrum, upfirdn2d, upsample
from specops.losses import focal_frequency_loss

MODES = ("zeros", "nearest", "bilinear", "shuffle")


def relative_error(value: Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(value.detach().double().numpy() - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("backend", ["reference", "cpp"])
@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-10)], ids=["float32", "float64"]
)
@pytest.mark.parametrize("norm", ["backward", "ortho"])
@pytest.mark.parametrize("side", [32, 33])
def test_radial_spectrum_equals_the_published_code(
    side: int, norm: str, dtype: torch.dtype, bound: float, backend: str, schwarz: dict[str, np.ndarray]
) -> None:
    """Values, and the gradient of Σ w·ln(1 + S)."""
    key = f"norm{int(norm == 'ortho')}_n{side}"
    x = torch.from_numpy(schwarz[f"x_n{side}"]).to(dtype, copy=True).requires_grad_()
    with specops.backends.use(backend):
        profile = radial_spectrum(x, norm=norm)
        assert relative_error(profile, schwarz[f"spec_f64in_{key}"]) <= bound
        terms = torch.from_numpy(schwarz[f"w_{key}"]) * profile.log1p()
        (gradient,) = torch.autograd.grad(terms.sum(), x)
    assert abs(float(terms.detach().sum()) - schwarz[f"logspec_lin_{key}"]) <= bound * float(terms.detach().abs().sum())
    assert relative_error(gradient, schwarz[f"grad_logspec_{key}"]) <= bound


@pytest.mark.parametrize("mode", ["zeros", "nearest"])
def test_upsample_equals_the_published_code(mode: str, schwarz: dict[str, np.ndarray]) -> None:
    x = torch.from_numpy(schwarz["x_rs"]).double().requires_grad_()
    out = upsample(x, mode=mode)
    assert relative_error(out, schwarz[f"up_{mode}_f64"]) <= 1e-12
    (gradient,) = torch.autograd.grad(out, x, torch.from_numpy(schwarz[f"up_{mode}_v"]))
    assert relative_error(gradient, schwarz[f"up_{mode}_vjp_f64"]) <= 1e-12


@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from(["backward", "ortho", "forward"]))
def test_parseval(H: int, W: int, norm: str) -> None:
    x = torch.randn(2, H, W, dtype=torch.float64)
    count = specops.geometry.radial_bins((H, W), convention="plain").count
    total = (radial_spectrum(x, convention="plain", norm=norm) * count).sum(-1)
    scale = {"backward": H * W, "ortho": 1, "forward": 1 / (H * W)}[norm]
    torch.testing.assert_close(total, x.square().sum((-2, -1)) * scale)


def test_scales_are_functions_of_the_power() -> None:
    """With one coefficient per bin (1 × 9: one radius each) the mean of s(p) is s of the mean."""
    x = torch.randn(4, 1, 9, dtype=torch.float64)
    power = radial_spectrum(x)
    torch.testing.assert_close(radial_spectrum(x, scale="amplitude"), power.sqrt())
    torch.testing.assert_close(radial_spectrum(x, scale="log", eps=0.5), (power + 0.5).log())
    torch.testing.assert_close(radial_spectrum(x, scale="db"), 10 * (power + 1e-8).log10())


def test_amplitude_of_a_constant_image_has_a_finite_gradient() -> None:
    x = torch.ones(8, 8, requires_grad=True)
    radial_spectrum(x, scale="amplitude").sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_white_noise_is_flat() -> None:
    profile = radial_spectrum(torch.randn(4000, 16, 16), norm="ortho").mean(0)
    torch.testing.assert_close(profile, torch.ones_like(profile), atol=0.1, rtol=0)


def test_a_plane_wave_lies_in_the_bin_of_its_frequency() -> None:
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    wave = torch.cos(2 * math.pi * (3 * rows + 4 * columns) / 32)
    profile = radial_spectrum(wave)
    assert profile.argmax() == 5
    assert profile[5] > 0.999 * profile.sum()


def test_windows() -> None:
    x = torch.randn(3, 12, 10, dtype=torch.float64)
    hann = torch.outer(
        torch.hann_window(12, False, dtype=torch.float64), torch.hann_window(10, False, dtype=torch.float64)
    )
    torch.testing.assert_close(radial_spectrum(x, window="hann"), radial_spectrum(x * hann))
    torch.testing.assert_close(radial_spectrum(x, window=hann), radial_spectrum(x * hann))


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    "shape", [(2, 576, 5, 6), (576, 3, 2), (2, 2, 576, 2, 2), (0, 576, 4, 4), (2, 0, 4, 3)], ids=str
)
def test_upsample_equals_torch(shape: tuple[int, ...], factor: int) -> None:
    x = torch.randn(shape)
    four = x.reshape(math.prod(shape[:-3]), *shape[-3:])
    for mode in ("nearest", "bilinear"):
        align = None if mode == "nearest" else False
        planes = four.reshape(-1, 1, *shape[-2:])
        expected = F.interpolate(planes, scale_factor=factor, mode=mode, align_corners=align)
        torch.testing.assert_close(upsample(x, factor, mode=mode).reshape(expected.shape), expected)
    assert torch.equal(upsample(x, factor, mode="shuffle").flatten(), F.pixel_shuffle(four, factor).flatten())
    nails = torch.zeros(*shape[:-2], shape[-2] * factor, shape[-1] * factor)
    nails[..., ::factor, ::factor] = x
    assert torch.equal(upsample(x, factor, mode="zeros"), nails)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_bed_of_nails_replicates_the_spectrum(H: int, W: int, factor: int) -> None:
    x = torch.randn(H, W, dtype=torch.float64)
    spectrum = torch.fft.fft2(upsample(x, factor, mode="zeros"))
    torch.testing.assert_close(spectrum, torch.fft.fft2(x).tile(factor, factor))


@pytest.mark.parametrize("boundary", ["zeros", "reflect", "replicate", "circular"])
def test_derivatives_of_upfirdn2d(boundary: str) -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    f = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def resampled(x: Tensor, f: Tensor) -> Tensor:
        return upfirdn2d(x, f, up=2, down=(1, 2), padding=(2, 1), gain=2, flip_filter=True, boundary=boundary)

    torch.autograd.gradcheck(resampled, (x, f))
    torch.autograd.gradgradcheck(resampled, (x, f), fast_mode=True)


def test_short_forms_of_arguments() -> None:
    x, f = torch.randn(2, 6, 7), torch.randn(2, 3)
    full = upfirdn2d(x, f, up=(2, 2), down=(1, 1), padding=(1, 1, 1, 1))
    assert torch.equal(upfirdn2d(x, f, up=2, padding=1), full)
    assert torch.equal(upfirdn2d(x, f, up=2, padding=(1, 1)), full)
    assert torch.equal(upfirdn2d(x, f.flip(0, 1), up=2, padding=1, flip_filter=True), full)
    torch.testing.assert_close(upfirdn2d(x, f, up=2, padding=1, gain=4), 4 * full)
    assert torch.equal(upfirdn2d(x, None, gain=2), 2 * x)


@pytest.mark.slow
def test_compiles_with_inductor() -> None:
    def penalty(x: Tensor) -> Tensor:
        return radial_spectrum(upsample(x, mode="zeros")).log1p().square().mean()

    torch.compiler.reset()
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    compiled = torch.compile(penalty, fullgraph=True)
    torch.testing.assert_close(compiled(x), penalty(x))
    torch.testing.assert_close(*(torch.autograd.grad(g(x), x)[0] for g in (compiled, penalty)))


NUMBERS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "eps": lambda x, value: radial_spectrum(x, scale="log", eps=value),
    "exponent": lambda x, value: focal_frequency_loss(x, x.flip(-1), alpha=value, loss_weight=2 * value),
    "gain": lambda x, value: upfirdn2d(x, torch.ones(2), gain=value),
    "shift": lambda x, value: specops.frequency_shift(x, (value, 0.5)),
    "range": lambda x, value: specops.hfc(x, x.flip(-1), 4 * value, value_range=(0, value))[1],
    "width": lambda x, value: specops.frequency_filter(
        x, specops.masks.lowpass((8, 8), 4 * value, kind="logistic", width=value)
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in ("exponent", "range", "width") else ()) for name in NUMBERS],
)
def test_numbers_that_change_between_compiled_calls(name: str) -> None:
    """From the second call on, torch traces numbers as symbols."""
    torch.compiler.reset()
    call = NUMBERS[name]
    fast = torch.compile(call, fullgraph=True, backend="aot_eager")
    x = torch.rand(2, 3, 8, 8)
    for value in (0.5, 0.75, 2.5):
        torch.testing.assert_close(fast(x, value), call(x, value))


def test_one_graph_serves_any_gain() -> None:
    torch.compiler.reset()
    call = NUMBERS["gain"]
    fast = torch.compile(call, fullgraph=True, backend="aot_eager")
    x = torch.rand(2, 3, 8, 8)
    for value in torch.linspace(0.5, 3, 2 * torch._dynamo.config.recompile_limit).tolist():
        torch.testing.assert_close(fast(x, value), call(x, value))


def test_nested_transforms_agree() -> None:
    def energy(x: Tensor) -> Tensor:
        return radial_spectrum(x).log().sum() + upfirdn2d(x, None, up=2, padding=1, boundary="reflect").pow(3).sum()

    x = torch.randn(4, 5, dtype=torch.float64)
    expected = torch.autograd.functional.hessian(energy, x)
    for hessian in (
        torch.func.hessian(energy),
        torch.func.jacrev(torch.func.jacrev(energy)),
        torch.func.jacfwd(torch.func.jacfwd(energy)),
        torch.func.jacrev(torch.func.jacfwd(energy)),
    ):
        torch.testing.assert_close(hessian(x), expected)


X = torch.randn(2, 3, 8, 8)
WRONG: list[Wrong] = [
    ("one dimension", lambda: radial_spectrum(torch.ones(8)), ValueError, r"\[\.\.\., H, W\]; got shape \[8\]"),
    ("complex", lambda: radial_spectrum(X + 0j), TypeError, r"x must be real; got torch.complex64"),
    ("integer", lambda: radial_spectrum(X.int()), TypeError, r"got torch.int32. Convert it with x.float\(\)"),
    ("array", lambda: radial_spectrum(np.ones((4, 4))), TypeError, r"must be a torch\.Tensor .*; got ndarray"),
    ("no pixels", lambda: radial_spectrum(torch.ones(3, 0, 8)), ValueError, "must have H, W >= 1"),
    ("convention", lambda: radial_spectrum(X, convention="x"), ValueError, "convention must be one of schwarz2021"),
    ("scale", lambda: radial_spectrum(X, scale="dB"), ValueError, "scale must be one of .*; got 'dB'"),
    ("norm", lambda: radial_spectrum(X, norm="x"), ValueError, "norm must be one of backward, ortho, forward"),
    ("window name", lambda: radial_spectrum(X, window="hamming"), ValueError, "window must be None, 'hann' or"),
    ("window shape", lambda: radial_spectrum(X, window=torch.ones(8)), ValueError, r"window must be \[8, 8\]"),
    ("upsample mode", lambda: upsample(X, mode="cubic"), ValueError, "mode must be one of zeros, nearest"),
    ("factor type", lambda: upsample(X, 2.0, mode="zeros"), TypeError, "factor must be an integer; got 2.0"),
    ("factor value", lambda: upsample(X, 0, mode="zeros"), ValueError, "factor must be at least 1; got 0"),
    ("shuffle channels", lambda: upsample(X, mode="shuffle"), ValueError, "C divisible by 4; got shape"),
    ("filter type", lambda: upfirdn2d(X, torch.ones(2).int()), TypeError, r"tensor; got torch\.int32"),
    ("sparse filter", lambda: upfirdn2d(X, torch.ones(3).to_sparse()), TypeError, "f must be a dense tensor"),
    ("gain NaN", lambda: upfirdn2d(X, None, gain=float("nan")), ValueError, "gain must be finite; got nan"),
    ("filter shape", lambda: upfirdn2d(X, torch.ones(1, 1, 1)), ValueError, r"f must be \[fh, fw\] or 1-D"),
    ("no taps", lambda: upfirdn2d(X, torch.ones(0, 2)), ValueError, "at least one tap"),
    ("fractional up", lambda: upfirdn2d(X, None, up=2.0), TypeError, r"up must be an integer or \(x, y\); got 2.0"),
    ("no padding", lambda: upfirdn2d(X, None, padding=None), TypeError, "padding must be an integer"),
    ("gain", lambda: upfirdn2d(X, None, gain="2"), TypeError, "gain must be a number; got str"),
    ("up", lambda: upfirdn2d(X, None, up=0), ValueError, "up must be two factors"),
    ("down", lambda: upfirdn2d(X, None, down=(1, 2, 3)), ValueError, r"down must be an integer or \(x, y\)"),
    ("padding", lambda: upfirdn2d(X, None, padding=(1, 2, 3)), ValueError, "padding must be an integer"),
    ("boundary", lambda: upfirdn2d(X, None, boundary="wrap"), ValueError, "boundary must be one of zeros, reflect"),
    ("too large a filter", lambda: upfirdn2d(X, torch.ones(9, 1)), ValueError, "larger than the padded image"),
]

test_wrong_arguments = refused(WRONG)
