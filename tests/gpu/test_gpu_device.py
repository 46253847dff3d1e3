"""On a physical GPU, what only a GPU can show beside values (tests/gpu/test_gpu_values.py); run by `make gpu-check`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from device_cases import EXTENT
from torch import Tensor

import specops
from specops import backends

pytestmark = pytest.mark.skipif(backends.no_gpu() is not None, reason=f"{backends.no_gpu()}")

GPU = torch.device("cuda")
KERNELS = ("cuda", "triton")

at_length = pytest.mark.skipif(EXTENT != "all", reason="takes most of the memory, or a while: not in a quick check")

Function = Callable[..., Tensor]


@functools.cache
def taps() -> Tensor:
    return torch.tensor([1.0, 3.0, 3.0, 1.0], device=GPU) / 8


@functools.cache
def profile(size: tuple[int, int]) -> Tensor:
    return 1 / torch.arange(1.0, 1 + specops.geometry.radial_bins(size, convention="plain").n_bins, device=GPU)


FUNCTIONS: dict[str, tuple[int, Function]] = {
    "spectrum": (1, specops.radial_spectrum),
    "cross": (2, specops.radial_cross_spectrum),
    "filter": (1, lambda x: specops.radial_filter(x, profile((x.shape[-2], x.shape[-1])))),
    "hff": (1, lambda x: specops.hff(x, 16.0)),
    "hfc": (2, lambda real, fake: specops.hfc(real, fake, 16.0)[1]),
    "up": (1, lambda x: specops.upfirdn2d(x, taps(), up=2, padding=(2, 1, 2, 1), gain=4.0)),
    "down": (1, lambda x: specops.upfirdn2d(x, taps(), down=2, padding=1)),
}


@pytest.fixture(params=KERNELS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    for op in backends.ops():
        if reason := backends.why_not(request.param, op, GPU.type):
            pytest.skip(f"{op}: {reason}")
    with backends.use(request.param):
        yield request.param


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest, backend: str) -> tuple[int, Function]:
    """How many images it takes, and the function."""
    return FUNCTIONS[request.param]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator(GPU).manual_seed(seed), device=GPU)


def some(images: int, *shape: int) -> list[Tensor]:
    return [randn(*shape, seed=i) for i in range(images)]


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


@at_length
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


@at_length
@pytest.mark.parametrize("name", FUNCTIONS)
def test_beyond_two_to_the_31_pixels(backend: str, name: str) -> None:
    images, call = FUNCTIONS[name]
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


@at_length
@pytest.mark.parametrize(("name", "bytes_per_pixel"), [("spectrum", 24), ("filter", 32), ("hfc", 48)])
def test_other_sizes_beyond_two_to_the_31_pixels(backend: str, name: str, bytes_per_pixel: int) -> None:
    """Around torch.fft, which may round a large batch in another way."""
    images, call = FUNCTIONS[name]
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
