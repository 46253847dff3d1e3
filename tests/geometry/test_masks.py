"""Masks: their formulas, their derivatives, their sums, and wrong use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from wrong_use import Wrong, refused

from specops import masks

KINDS = masks.KINDS
SMOOTH = [kind for kind in KINDS if kind != "ideal"]


def radius_map(H: int, W: int) -> Tensor:
    ky, kx = torch.fft.fftfreq(H, 1 / H, dtype=torch.float64), torch.fft.rfftfreq(W, 1 / W, dtype=torch.float64)
    return torch.hypot(ky[:, None] * max(H, W) / H, kx[None] * max(H, W) / W)


FORMULAS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "ideal": lambda k, r: (k < r).double(),
    "gaussian": lambda k, r: torch.exp(-(k**2) / (2 * r**2)),
    "butterworth": lambda k, r: 1 / (1 + (k / r) ** 4),
    "logistic": lambda k, r: 1 / (1 + torch.exp(k - r)),
    "raised_cosine": lambda k, r: 0.5 + 0.5 * torch.cos(math.pi * (k - r + 0.5).clamp(0, 1)),
}


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 40), st.sampled_from(KINDS))
def test_formulas(H: int, W: int, radius: float, kind: str) -> None:
    mask = masks.lowpass((H, W), radius, kind=kind, dtype=torch.float64)
    torch.testing.assert_close(mask, FORMULAS[kind](radius_map(H, W), radius))
    assert mask.shape == (H, W // 2 + 1)
    assert ((mask >= 0) & (mask <= 1)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_cutoffs_lose_nothing(dtype: torch.dtype) -> None:
    """0.4 of 2^18 is infinite in float16."""
    cutoff = torch.tensor(0.4, dtype=dtype)
    for size, kind in (((500, 500), "ideal"), ((1, 2**18), "gaussian")):
        expected = masks.lowpass(size, cutoff=cutoff.item(), kind=kind, dtype=torch.float64)
        assert torch.equal(masks.lowpass(size, cutoff=cutoff, kind=kind, dtype=torch.float64), expected)


def test_ideal_masks_of_any_dtype_and_radius() -> None:
    size = (8, 6)
    for mask in (masks.highpass, lambda *args, **kwargs: masks.bandpass(size, 1, 2, **kwargs)):
        assert torch.equal(mask(size, 2, dtype=torch.float8_e4m3fn).float(), mask(size, 2))
    for tiny in (1e-170, torch.tensor(1e-170, dtype=torch.float64)):
        assert masks.lowpass(size, tiny).sum() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_low_band_and_high_pass_add_to_one(kind: str) -> None:
    size = (12, 17)
    parts = (
        masks.lowpass(size, 2.0, kind=kind),
        masks.bandpass(size, 2.0, 5.0, kind=kind),
        masks.highpass(size, 5.0, kind=kind),
    )
    torch.testing.assert_close(sum(parts), torch.ones(12, 9))


@pytest.mark.parametrize(
    ("kind", "options", "low"),
    [
        ("butterworth", {"order": 3.5}, lambda k, r: 1 / (1 + (k / r) ** 7)),
        ("logistic", {"width": 0.7}, lambda k, r: torch.sigmoid((r - k) / 0.7)),
        ("raised_cosine", {"width": 3}, lambda k, r: (1 + torch.cos(math.pi * ((k - r) / 3 + 0.5).clamp(0, 1))) / 2),
    ],
    ids=["order", "width", "width of the cosine"],
)
def test_width_and_order(kind: str, options: dict[str, Any], low: Callable[[Tensor, float], Tensor]) -> None:
    k = radius_map(12, 9)
    options = {"kind": kind, "dtype": torch.float64, **options}
    torch.testing.assert_close(masks.lowpass((12, 9), 3.0, **options), low(k, 3.0))
    torch.testing.assert_close(masks.highpass((12, 9), cutoff=0.25, **options), 1 - low(k, 3.0))
    torch.testing.assert_close(masks.bandpass((12, 9), 1.5, 4.0, **options), low(k, 4.0) - low(k, 1.5))


def test_ideal_is_strict_at_the_radius_and_whole_beyond_the_corner() -> None:
    assert masks.lowpass((16, 16), 5)[3, 4] == 0
    assert masks.lowpass((16, 16), 5.0001)[3, 4] == 1
    assert masks.lowpass((16, 16), math.hypot(8, 8)).sum() == 16 * 9 - 1
    assert masks.lowpass((16, 16), 12).all()


def test_cutoff_is_the_radius_over_the_longer_side() -> None:
    assert torch.equal(masks.lowpass((16, 32), cutoff=0.25), masks.lowpass((16, 32), 8))
    assert torch.equal(masks.bandpass((8, 4), cutoff=(0.125, 0.5)), masks.bandpass((8, 4), 1, 4))


@pytest.mark.parametrize("kind", SMOOTH)
def test_derivatives_in_the_parameters(kind: str) -> None:
    extra = {"butterworth": "order", "logistic": "width", "raised_cosine": "width"}.get(kind)
    radius, other = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.7, 1.8))

    def mask(radius: Tensor, other: Tensor) -> Tensor:
        options: dict[str, Any] = {extra: other} if extra else {}
        return masks.lowpass((7, 8), radius, kind=kind, **options)

    torch.autograd.gradcheck(mask, (radius, other))
    torch.autograd.gradgradcheck(mask, (radius, other))
    gradients = torch.autograd.grad(mask(radius, other).sum(), (radius, other), allow_unused=True)
    assert all(gradient is None or gradient != 0 for gradient in gradients[: 1 + bool(extra)])


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_parameters_stay_finite(kind: str) -> None:
    for value in (1e-6, 1e6):
        radius = torch.tensor(value, requires_grad=True)
        mask = masks.lowpass((64, 64), radius, kind=kind, **({"order": 40.0} if kind == "butterworth" else {}))
        assert mask.isfinite().all()
        if mask.requires_grad:
            (gradient,) = torch.autograd.grad(mask.sum(), radius)
            assert gradient.isfinite()


def test_dtype_and_device_follow_a_tensor_parameter() -> None:
    assert masks.lowpass((4, 4), torch.tensor(1.0, dtype=torch.float64), kind="gaussian").dtype == torch.float64
    assert masks.lowpass((4, 4), 1.0).dtype == torch.get_default_dtype()
    assert masks.bandpass((4, 4), 1.0, torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float64
    assert masks.highpass((4, 4), 1.0, dtype=torch.bfloat16).dtype == torch.bfloat16
    assert masks.lowpass((4, 4), 1.0, device="meta").device.type == "meta"


WRONG: list[Wrong] = [
    (lambda: masks.lowpass((8, 8), 0), ValueError, "radius must be above 0; got 0"),
    (lambda: masks.lowpass((8, 8), -1.0), ValueError, "radius must be above 0"),
    (lambda: masks.lowpass((8, 8), math.nan), ValueError, "radius must be above 0; got nan"),
    (lambda: masks.lowpass((8, 8)), ValueError, "either radius in cycles per image or cutoff"),
    (lambda: masks.lowpass((8, 8), 1, cutoff=0.1), ValueError, "either radius in cycles per image or cutoff"),
    (lambda: masks.lowpass((8, 8), "2"), TypeError, "radius must be a number or a tensor; got str"),
    (lambda: masks.lowpass((8, 8), torch.ones(2)), ValueError, "a tensor radius must hold one real number"),
    (lambda: masks.lowpass((8, 8), torch.ones(1).to_sparse()), ValueError, "one real number, dense; got"),
    (lambda: masks.lowpass((8, 8), 1, kind="box"), ValueError, "kind must be one of ideal, gaussian"),
    (lambda: masks.lowpass((8, 8), 1, width=1), ValueError, "width is a parameter of logistic and raised_cosine"),
    (lambda: masks.lowpass((8, 8), 1, order=1), ValueError, "order is a parameter of butterworth"),
    (lambda: masks.lowpass((8, 8), 1, kind="butterworth", order=math.inf), ValueError, "order must be finite"),
    (lambda: masks.lowpass((8, 8), 1, kind="logistic", width=math.inf), ValueError, "width must be finite"),
    (lambda: masks.lowpass((8, 8), 1, kind="logistic", width=0), ValueError, "width must be above 0"),
    (lambda: masks.lowpass((8, 0), 1), ValueError, r"size must be \(H, W\) with H, W >= 1"),
    (lambda: masks.bandpass((8, 8), 3, 2), ValueError, "low must be below high; got 3 and 2"),
    (lambda: masks.bandpass((8, 8), 0, 2), ValueError, "low must be above 0; got 0"),
    (lambda: masks.bandpass((8, 8), cutoff=0.1), TypeError, r"cutoff must be a pair \(low, high\)"),
    (lambda: masks.lowpass((8, 8), 1, dtype=torch.int64), TypeError, "dtype must be a floating-point one"),
    (lambda: masks.lowpass((8, 8), 1, dtype="float32"), TypeError, "dtype must be a floating-point one"),
    (lambda: masks.lowpass((8, 8), torch.tensor(-2.0)), ValueError, r"radius must be above 0; got -2\.0"),
    (
        lambda: masks.lowpass((8, 8), 1.0, kind="logistic", width=torch.tensor(-1.0)),
        ValueError,
        r"width must be above 0; got -1\.0",
    ),
    (lambda: masks.bandpass((8, 8), torch.tensor(3.0), 2.0), ValueError, "low must be below high"),
    (lambda: masks.bandpass((8, 8), cutoff=(None, 0.1)), TypeError, r"cutoff must be a pair \(low, high\)"),
    (lambda: masks.bandpass((8, 8), 3), ValueError, "bandpass needs either low and high"),
    (lambda: masks.bandpass((8, 8), 1, 2, cutoff=(0.1, 0.2)), ValueError, "bandpass needs either low and high"),
]

test_wrong_arguments = refused(WRONG)
