"""Scaled spectra and their derivatives: kernels and reference against long double, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import oracle
import pytest
import torch
from battery import layouts
from samples import spectral_maps
from tolerances import tolerance
from torch import Tensor

import specops
from specops import backends, ops
from specops.ops._layout import compute_dtype

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
BY_TORCH_FFT = (1030, 4)
SIZES = [(1, 6), (5, 4), (33, 33), (64, 32), (37, 41), (300, 7), BY_TORCH_FFT]
SCALES = {"amplitude": ("amplitude", 0.5, 0.0), "log": ("log", 0.5, 1.0)}

each_size = pytest.mark.parametrize("size", SIZES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
each_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


@pytest.fixture(params=["cpp", "reference"])
def _on_each_backend(request: pytest.FixtureRequest) -> Iterator[None]:
    reason = backends.why_not(request.param, "binned_scaled_power")
    if reason is not None:
        pytest.skip(reason)
    with backends.use(request.param):
        yield


def flat_images(batch: tuple[int, ...], size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Impulses in weak noise: all coefficients are near 1, so that no scale magnifies rounding errors."""
    x = 0.1 * torch.randn(*batch, *size, dtype=torch.float64) / (size[0] * size[1]) ** 0.5
    x[..., 0, 0] += 1
    return x.to(dtype)


def maps(size: tuple[int, int], bins: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, int]:
    return spectral_maps(size, bins, compute_dtype(dtype), torch.Generator().manual_seed(1))


def error(got: Tensor, exact: np.ndarray) -> float:
    return float(np.linalg.norm(oracle.exact(got) - exact) / np.linalg.norm(exact))


def torch_fft_is_exact(x: Tensor) -> bool:
    """In float64, MKL for some processors of Intel errs twenty times as much at 1030 as elsewhere."""
    bound = tolerance(x.dtype, x.dtype, (x.shape[-2], x.shape[-1]))
    return x.dtype != torch.float64 or error(torch.view_as_real(torch.fft.rfft2(x)), oracle.half_plane(x)) <= bound


def check_values(size: tuple[int, int], bins: str, scale: tuple[str, float, float], dtype: torch.dtype) -> None:
    x = flat_images((2, 3), size, dtype)
    index, weight, n_bins = maps(size, bins, dtype)
    near = 25 if size == BY_TORCH_FFT and not torch_fft_is_exact(x) else 1
    bound = near * tolerance(compute_dtype(dtype), compute_dtype(dtype), (max(16, size[0]), max(16, size[1])))
    profile = ops.binned_scaled_power(x, index, weight, n_bins, *scale)
    assert profile.dtype == compute_dtype(dtype)
    assert error(profile, oracle.binned_scaled_power(x, index, weight, n_bins, *scale)) <= bound
    bound = 2 * near * tolerance(compute_dtype(dtype), dtype, (max(16, size[0]), max(16, size[1])))
    for c in (torch.randn(n_bins, dtype=weight.dtype), torch.randn(2, 3, n_bins, dtype=weight.dtype)):
        filtered = ops.binned_scaled_filter(x, c, index, weight, *scale)
        assert filtered.dtype == dtype
        assert filtered.is_contiguous()
        assert error(filtered, oracle.binned_scaled_filter(x, c, index, weight, *scale)) <= bound


@pytest.mark.usefixtures("_on_each_backend")
@each_dtype
@each_scale
@each_size
def test_values_against_long_double(size: tuple[int, int], scale: tuple[str, float, float], dtype: torch.dtype) -> None:
    for bins in ("radial", "own", "ragged", "two maps"):
        if bins != "two maps" or min(size) >= 4:  # smaller planes leave that convention no bin
            check_values(size, bins, scale, dtype)


@each_scale
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_powers_of_any_size(dtype: torch.dtype, scale: tuple[str, float, float]) -> None:
    """Images of one pixel: s itself, from subnormal powers to the largest that can be squared."""
    factor = scale[1]
    x = torch.logspace(-18, 18, 4001, dtype=torch.float64).to(dtype).reshape(-1, 1, 1)
    index, weight = torch.zeros(1, 1).int(), torch.ones(1, 1, dtype=dtype)
    profile = ops.binned_scaled_power(x, index, weight, 1, scale[0], factor, 0.0)
    expected = oracle.binned_scaled_power(x, index, weight, 1, scale[0], factor, 0.0)
    normal = (x.square() * factor > torch.finfo(dtype).tiny).flatten().numpy()
    unit = torch.finfo(dtype).eps
    allowed = 2 * unit * np.abs(expected) + (unit if scale[0] == "log" else 0)  # of the square, seen by the logarithm
    assert (np.abs(oracle.exact(profile) - expected) <= allowed)[normal].all()
    assert profile.isfinite().all()


@pytest.mark.usefixtures("_on_each_backend")
@each_scale
@pytest.mark.parametrize("bins", ["radial", "two maps"])
@pytest.mark.parametrize("size", [(4, 6), (5, 5)], ids=str)
def test_derivatives(size: tuple[int, int], bins: str, scale: tuple[str, float, float]) -> None:
    index, weight, n_bins = maps(size, bins, torch.float64)
    x = torch.randn(2, *size, dtype=torch.float64, requires_grad=True)
    c, per_image = (torch.randn(*batch, n_bins, dtype=torch.float64, requires_grad=True) for batch in ((), (2,)))

    def power(x: Tensor) -> Tensor:
        return ops.binned_scaled_power(x, index, weight, n_bins, *scale)

    def filtered(x: Tensor, c: Tensor) -> Tensor:
        return ops.binned_scaled_filter(x, c, index, weight, *scale)

    functions: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = [
        (power, (x,)),
        (filtered, (x, c)),
        (filtered, (x, per_image)),
    ]
    for f, inputs in functions:
        torch.autograd.gradcheck(f, inputs, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
        torch.autograd.gradgradcheck(f, inputs, fast_mode=True)


@each_dtype
@each_scale
@each_size
def test_gradient_equals_that_of_torch(
    size: tuple[int, int], scale: tuple[str, float, float], dtype: torch.dtype
) -> None:
    x = flat_images((3,), size, dtype).requires_grad_()
    index, weight, n_bins = maps(size, "radial", dtype)
    cotangent = torch.randn(3, n_bins, dtype=weight.dtype)
    (gradient,) = torch.autograd.grad(ops.binned_scaled_power(x, index, weight, n_bins, *scale), x, cotangent)
    leaf = x.detach().double().requires_grad_()
    q = scale[1] * torch.fft.rfft2(leaf).abs().square()
    values = (q.sqrt() if scale[0] == "amplitude" else (q + scale[2]).log()) * weight
    profile = q.new_zeros(3, n_bins).index_add(-1, index.flatten(), values.flatten(-2))
    (expected,) = torch.autograd.grad(profile, leaf, cotangent.double())
    bound = 2 * tolerance(compute_dtype(dtype), dtype, (max(16, size[0]), max(16, size[1])))
    assert error(gradient, expected.numpy()) <= bound


@pytest.mark.usefixtures("_on_each_backend")
@each_scale
def test_any_layout(scale: tuple[str, float, float]) -> None:
    for size in ((8, 6), (33, 20), (1030, 4)):
        x = torch.randn(2, 17, *size)
        index, weight, n_bins = maps(size, "radial", torch.float32)
        c = torch.randn(n_bins)
        for name, image in layouts(x).items():
            own = image.contiguous()
            profile = ops.binned_scaled_power(image, index, weight, n_bins, *scale)
            assert torch.equal(profile, ops.binned_scaled_power(own, index, weight, n_bins, *scale)), name
            filtered = ops.binned_scaled_filter(image, c, index, weight, *scale)
            assert torch.equal(filtered, ops.binned_scaled_filter(own, c, index, weight, *scale)), name


@each_scale
@pytest.mark.parametrize("size", [(33, 20), (64, 64), (1030, 4)], ids=str)
def test_alone_or_among_others_and_on_any_number_of_threads(
    size: tuple[int, int], scale: tuple[str, float, float]
) -> None:
    x = torch.randn(29, *size)
    x[3, 0, 1] = torch.nan
    index, weight, n_bins = maps(size, "two maps", torch.float32)
    c = torch.randn(29, n_bins)

    def both(part: slice) -> tuple[Tensor, Tensor]:
        profile = ops.binned_scaled_power(x[part], index, weight, n_bins, *scale)
        return profile, ops.binned_scaled_filter(x[part], c[part], index, weight, *scale)

    whole = both(slice(None))
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        for part in (slice(None), slice(5), slice(7, 8), slice(11, 29)):
            for got, expected in zip(both(part), whole, strict=True):
                torch.testing.assert_close(got, expected[part], rtol=0, atol=0, equal_nan=True)
    for each in whole:
        assert each.flatten(1).isnan().all(1).nonzero().tolist() == [[3]]
        assert each[[0, 1, 2, *range(4, 29)]].isfinite().all()


@pytest.mark.usefixtures("_on_each_backend")
def test_where_the_power_is_zero() -> None:
    x = torch.stack([torch.zeros(8, 8), torch.randn(8, 8)])
    leaf = x.clone().requires_grad_()
    amplitude = specops.radial_spectrum(leaf, scale="amplitude")
    (gradient,) = torch.autograd.grad(amplitude.sum(), leaf)
    assert amplitude[0].eq(0).all()
    assert gradient[0].eq(0).all()
    assert gradient[1].isfinite().all()
    assert gradient[1].any()
    log = specops.radial_spectrum(x, scale="log", eps=0)
    assert log[0].eq(-torch.inf).all()
    assert log[1].isfinite().all()


def test_decibels_are_tens_of_decades() -> None:
    x = torch.randn(2, 8, 6, dtype=torch.float64)
    decades = specops.radial_spectrum(x, scale="log", eps=0.1) / np.log(10)
    torch.testing.assert_close(specops.radial_spectrum(x, scale="db", eps=0.1), 10 * decades)


@each_scale
def test_opcheck(scale: tuple[str, float, float]) -> None:
    for bins in ("radial", "two maps"):
        index, weight, n_bins = maps((5, 6), bins, torch.float32)
        x, c = torch.randn(2, 5, 6, requires_grad=True), torch.randn(2, n_bins, requires_grad=True)
        torch.library.opcheck(torch.ops.specops.binned_scaled_power.default, (x, index, weight, n_bins, *scale))
        torch.library.opcheck(torch.ops.specops.binned_scaled_filter.default, (x, c, index, weight, *scale))


@each_scale
@pytest.mark.parametrize("dims", [(0, None), (None, 0), (1, 0)], ids=str)
def test_vmap(dims: tuple[int | None, int | None], scale: tuple[str, float, float]) -> None:
    index, weight, n_bins = maps((5, 6), "radial", torch.float64)
    x, c = torch.randn(2, 5, 6, dtype=torch.float64), torch.randn(n_bins, dtype=torch.float64)
    stacked = [t if dim is None else torch.stack([t, t / 2, -t], dim) for t, dim in zip((x, c), dims, strict=True)]
    functions: list[Callable[[Tensor, Tensor], Tensor]] = [
        lambda x, c: ops.binned_scaled_filter(x, c, index, weight, *scale),
        lambda x, c: ops.binned_scaled_power(x, index, weight, n_bins, *scale) * c,
    ]
    for f in functions:
        out = torch.func.vmap(f, in_dims=dims)(*stacked)
        for i in range(3):
            each = [t if dim is None else t.select(dim, i) for t, dim in zip(stacked, dims, strict=True)]
            torch.testing.assert_close(out[i], f(*each))


def test_empty_batch() -> None:
    x = torch.ones(0, 3, 8, 8, requires_grad=True)
    index, weight, n_bins = maps((8, 8), "radial", torch.float32)
    profile = ops.binned_scaled_power(x, index, weight, n_bins, "log", 1.0, 1.0)
    assert profile.shape == (0, 3, n_bins)
    (gradient,) = torch.autograd.grad(profile.sum(), x)
    assert gradient.shape == x.shape


def test_wrong_arguments() -> None:
    x = torch.ones(2, 8, 8)
    index, weight, n_bins = maps((8, 8), "radial", torch.float32)
    for settings, message in (
        (("power", 1.0, 0.0), "scale must be one of amplitude, log; got 'power'"),
        (("log", 0.0, 0.0), r"factor must be above 0, eps at least 0, both finite; got 0\.0 and 0\.0"),
        (("log", 1.0, -1.0), r"got 1\.0 and -1\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.binned_scaled_power(x, index, weight, n_bins, *settings)
        with pytest.raises(ValueError, match=message):
            ops.binned_scaled_filter(x, torch.ones(n_bins), index, weight, *settings)
    with pytest.raises(ValueError, match="index and weight must be"):
        ops.binned_scaled_power(x, index.expand(0, 8, 5), weight, n_bins, "log", 1.0, 0.0)
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        ops.binned_scaled_power(x, index, weight, 0, "log", 1.0, 0.0)
    for backend in backends.ORDER["cpu"]:
        if backends.why_not(backend, "binned_scaled_power") is not None:
            continue
        with backends.use(backend), pytest.raises(ValueError, match="index must be -1 to n_bins - 1"):
            ops.binned_scaled_power(x, index + 1, weight, n_bins, "log", 1.0, 0.0)
