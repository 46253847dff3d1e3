"""Downsampling modes: published values, torch's own, and wrong use."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from wrong_use import Wrong, refused

from specops import downsample
from specops.nn import BlurPool, Downsample

MODES = ("stride", "avg", "blur", "schwarz_blur")


@pytest.mark.parametrize("mode", ["stride", "avg"])
def test_published_code(mode: str, schwarz: dict[str, np.ndarray]) -> None:
    x = torch.from_numpy(schwarz["x_rs"]).double().requires_grad_()
    out = downsample(x, mode=mode)
    np.testing.assert_allclose(out.detach().numpy(), schwarz[f"down_{mode}_f64"], rtol=1e-12, atol=1e-14)
    (gradient,) = torch.autograd.grad(out, x, torch.from_numpy(schwarz[f"down_{mode}_v"]))
    np.testing.assert_allclose(gradient.numpy(), schwarz[f"down_{mode}_vjp_f64"], rtol=1e-12, atol=1e-14)


def test_published_blur_pooling(fixes: dict[str, np.ndarray]) -> None:
    out = downsample(torch.from_numpy(fixes["blur_x"]), mode="blur", taps=3)
    np.testing.assert_allclose(out.numpy(), fixes["aablur_3"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("taps", range(1, 8))
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_blur_is_a_binomial_filter_and_a_stride(factor: int, taps: int) -> None:
    """An even filter reaches one sample further to the right."""
    x = torch.randn(2, 11, 8, dtype=torch.float64)
    f = np.array([math.comb(taps - 1, i) for i in range(taps)]) / 2 ** (taps - 1)
    wide = x.numpy()
    for axis in (1, 2):
        wide = scipy.ndimage.correlate1d(wide, f, axis=axis, mode="mirror", origin=-1 if taps % 2 == 0 else 0)
    expected = torch.from_numpy(wide[:, ::factor, ::factor].copy())
    torch.testing.assert_close(downsample(x, factor, mode="blur", taps=taps), expected)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_torch(factor: int) -> None:
    x = torch.randn(2, 3, 9, 10, dtype=torch.float64)
    torch.testing.assert_close(downsample(x, factor, mode="avg"), F.avg_pool2d(x, factor))
    assert torch.equal(downsample(x, factor, mode="stride"), x[..., ::factor, ::factor])
    kernel = torch.tensor([1.0, 3.0, 1.0], dtype=torch.float64)
    blurred = F.conv2d(
        F.pad(x, (1, 1, 1, 1), "reflect"), (torch.outer(kernel, kernel) / 25).expand(3, 1, 3, 3), groups=3
    )
    torch.testing.assert_close(downsample(x, factor, mode="schwarz_blur"), F.avg_pool2d(blurred, factor))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_blur_pool_loads_its_filter_from_any_dtype(dtype: torch.dtype) -> None:
    pool = BlurPool(3, 7)
    pool.load_state_dict(BlurPool(3, 7).to(dtype).state_dict())
    pool.to(dtype).load_state_dict(BlurPool(3, 7).state_dict())
    assert torch.equal(pool.filt, BlurPool(3, 7).filt.to(dtype))


def test_blur_pool_loads_fake_states() -> None:
    with FakeTensorMode():
        pool = BlurPool(3)
        pool.load_state_dict(pool.state_dict())
        nn.Sequential(pool).load_state_dict({})


def test_blur_pool_loads_a_state_without_a_filter() -> None:
    """Strict loading lets the filter alone be missing, and writes it into memory that held anything."""
    with torch.device("meta"):
        network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), BlurPool(3))
    network.to_empty(device="cpu")
    network[1].filt.fill_(torch.nan)
    network.load_state_dict({"0.weight": torch.ones(3), "0.bias": torch.zeros(3)})
    assert torch.equal(network[1].filt, BlurPool(3).filt)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\.weight", "0\.bias"\.'):
        network.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "1\.taps"'):
        network.load_state_dict({**network.state_dict(), "1.taps": torch.ones(4)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_blur_pool_is_assigned_its_filter_where_the_state_has_none(dtype: torch.dtype) -> None:
    """A module on the meta device gets its filter in memory of its own."""
    with torch.device("meta"):
        network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), BlurPool(3)).to(dtype)
    state = {"0.weight": torch.ones(3), "0.bias": torch.zeros(3)}
    network.load_state_dict(state, assign=True)
    expected = BlurPool(3).filt.to(dtype)
    assert (network[1].filt.device, network[1].filt.stride()) == (expected.device, expected.stride())
    assert torch.equal(network[1].filt, expected)
    assert list(state) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("value", [None, [1.0, 3.0, 3.0, 1.0]], ids=["None", "list"])
def test_blur_pool_leaves_what_is_no_tensor_to_torch(value: object) -> None:
    with pytest.raises(RuntimeError, match=r'parameter named "0\.filt", expected torch\.Tensor .* but received'):
        nn.Sequential(BlurPool(3)).load_state_dict({"0.filt": value})


OTHER_FILTERS = {
    "taps": (torch.ones(3, 1, 4, 4) / 16, r"0\.filt must hold the binomial filter that BlurPool\(3, .* got other taps"),
    "nan": (torch.full((3, 1, 4, 4), torch.nan), "got other taps"),
    "size": (torch.ones(3, 1, 3, 3), r"filt_size\] = \[3, 1, 4, 4\] for BlurPool\(3, .* got \[3, 1, 3, 3\]"),
    "channels": (torch.ones(1, 1, 4, 4), r"\[channels, 1, .* = \[3, 1, 4, 4\] for .* got \[1, 1, 4, 4\]"),
}


@pytest.mark.parametrize(("filt", "message"), OTHER_FILTERS.values(), ids=OTHER_FILTERS.keys())
def test_blur_pool_refuses_another_filter(filt: Tensor, message: str) -> None:
    network = nn.Sequential(BlurPool(3))
    with pytest.raises(RuntimeError, match=message):
        network.load_state_dict({"0.filt": filt}, strict=False)
    assert torch.equal(network[0].filt, BlurPool(3).filt)


@pytest.mark.parametrize("mode", MODES)
def test_module(mode: str) -> None:
    x = torch.randn(2, 3, 9, 8)
    assert torch.equal(Downsample(3, mode=mode, taps=5)(x), downsample(x, 3, mode=mode, taps=5))
    assert Downsample(mode=mode)(x[:, :0]).shape == (2, 0, 5 if mode in ("stride", "blur") else 4, 4)


X = torch.randn(2, 8, 8)
WRONG: list[Wrong] = [
    (lambda: downsample(X, mode="max"), ValueError, "mode must be one of stride, avg"),
    (lambda: downsample(X, 0, mode="avg"), ValueError, "factor must be at least 1"),
    (lambda: downsample(X, (2, 2), mode="avg"), TypeError, "factor must be an integer"),
    (lambda: downsample(X, 9, mode="avg"), ValueError, "at least 9 pixels a side"),
    (lambda: BlurPool(3)(X), ValueError, r"x must be \[\.\.\., 3, H, W\]"),
    (lambda: Downsample(mode="max")(X), ValueError, "mode must be one of"),
    (lambda: downsample(X, mode="blur", taps=8), ValueError, "taps must be 1 to 7; got 8"),
    (lambda: downsample(X, mode="blur", taps=2.0), TypeError, "taps must be an integer"),
]

test_wrong_arguments = refused(WRONG)
