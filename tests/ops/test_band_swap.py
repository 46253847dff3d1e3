"""The clipped band swap and the sloped filter beside the battery: layouts of two images, identities, wrong use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from specops import geometry, masks, ops
from specops.ops._layout import compute_dtype

DTYPES = [torch.bfloat16, torch.float32]
SIZES = [(5, 4), (33, 33), (1030, 4)]  # the last beyond the engine's


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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_two_images_of_other_layouts(size: tuple[int, int], dtype: torch.dtype, layout: str) -> None:
    a, b = LAYOUTS[layout](*pair(size, dtype))
    rest = (*maps(size, dtype), -0.5, 1.5, True)
    expected = ops.clipped_band_swap(a.contiguous(), b.contiguous(), *rest)
    assert all(torch.equal(out, own) for out, own in zip(ops.clipped_band_swap(a, b, *rest), expected, strict=True))


def test_an_image_in_the_range_is_kept_to_the_bit() -> None:
    a, b = (image.clamp(-1, 1) for image in pair((8, 8), torch.float32))
    profile, index, weight = maps((8, 8), torch.float32)
    assert torch.equal(ops.clipped_band_swap(a, b, profile, index, weight, -1.0, 1.0, True)[2], b)


def test_derivatives_where_both_images_are_one() -> None:
    a = pair((5, 6), torch.float64, channels=2)[0].requires_grad_()
    rest = (*maps((5, 6), torch.float64), -1.0, 1.0, True)

    def swap(a: Tensor) -> tuple[Tensor, Tensor]:
        return ops.clipped_band_swap(a, a, *rest)[::2]

    torch.autograd.gradcheck(swap, (a,), fast_mode=True, check_forward_ad=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_clipped_filter_is_the_swap_with_a_constant(size: tuple[int, int], dtype: torch.dtype) -> None:
    """Values and gradients, of a range whose low end no bfloat16 is."""
    x, profile, index, weight = pair(size, dtype)[0] * 0.5 + 301, *maps(size, dtype)
    low, high = 300.3, 302.0

    def results(op: str) -> list[Tensor]:
        leaves = [x.clone().requires_grad_(), profile.clone().requires_grad_()]
        constant = torch.full((), low, dtype=dtype).expand(x.shape)
        args = (leaves[0], constant, leaves[1]) if op == "clipped_band_swap" else leaves
        keep = (False,) if op == "clipped_band_swap" else ()
        out, slope, *_ = getattr(ops, op)(*args, index, weight, low, high, *keep)
        return [out, slope, *torch.autograd.grad(out.float().sum(), leaves)]

    for one, other in zip(results("clipped_filter"), results("clipped_band_swap"), strict=True):
        assert torch.equal(one, other)


def slopes_of(x: Tensor) -> Tensor:
    return torch.randint(-1, 2, x.shape, dtype=torch.int8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sloped_filter_is_the_filter_of_the_product(size: tuple[int, int], dtype: torch.dtype, layout: str) -> None:
    """To the bit, the slopes in any layout too, and 0 · NaN as torch has it."""
    x, other = LAYOUTS[layout](*pair(size, dtype))
    profile, index, weight = maps(size, dtype)
    for slope in (slopes_of(x), slopes_of(x).mT.contiguous().mT, slopes_of(x)[:1].expand_as(x)):
        for images in (x, other):
            product = (images * slope).contiguous()
            out = ops.binned_sloped_filter(images, profile, slope, index, weight)
            assert torch.equal(out, ops.binned_filter(product, profile, index, weight))
    x = x.clone()
    x[1, 3, 0, 0] = torch.nan
    out = ops.binned_sloped_filter(x, profile, torch.zeros_like(slope), index, weight)
    expected = ops.binned_filter((x * 0).contiguous(), profile, index, weight)
    assert torch.equal(out.isnan(), expected.isnan())


def test_wrong_slopes() -> None:
    x, (profile, index, weight) = torch.ones(2, 8, 8), maps((8, 8), torch.float32)
    for slope in (None, torch.ones(2, 8, 8), slopes_of(x).to_sparse()):
        with pytest.raises(TypeError, match="slope must be a dense int8 tensor; got "):
            ops.binned_sloped_filter(x, profile, slope, index, weight)
    for slope in (slopes_of(x)[0], slopes_of(x).to("meta")):
        with pytest.raises(ValueError, match=r"slope must be \[2, 8, 8\] on cpu like x; got "):
            ops.binned_sloped_filter(x, profile, slope, index, weight)


def test_wrong_arguments() -> None:
    a, b = pair((8, 8), torch.float32)
    profile, index, weight = maps((8, 8), torch.float32)
    with pytest.raises(ValueError, match="a and b must have one shape, dtype and device"):
        ops.clipped_band_swap(a, b[:1], profile, index, weight, -1.0, 1.0, True)
    with pytest.raises(ValueError, match=r"low must be below high; got 1\.0 and 1\.0"):
        ops.clipped_band_swap(a, b, profile, index, weight, 1.0, 1.0, True)
    with pytest.raises(ValueError, match="index and weight must be"):
        ops.clipped_band_swap(a, b, profile, index[:4], weight, -1.0, 1.0, True)
    with pytest.raises(TypeError, match="profile must be"):
        ops.clipped_band_swap(a, b, profile.double(), index, weight, -1.0, 1.0, True)
