"""Resampling against diffusers' upfirdn2d and the BlurPool of antialiased-cnns."""

from __future__ import annotations

import pytest
import torch

import specops
from specops.compat import stylegan
from specops.nn import BlurPool


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize("pad", [(2, 1), (0, 0), (-1, 3)], ids=str)
def test_diffusers(up: int, down: int, pad: tuple[int, int]) -> None:
    """Its pad is (before, after) along both axes."""
    upsampling = pytest.importorskip("diffusers.models.upsampling", reason="the extra `peers` is not installed")
    x, f = torch.randn(2, 3, 12, 17), torch.rand(4, 3)
    theirs = upsampling.upfirdn2d_native(x, f, up=up, down=down, pad=pad)
    ours = specops.upfirdn2d(x, f, up=up, down=down, padding=(*pad, *pad))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_taps", [3, 4, 7])
@pytest.mark.parametrize("factor", [2, 3])
def test_diffusers_by_the_names_of_stylegan(factor: int, n_taps: int) -> None:
    """`upsample_2d` and `downsample_2d` there, which pad by a pair (before, after)."""
    upsampling = pytest.importorskip("diffusers.models.upsampling", reason="the extra `peers` is not installed")
    downsampling = pytest.importorskip("diffusers.models.downsampling", reason="the extra `peers` is not installed")
    x, taps = torch.randn(2, 3, 12, 15), torch.rand(n_taps)
    f = stylegan.setup_filter(taps, separable=False)
    large = stylegan.upsample2d(x, f, up=factor)
    torch.testing.assert_close(large, upsampling.upsample_2d(x, taps.tolist(), factor), rtol=1e-6, atol=1e-6)
    p0, p1 = (n_taps + factor - 1) // 2, (n_taps - factor) // 2
    torch.testing.assert_close(
        specops.upfirdn2d(x, f, up=factor, padding=(p0, p1, p0, p1), gain=factor**2), large, rtol=1e-6, atol=1e-6
    )
    small = stylegan.downsample2d(x, f, down=factor)
    torch.testing.assert_close(small, downsampling.downsample_2d(x, taps.tolist(), factor), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("taps", range(1, 8))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad_type", ["reflect", "replicate", "zero"])
def test_antialiased_cnns(pad_type: str, stride: int, taps: int) -> None:
    cnns = pytest.importorskip("antialiased_cnns", reason="the extra `peers` is not installed")
    x = torch.randn(2, 3, 12, 17)
    theirs = cnns.BlurPool(3, pad_type=pad_type, filt_size=taps, stride=stride)
    ours = BlurPool(3, taps, stride, pad_type)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)
    assert torch.equal(ours.filt, theirs.filt)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
