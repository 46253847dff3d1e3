"""On a physical GPU, what executing kernels without one cannot show; run by `make gpu-check`, skipped elsewhere."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import specops
from specops import backends, geometry, masks, ops
from specops.ops.contract import compute_dtype

pytestmark = pytest.mark.skipif(backends.no_gpu() is not None, reason=f"{backends.no_gpu()}")

GPU = torch.device("cuda")
KERNELS = ("cuda", "triton")
TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1e-5, torch.float64: 1e-13}
SIZES = [(32, 32), (64, 64), (128, 128), (48, 48), (33, 20), (131, 129)]  # one launch, torch.fft, two tiles

Function = Callable[..., Tensor]


@functools.cache
def taps() -> Tensor:
    return torch.tensor([1.0, 3.0, 3.0, 1.0], device=GPU) / 8


@functools.cache
def profile(size: tuple[int, int]) -> Tensor:
    return 1 / torch.arange(1.0, 1 + specops.geometry.radial_bins(size, convention="plain").n_bins, device=GPU)


FUNCTIONS: dict[str, tuple[str, int, Function]] = {
    "spectrum": ("binned_cross_spectrum", 1, specops.radial_spectrum),
    "cross": ("binned_cross_spectrum", 2, specops.radial_cross_spectrum),
    "filter": ("binned_filter", 1, lambda x: specops.radial_filter(x, profile((x.shape[-2], x.shape[-1])))),
    "hff": ("clipped_band_swap", 1, lambda x: specops.hff(x, 16.0)),
    "hfc": ("clipped_band_swap", 2, lambda real, fake: specops.hfc(real, fake, 16.0)[1]),
    "up": ("upfirdn2d", 1, lambda x: specops.upfirdn2d(x, taps(), up=2, padding=(2, 1, 2, 1), gain=4.0)),
    "down": ("upfirdn2d", 1, lambda x: specops.upfirdn2d(x, taps(), down=2, padding=1)),
}


@pytest.fixture(params=KERNELS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with backends.use(request.param):
        yield request.param


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest, backend: str) -> tuple[int, Function]:
    """How many images [..., 64, 64] it takes, and the function, if the backend has a kernel for it."""
    op, images, call = FUNCTIONS[request.param]
    if reason := backends.why_not(backend, op, GPU.type):
        pytest.skip(reason)
    return images, call


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator(GPU).manual_seed(seed), device=GPU)


def some(images: int, *shape: int) -> list[Tensor]:
    return [randn(*shape, seed=i) for i in range(images)]


def needs(backend: str, op: str) -> None:
    if reason := backends.why_not(backend, op, GPU.type):
        pytest.skip(reason)


@pytest.mark.parametrize("constant", [False, True], ids=["two images", "constant"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_band_swap_equals_the_reference(
    backend: str, size: tuple[int, int], dtype: torch.dtype, constant: bool
) -> None:
    needs(backend, "clipped_band_swap")
    a, b = (image.to(dtype) for image in some(2, 2, 17, *size))
    b = b.flatten()[0].expand_as(b) if constant else b
    index, _, weight = geometry.coefficient_maps(*size, compute_dtype(dtype), GPU)
    gains = masks.lowpass(size, max(size) / 4, kind="gaussian", dtype=compute_dtype(dtype), device=GPU).flatten()
    gains = gains * torch.rand(2, 17, 1, dtype=gains.dtype, device=GPU)
    for keep in (True, False):
        arguments = (a, b, gains, index, weight, -0.5, 1.5, keep)
        swapped, slope, kept = ops.clipped_band_swap(*arguments)
        with backends.use("reference"):
            expected, expected_slope, expected_kept = ops.clipped_band_swap(*arguments)
            unclipped = ops.clipped_band_swap(*arguments[:6], 1e3, keep)[0].float()
        torch.testing.assert_close(swapped, expected, rtol=0, atol=TOLERANCE[dtype])
        assert torch.equal(kept, expected_kept)
        near = 1e-3 if dtype in (torch.float32, torch.float64) else 2e-2
        turning = (slope != expected_slope) & ((unclipped + 0.5).abs() > near) & ((unclipped - 1.5).abs() > near)
        assert not turning.any()


@pytest.mark.parametrize("scale", ["amplitude", "log", "db"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", [(64, 64), (12, 15)], ids=str)
def test_scaled_spectra_and_their_gradients(
    backend: str, size: tuple[int, int], dtype: torch.dtype, scale: str
) -> None:
    """Of images too whose coefficients are exactly 0."""
    needs(backend, "binned_scaled_power")
    images = randn(3, 2, *size).to(dtype)
    images[1] = 1

    def results(x: Tensor) -> tuple[Tensor, ...]:
        x = x.clone().requires_grad_()
        profile = specops.radial_spectrum(x, scale=scale, norm="ortho", eps=1e-3)
        (gradient,) = torch.autograd.grad(profile.square().sum(), x)
        return profile, gradient

    for found, expected in zip(results(images), reference_of(lambda: results(images.double())), strict=True):
        assert (found - expected).norm() <= {torch.float16: 2e-3, torch.float32: 1e-5}.get(
            dtype, 1e-12
        ) * expected.norm()


def test_second_derivatives_equal_the_reference(function: tuple[int, Function]) -> None:
    images, call = function

    def gradients() -> tuple[Tensor, ...]:
        leaves = [image.requires_grad_() for image in some(images, 2, 3, 64, 64)]
        first = torch.autograd.grad(call(*leaves).square().mean(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
        return *first, *second

    for value, expected in zip(gradients(), reference_of(gradients), strict=True):
        assert (value - expected).norm() <= 1e-5 * expected.norm()


def reference_of(make: Callable[[], Any]) -> Any:
    with backends.use("reference"):
        return make()


def test_the_current_stream_is_the_one_that_works(function: tuple[int, Function]) -> None:
    images, call = function
    given = some(images, 64, 3, 64, 64)
    expected = call(*given)
    filled = [torch.zeros_like(image) for image in given]
    delay = randn(4096, 4096)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(20):  # the images are not there before this is done
            delay = delay @ delay / 4096
        for into, image in zip(filled, given, strict=True):
            into.copy_(image)
        out = call(*filled)
    stream.synchronize()
    assert torch.equal(out, expected)


def test_captured_in_a_graph(function: tuple[int, Function]) -> None:
    images, call = function
    given = some(images, 8, 3, 64, 64)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        call(*given)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = call(*given)
    for image in given:
        image.mul_(-0.5)
    graph.replay()
    assert torch.equal(out, call(*given))


def test_the_host_does_not_wait(function: tuple[int, Function]) -> None:
    images, call = function
    leaves = [image.requires_grad_() for image in some(images, 8, 3, 64, 64)]
    call(*leaves).sum().backward()  # makes plans
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this mode a prototype
        torch.cuda.set_sync_debug_mode("error")
        try:
            call(*leaves).sum().backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_an_image_alone_and_among_many_in_any_run(function: tuple[int, Function]) -> None:
    images, call = function
    given = some(images, 4096, 64, 64)
    given[0][77, 3, 5] = torch.nan
    whole = call(*given)
    assert whole.flatten(1).isnan().any(1).nonzero().tolist() == [[77]]
    for _ in range(3):
        assert torch.equal(call(*given).nan_to_num(9.0), whole.nan_to_num(9.0))
    for first, last in ((0, 1), (78, 81), (1000, 4096)):
        assert torch.equal(call(*(image[first:last] for image in given)), whole[first:last])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_beyond_two_to_the_31_pixels(backend: str, name: str) -> None:
    op, images, call = FUNCTIONS[name]
    needs(backend, op)
    count, side = 2**31 // 128**2 + 5, 128
    bytes_per_pixel = {"up": 20, "cross": 8, "hff": 9, "hfc": 17}.get(name, 8)
    if (bytes_per_pixel + 1) * count * side**2 > torch.cuda.mem_get_info()[0]:
        pytest.skip("it takes more memory than is free")
    given = [torch.empty(count, side, side, device=GPU) for _ in range(images)]
    for i, image in enumerate(given):
        image[-3:] = image[:3] = randn(3, side, side, seed=i)
    few = [image[-3:].clone() for image in given]
    out = call(*given)
    ends = out[:3].clone(), out[-3:].clone()
    del given, out, image
    torch.cuda.empty_cache()
    assert torch.equal(*ends)
    assert torch.equal(ends[1], call(*few))


@pytest.mark.parametrize(("name", "bytes_per_pixel"), [("spectrum", 24), ("filter", 32), ("hfc", 48)])
def test_other_sizes_beyond_two_to_the_31_pixels(backend: str, name: str, bytes_per_pixel: int) -> None:
    """Around torch.fft, which may round a large batch in another way."""
    op, images, call = FUNCTIONS[name]
    needs(backend, op)
    count, size = 2**31 // (48 * 64) + 5, (48, 64)
    if bytes_per_pixel * count * size[0] * size[1] > torch.cuda.mem_get_info()[0]:
        pytest.skip("it takes more memory than is free")
    given = [torch.empty(count, *size, device=GPU) for _ in range(images)]
    for i, image in enumerate(given):
        image[-3:] = randn(3, *size, seed=i)
    few = [image[-3:].clone() for image in given]
    last = call(*given)[-3:].clone()
    del given, image
    torch.cuda.empty_cache()
    assert (last - call(*few)).norm() <= 1e-6 * last.norm()


def test_tensors_on_two_devices(backend: str) -> None:
    x = randn(3, 64, 64)
    with pytest.raises(ValueError, match="device"):
        specops.radial_cross_spectrum(x, x.cpu())
    with pytest.raises(ValueError, match="on cuda:0 like x; got cpu"):
        specops.frequency_filter(x, torch.ones(64, 33))
    with pytest.raises(
        RuntimeError, match=rf"backend '{backend}' was asked for .* it runs on cuda tensors, not on cpu"
    ):
        specops.radial_spectrum(x.cpu())
