"""The clipped band swap: its kernel against the reference, and what it is made of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from specops import backends, geometry, masks, ops
from specops.ops._layout import compute_dtype

TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1e-5, torch.float64: 1e-13}
SIZES = [(1, 6), (5, 4), (8, 8), (33, 33), (64, 32), (300, 7), (1030, 4)]  # the last beyond the engine's


def transposed(image: Tensor) -> Tensor:
    return image.transpose(-1, -2).contiguous().transpose(-1, -2)


LAYOUTS = {
    "contiguous": lambda a, b: (a, b),
    "channels_last": lambda a, b: (a.to(memory_format=torch.channels_last), b.to(memory_format=torch.channels_last)),
    "one channels_last": lambda a, b: (a.to(memory_format=torch.channels_last), b),
    "constant": lambda a, b: (a, b.flatten()[0].expand_as(b)),
    "constant, transposed": lambda a, b: (transposed(a), b.flatten()[0].expand_as(b)),
    "transposed": lambda a, b: (a, transposed(b)),
    "expanded": lambda a, b: (a[:1].expand_as(a), b),
}


def maps(size: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Gains of a Gaussian low-pass, index and weight."""
    dtype = compute_dtype(dtype)
    index, _, weight = geometry.coefficient_maps(*size, dtype, torch.device("cpu"))
    return masks.lowpass(size, max(size) / 4, kind="gaussian", dtype=dtype).flatten(), index, weight


def pair(size: tuple[int, int], dtype: torch.dtype, channels: int = 17) -> tuple[Tensor, Tensor]:
    return torch.randn(2, channels, *size).to(dtype), torch.randn(2, channels, *size).to(dtype)


@pytest.mark.parametrize("per_image", [False, True], ids=["one profile", "profiles"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_the_reference(size: tuple[int, int], dtype: torch.dtype, layout: str, per_image: bool) -> None:
    a, b = LAYOUTS[layout](*pair(size, dtype))
    c, index, weight = maps(size, dtype)
    if per_image:
        c = c * torch.rand(2, 17, 1, dtype=c.dtype)
    for keep in (True, False):
        with backends.use("cpp"):
            swapped, slope, kept = ops.clipped_band_swap(a, b, c, index, weight, -0.5, 1.5, keep)
        with backends.use("reference"):
            expected, expected_slope, expected_kept = ops.clipped_band_swap(a, b, c, index, weight, -0.5, 1.5, keep)
            unclipped = ops.clipped_band_swap(a, b, c, index, weight, -0.5, 1e3, keep)[0].float()
        assert swapped.dtype == dtype
        torch.testing.assert_close(swapped, expected, rtol=0, atol=TOLERANCE[dtype])
        assert torch.equal(kept, expected_kept)
        near = 1e-3 if dtype in (torch.float32, torch.float64) else 2e-2
        turning = (slope != expected_slope) & ((unclipped + 0.5).abs() > near) & ((unclipped - 1.5).abs() > near)
        assert not turning.any()
        assert set(slope.unique().tolist()) <= {-1, 0, 1}


def test_an_image_in_the_range_is_kept_to_the_bit() -> None:
    a, b = (image.clamp(-1, 1) for image in pair((8, 8), torch.float32))
    c, index, weight = maps((8, 8), torch.float32)
    assert torch.equal(ops.clipped_band_swap(a, b, c, index, weight, -1.0, 1.0, True)[2], b)


@pytest.mark.parametrize("backend", ["cpp", "reference"])
def test_derivatives(backend: str) -> None:
    a, b = (image.requires_grad_() for image in pair((5, 6), torch.float64, channels=2))
    c, index, weight = maps((5, 6), torch.float64)
    c.requires_grad_()

    def swap(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        swapped, _, kept = ops.clipped_band_swap(a, b, c, index, weight, -1.0, 1.0, True)
        return swapped, kept

    with backends.use(backend):
        torch.autograd.gradcheck(swap, (a, b, c), fast_mode=True, check_forward_ad=True, check_batched_grad=True)
        torch.autograd.gradgradcheck(swap, (a, b, c), fast_mode=True)
        torch.autograd.gradcheck(lambda a: swap(a, a, c), (a,), fast_mode=True, check_forward_ad=True)


def slopes_of(x: Tensor) -> Tensor:
    return torch.randint(-1, 2, x.shape, dtype=torch.int8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sloped_filter_is_the_filter_of_the_product(size: tuple[int, int], dtype: torch.dtype, layout: str) -> None:
    """To the bit, the slopes in any layout too, and 0 · NaN as torch has it."""
    x, other = LAYOUTS[layout](*pair(size, dtype))
    c, index, weight = maps(size, dtype)
    for slope in (slopes_of(x), slopes_of(x).mT.contiguous().mT, slopes_of(x)[:1].expand_as(x)):
        for images in (x, other):
            product = (images * slope).contiguous()
            out = ops.binned_sloped_filter(images, c, slope, index, weight)
            assert torch.equal(out, ops.binned_filter(product, c, index, weight))
    x = x.clone()
    x[1, 3, 0, 0] = torch.nan
    out = ops.binned_sloped_filter(x, c, torch.zeros_like(slope), index, weight)
    expected = ops.binned_filter((x * 0).contiguous(), c, index, weight)
    assert torch.equal(out.isnan(), expected.isnan())


def test_sloped_filter_on_any_number_of_threads() -> None:
    x, _ = pair((64, 64), torch.float32)
    slope, (c, index, weight) = slopes_of(x), maps((64, 64), torch.float32)
    whole = ops.binned_sloped_filter(x, c, slope, index, weight)
    for threads in (1, 3, 8):
        torch.set_num_threads(threads)
        assert torch.equal(ops.binned_sloped_filter(x, c, slope, index, weight), whole)
    assert torch.equal(ops.binned_sloped_filter(x[1, 4], c, slope[1, 4], index, weight), whole[1, 4])


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("backend", ["cpp", "reference"])
def test_derivatives_of_the_sloped_filter(backend: str, shared: bool) -> None:
    x = pair((5, 6), torch.float64, channels=2)[0].requires_grad_()
    slope, (c, index, weight) = slopes_of(x), maps((5, 6), torch.float64)
    c = (c if shared else c * torch.rand(2, 2, 1, dtype=c.dtype)).requires_grad_()

    def sloped(x: Tensor, c: Tensor) -> Tensor:
        return ops.binned_sloped_filter(x, c, slope, index, weight)

    with backends.use(backend):
        torch.autograd.gradcheck(sloped, (x, c), fast_mode=True, check_forward_ad=True, check_batched_grad=True)
        torch.autograd.gradgradcheck(sloped, (x, c), fast_mode=True)


def test_vmap_of_the_sloped_filter() -> None:
    x = torch.randn(3, 2, 5, 6)
    slope, (c, index, weight) = slopes_of(x), maps((5, 6), torch.float32)
    for c_dim, cs in ((None, c), (0, torch.stack([c, 2 * c, 3 * c]))):
        call = torch.func.vmap(lambda x, c, s: ops.binned_sloped_filter(x, c, s, index, weight), (0, c_dim, 0))
        out = call(x, cs, slope)
        for i in range(3):
            alone = ops.binned_sloped_filter(x[i], c if c_dim is None else cs[i], slope[i], index, weight)
            torch.testing.assert_close(out[i], alone)


def test_wrong_slopes() -> None:
    x, (c, index, weight) = torch.ones(2, 8, 8), maps((8, 8), torch.float32)
    for slope in (None, torch.ones(2, 8, 8), slopes_of(x).to_sparse()):
        with pytest.raises(TypeError, match="slope must be a dense int8 tensor; got "):
            ops.binned_sloped_filter(x, c, slope, index, weight)
    for slope in (slopes_of(x)[0], slopes_of(x).to("meta")):
        with pytest.raises(ValueError, match=r"slope must be \[2, 8, 8\] on cpu like x; got "):
            ops.binned_sloped_filter(x, c, slope, index, weight)


def test_opcheck() -> None:
    a, b = (image.requires_grad_() for image in pair((5, 6), torch.float32, channels=2))
    c, index, weight = maps((5, 6), torch.float32)
    for keep in (True, False):
        arguments = (a, b, c.clone().requires_grad_(), index, weight, -1.0, 1.0, keep)
        torch.library.opcheck(torch.ops.specops.clipped_band_swap.default, arguments)
    arguments = (a, c.clone().requires_grad_(), slopes_of(a), index, weight)
    torch.library.opcheck(torch.ops.specops.binned_sloped_filter.default, arguments)


@pytest.mark.parametrize("dims", [(0, None, None), (None, 0, 0), (0, 0, None), (1, 0, 0)], ids=str)
def test_vmap(dims: tuple[int | None, ...]) -> None:
    c, index, weight = maps((5, 6), torch.float64)
    single = (*(image[0] for image in pair((5, 6), torch.float64, channels=2)), c)
    arguments = [
        t if dim is None else torch.stack([t, t / 2, t.flip(-1)], dim) for t, dim in zip(single, dims, strict=True)
    ]

    def swap(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return ops.clipped_band_swap(a, b, c, index, weight, -1.0, 1.0, True)[0]

    out = torch.func.vmap(swap, in_dims=dims)(*arguments)
    for i in range(3):
        each = [t if dim is None else t.select(dim, i) for t, dim in zip(arguments, dims, strict=True)]
        torch.testing.assert_close(out[i], swap(*each))


def test_alone_or_among_others_and_on_any_number_of_threads() -> None:
    a, b = pair((64, 64), torch.float32)
    a[1, 3, 5, 7] = torch.nan
    c, index, weight = maps((64, 64), torch.float32)
    arguments = (c, index, weight, -1.0, 1.0, True)
    whole = ops.clipped_band_swap(a, b, *arguments)
    for threads in (1, 3, 8):
        torch.set_num_threads(threads)
        again = ops.clipped_band_swap(a, b, *arguments)
        assert all(torch.equal(x.nan_to_num(9), y.nan_to_num(9)) for x, y in zip(again, whole, strict=True))
    alone = ops.clipped_band_swap(a[1, 4], b[1, 4], *arguments)
    assert all(torch.equal(x, y[1, 4]) for x, y in zip(alone, whole, strict=True))
    assert whole[0].isnan().any((-2, -1)).sum() == 1


def test_empty_batch() -> None:
    a = torch.ones(0, 3, 8, 8, requires_grad=True)
    swapped, slope, kept = ops.clipped_band_swap(a, a, *maps((8, 8), torch.float32), -1.0, 1.0, True)
    assert swapped.shape == slope.shape == kept.shape == a.shape
    swapped.sum().backward()


def test_wrong_arguments() -> None:
    a, b = pair((8, 8), torch.float32)
    c, index, weight = maps((8, 8), torch.float32)
    with pytest.raises(ValueError, match="a and b must have one shape, dtype and device"):
        ops.clipped_band_swap(a, b[:1], c, index, weight, -1.0, 1.0, True)
    with pytest.raises(ValueError, match=r"low must be below high; got 1\.0 and 1\.0"):
        ops.clipped_band_swap(a, b, c, index, weight, 1.0, 1.0, True)
    with pytest.raises(ValueError, match="index and weight must be"):
        ops.clipped_band_swap(a, b, c, index[:4], weight, -1.0, 1.0, True)
    with pytest.raises(TypeError, match="c must be"):
        ops.clipped_band_swap(a, b, c.double(), index, weight, -1.0, 1.0, True)
    for backend in ("cpp", "reference"):
        with backends.use(backend), pytest.raises(ValueError, match="index must be -1 to n_bins - 1"):
            ops.clipped_band_swap(a, b, c, index + 1, weight, -1.0, 1.0, True)
