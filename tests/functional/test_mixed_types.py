"""Two images of two dtypes, as autocast makes them: computed in the promoted one, each result in its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from tolerances import UNIT_ROUNDOFF, relative_error
from torch import Tensor

import specops
from specops import losses, masks
from specops.ops._checks import check_pair
from specops.ops._layout import compute_dtype

BOUND = {torch.float32: 2e-5, torch.float64: 1e-12}
"""Relative L2 error of the arithmetic; logarithms of weak coefficients are the worst."""

PAIRS = [
    (torch.float32, torch.bfloat16),
    (torch.bfloat16, torch.float32),
    (torch.float16, torch.float64),
    (torch.float64, torch.float32),
    (torch.bfloat16, torch.float16),
]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(str(dtype)[6:] for dtype in pair))

Dtypes = tuple[torch.dtype, torch.dtype]
Call = Callable[[Tensor, Tensor], Sequence[Tensor]]


def promoted(x: torch.dtype, y: torch.dtype) -> torch.dtype:
    return torch.promote_types(x, y)


def own(x: torch.dtype, y: torch.dtype) -> list[torch.dtype]:
    return [x, y]


def spectral(x: torch.dtype, y: torch.dtype) -> list[torch.dtype]:
    return [compute_dtype(promoted(x, y))]


FUNCTIONS: dict[str, tuple[Call, Callable[[torch.dtype, torch.dtype], list[torch.dtype]]]] = {
    "hfc": (lambda x, y: specops.hfc(x, y, 2.5), own),
    "swap_bands": (
        lambda x, y: [specops.swap_bands(x, y, masks.lowpass((12, 10), 2.5))],
        lambda x, y: [promoted(x, y)],
    ),
    "frequency_shift": (lambda x, y: [specops.frequency_shift(x, (0.25, 0.1), imag=y)], lambda x, y: [x]),
    "frequency_shift_complex": (lambda x, y: specops.frequency_shift_complex(x, y, (0.25, 0.1)), own),
    "radial_cross_spectrum": (lambda x, y: [specops.radial_cross_spectrum(x, y, norm="ortho")], spectral),
    "radial_cross_spectrum (hann)": (
        lambda x, y: [specops.radial_cross_spectrum(x, y, window="hann", norm="ortho")],
        spectral,
    ),
    "fourier_ring_correlation": (lambda x, y: [specops.fourier_ring_correlation(x, y)], spectral),
    "leakage_ratio": (lambda x, y: [specops.leakage_ratio(x[0, 0].abs(), y[0, 0].abs())], spectral),
    **{
        name: (lambda x, y, name=name: [getattr(losses, name)(x, y)], spectral)
        for name in losses.__all__
        if name.islower()
    },
}
each_function = pytest.mark.parametrize(("call", "dtypes"), FUNCTIONS.values(), ids=FUNCTIONS.keys())


def images(pair: Dtypes) -> tuple[Tensor, Tensor]:
    x, y = torch.rand(2, 2, 3, 12, 10, dtype=torch.float64).mul(2).sub(1)
    return x.to(pair[0]).requires_grad_(), y.to(pair[1]).requires_grad_()


def slopes(results: Sequence[Tensor], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """The derivatives of the sum of squares of all results, in units of it; none of what has no gradient."""
    if not any(result.requires_grad for result in results):
        return []
    energy = torch.cat([result.double().flatten() for result in results]).square().sum()
    return torch.autograd.grad(energy / energy.detach(), inputs, create_graph=True)


@each_pair
@each_function
def test_computed_in_the_promoted_dtype(
    call: Call, dtypes: Callable[[torch.dtype, torch.dtype], list[torch.dtype]], pair: Dtypes
) -> None:
    """Values and two derivatives are those of float64, up to the arithmetic and one rounding of what comes out."""
    inputs = images(pair)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    results, expected = call(*inputs), call(*exact)
    assert [result.dtype for result in results] == dtypes(*pair)
    arithmetic = BOUND[compute_dtype(promoted(*pair))]
    for result, value in zip(results, expected, strict=True):
        assert relative_error(result, value) <= arithmetic + 1.01 * UNIT_ROUNDOFF[result.dtype]
    rounding = 4 * max(UNIT_ROUNDOFF[dtype] for dtype in (*pair, *dtypes(*pair)))
    for _ in range(2):
        results, expected = slopes(results, inputs), slopes(expected, exact)
        assert [slope.dtype for slope in results] == (list(pair) if expected else [])
        for result, value in zip(results, expected, strict=True):
            assert relative_error(result, value) <= 10 * arithmetic + rounding


@each_function
def test_autocast_changes_nothing(call: Call, dtypes: Callable[[torch.dtype, torch.dtype], list[torch.dtype]]) -> None:
    """A real image and what a layer makes of it, as in training."""
    real = torch.rand(2, 3, 12, 10).mul(2).sub(1)
    with torch.autocast("cpu", torch.bfloat16):
        fake = torch.nn.Conv2d(3, 3, 1)(real)
        assert fake.dtype == torch.bfloat16
        results = call(real, fake)
    for result, expected in zip(results, call(real, fake), strict=True):
        assert torch.equal(result, expected)


def test_compiles_whole() -> None:
    """One function for images, one for spectra and a loss."""
    names = ("hfc", "radial_cross_spectrum", "log_spectrum_mse")

    def some(x: Tensor, y: Tensor) -> list[Tensor]:
        return [result for name in names for result in FUNCTIONS[name][0](x, y)]

    torch.compiler.reset()
    inputs = images((torch.float32, torch.bfloat16))
    fast = torch.compile(some, fullgraph=True, backend="aot_eager")
    results, expected = fast(*inputs), some(*inputs)
    torch.testing.assert_close(results, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(sum(value.float().sum() for value in values), inputs) for values in (results, expected))
    )


def test_images_of_one_dtype_are_not_copied() -> None:
    x, y = torch.rand(2, 4, 4).half()
    assert all(a is b for a, b in zip(check_pair(("x", "y"), x, y), (x, y), strict=True))
