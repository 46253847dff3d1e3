"""The functions under StyleGAN's names, derived from scipy.signal.upfirdn and the sizes they promise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from specops.compat import stylegan


def by_scipy(x: Tensor, f: Tensor, up: int = 1, down: int = 1, before: int = 0, after: int = 0) -> Tensor:
    """Separable filtering of x [..., H, W] by f [taps] along both axes, zeros around."""
    wide = x.numpy()
    for axis in (-2, -1):
        n = wide.shape[axis] * up
        full = scipy.signal.upfirdn(f.numpy(), wide, up=up, axis=axis)
        length = n + len(f) - 1 + 2 * (before + after + len(f))
        start = before + after + len(f)
        padded = np.zeros((*wide.shape[:-2], *(length if a == axis else wide.shape[a] for a in (-2, -1))))
        target = np.moveaxis(padded, axis, -1)
        source = np.moveaxis(full, axis, -1)
        target[..., start : start + source.shape[-1]] = source
        first = start + len(f) - 1 - before
        last = first + n + before + after - len(f)
        wide = np.moveaxis(target[..., first : last + 1 : down], -1, axis)
    return torch.from_numpy(wide.copy())


def test_filters() -> None:
    short, long = [1.0, 3.0, 3.0, 1.0], torch.arange(1.0, 9.0)
    outer = torch.outer(torch.tensor(short), torch.tensor(short))
    torch.testing.assert_close(stylegan.setup_filter(short), outer / 64)
    torch.testing.assert_close(stylegan.setup_filter(short, gain=4), outer / 16)
    torch.testing.assert_close(stylegan.setup_filter(short, normalize=False, separable=True), torch.tensor(short))
    torch.testing.assert_close(stylegan.setup_filter(long, gain=4), long / 36 * 2)
    assert stylegan.setup_filter(long[:7]).shape == (7, 7)
    torch.testing.assert_close(stylegan.setup_filter(long, flip_filter=True), long.flip(0) / 36)
    torch.testing.assert_close(stylegan.setup_filter(None), torch.ones(1, 1))
    torch.testing.assert_close(stylegan.setup_filter(np.ones((2, 3))), torch.ones(2, 3) / 6)
    with pytest.raises(ValueError, match="1-D or 2-D"):
        stylegan.setup_filter(torch.ones(1, 1, 1))
    with pytest.raises(ValueError, match="must be 1-D"):
        stylegan.setup_filter(torch.ones(2, 2), separable=True)


@pytest.mark.parametrize("impl", ["cuda", "ref"])
@pytest.mark.parametrize("taps", [1, 4, 5, 12])
def test_all_functions_equal_scipy(taps: int, impl: str) -> None:
    x = torch.randn(2, 3, 12, 16, dtype=torch.float64)
    f = torch.rand(taps, dtype=torch.float64)
    for kernel in (f, torch.outer(f, f)):
        torch.testing.assert_close(
            stylegan.upfirdn2d(x, kernel, 2, 3, 12, False, 2.5, impl), 2.5 * by_scipy(x, f, 2, 3, 12, 12)
        )
        same = by_scipy(x, f, before=taps // 2, after=(taps - 1) // 2)
        torch.testing.assert_close(stylegan.filter2d(x, kernel, 0, False, 1, impl), same)
        large = by_scipy(x, f, 2, 1, (taps + 1) // 2, taps - 1 - (taps + 1) // 2)
        torch.testing.assert_close(stylegan.upsample2d(x, kernel, 2, 0, False, 1, impl), 4 * large)
        small = by_scipy(x, f, 1, 2, (taps - 1) // 2, (taps - 2) // 2)
        torch.testing.assert_close(stylegan.downsample2d(x, kernel, 2, 0, False, 1, impl), small)
    assert stylegan.upsample2d(x, f, impl=impl).shape == (2, 3, 24, 32)
    assert stylegan.downsample2d(x, f, [2, 1], impl=impl).shape == (2, 3, 12, 8)
    assert stylegan.filter2d(x, f, padding=[1, 2, 0, 3], impl=impl).shape == (2, 3, 15, 19)
    flipped = stylegan.filter2d(x, f, flip_filter=True)
    torch.testing.assert_close(flipped, stylegan.filter2d(x, f.flip(0)))


def test_helpers_of_other_modules() -> None:
    for padding, four in ((2, (2, 2, 2, 2)), ([2, np.int64(-1)], (2, 2, -1, -1)), ((1, 2, 3, 4), (1, 2, 3, 4))):
        assert stylegan._parse_padding(padding) == four
    assert stylegan._parse_scaling(2) == (2, 2)
    assert stylegan._parse_scaling([2, 1]) == (2, 1)
    for f, size in ((None, (1, 1)), (torch.ones(5), (5, 5)), (torch.ones(2, 3), (3, 2))):
        assert stylegan._get_filter_size(f) == size
    assert stylegan._init()


@pytest.mark.parametrize("name", ["upfirdn2d", "filter2d", "upsample2d", "downsample2d"])
def test_arguments_as_networks_have_them(name: str) -> None:
    """By keyword; NumPy's numbers; lists; images of half precision with filters of float32; channels_last."""
    function = getattr(stylegan, name)
    x = torch.randn(2, 3, 8, 8).half()
    for f in (torch.rand(1), torch.rand(12), torch.rand(3, 4), None):
        options = {"f": f, "padding": [np.int64(12), 11, 12, 11], "gain": np.float32(1.5), "flip_filter": True}
        half = function(x=x.to(memory_format=torch.channels_last), impl="ref", **options)
        assert half.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(half, function(x.float(), **options).half(), rtol=1e-3, atol=1e-6)


WRONG = {
    "no padding": ({"padding": None}, TypeError, "padding must be an integer, .x, y. or"),
    "three paddings": ({"padding": (1, 2, 3)}, ValueError, "padding must be an integer, .x, y. or"),
    "half a pixel": ({"padding": [0.5, 1]}, TypeError, "padding must be an integer, .x, y. or"),
    "a filter of no dimension": ({"f": torch.tensor(1.0)}, ValueError, r"f must be \[fh, fw\] or 1-D"),
    "a filter per channel": ({"f": torch.ones(3, 1, 2, 2)}, ValueError, r"f must be \[fh, fw\] or 1-D"),
    "a list for a filter": ({"f": [1, 2, 1]}, TypeError, "f must be a real floating-point tensor"),
}


@pytest.mark.parametrize("name", ["upfirdn2d", "filter2d", "upsample2d", "downsample2d"])
@pytest.mark.parametrize(("wrong", "error", "text"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(name: str, wrong: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        getattr(stylegan, name)(torch.ones(1, 3, 8, 8), **{"f": torch.ones(4), **wrong})


def test_a_gradient_penalty_runs_through_them() -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    f = stylegan.setup_filter([1, 3, 3, 1]).double()
    torch.autograd.gradgradcheck(lambda x: stylegan.downsample2d(stylegan.upsample2d(x, f).square(), f), (x,))
