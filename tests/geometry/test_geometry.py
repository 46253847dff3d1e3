"""Radial bins: every coefficient once, in exactly the right bin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from specops import geometry

sides = st.integers(1, 40)


def exact_bins(H: int, W: int) -> np.ndarray:
    """floor(k) of every full-plane coefficient, in integers: [H, W]."""
    ky, kx = (np.array([i if 2 * i <= n else i - n for i in range(n)]) for n in (H, W))
    squared = (ky[:, None] * W) ** 2 + (kx * H) ** 2  # (k · min(H, W))²
    return np.vectorize(math.isqrt)(squared // min(H, W) ** 2)


@given(sides, sides)
def test_each_coefficient_counts_once_in_its_exact_bin(H: int, W: int) -> None:
    """But for `schwarz2021`, which counts Nyquist's rows and columns twice."""
    full = exact_bins(H, W)
    assert geometry.radial_bins((H, W), convention="plain").count.tolist() == np.bincount(full.ravel()).tolist()
    rows, columns = ([*range(n), *([n // 2] if n % 2 == 0 else [])] for n in (H, W))
    expected = np.bincount(full[np.ix_(rows, columns)].ravel())
    assert geometry.radial_bins((H, W)).count.tolist() == expected.tolist()


@pytest.mark.parametrize("size", [(64, 64), (33, 48), (1, 9), (100, 60)], ids=str)
def test_radii_lie_in_their_bins(size: tuple[int, int]) -> None:
    bins = geometry.radial_bins(size)
    assert torch.equal(bins.edges, torch.arange(bins.n_bins + 1, dtype=torch.float64))
    assert ((bins.mean_radius >= bins.edges[:-1]) & (bins.mean_radius < bins.edges[1:])).all()
    assert torch.equal(bins.centers, bins.edges[:-1] + 0.5)
    assert torch.equal(bins.frequency, bins.centers / max(size))


@pytest.mark.parametrize("side", [32, 33])
def test_published_counts(side: int, schwarz: dict[str, np.ndarray]) -> None:
    bins = geometry.radial_bins((side, side))
    assert bins.count.tolist() == schwarz[f"counts_n{side}"].tolist()


@pytest.mark.parametrize("convention", geometry.CONVENTIONS)
def test_weights_make_means(convention: str) -> None:
    index, weight, n_bins = geometry.radial_mean_maps(12, 10, convention, torch.float64, torch.device("cpu"))
    sums = torch.zeros(n_bins, dtype=torch.float64)
    sums = sums.index_add(0, index.clamp(min=0).flatten(), (weight * (index >= 0)).flatten())
    torch.testing.assert_close(sums, torch.ones(n_bins, dtype=torch.float64))


def test_bins_are_cached_and_frozen() -> None:
    bins = geometry.radial_bins((16, 16))
    assert geometry.radial_bins((16, 16)) is bins
    with pytest.raises(AttributeError):
        bins.count = torch.ones(1)


def test_nothing_made_under_a_transform_is_kept() -> None:
    """Sizes first seen inside inference mode, vmap, grad and a fake mode serve autograd afterwards."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    def count(H: int) -> torch.Tensor:
        return geometry.radial_bins((H, 41)).count

    with torch.inference_mode():
        count(41)
    torch.func.grad(lambda x: (x * count(42)[0]).sum())(torch.ones(2))
    torch.func.vmap(lambda x: x * count(43)[0])(torch.ones(2))
    with FakeTensorMode():
        count(44)
    for H in (41, 42, 43, 44):
        x = torch.ones(1, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.grad((x * count(H)).sum(), x)[0] == count(H).sum()
        assert count(H) is count(H)


def test_transforms_of_functorch_take_what_is_kept() -> None:
    found = []

    def count(x: torch.Tensor) -> torch.Tensor:
        found.append(geometry.radial_bins((9, 45)))
        return (x * found[-1].count[0]).sum()

    torch.func.vmap(torch.func.grad(count))(torch.ones(2, 2))
    torch.func.jvp(torch.func.vmap(count), (torch.ones(2, 2),), (torch.ones(2, 2),))
    assert found[0] is found[1] is geometry.radial_bins((9, 45))


@pytest.mark.parametrize(
    ("size", "options", "error", "message"),
    [
        ((0, 8), {}, ValueError, r"size must be \(H, W\) with H, W >= 1; got \(0, 8\)"),
        (8.0, {}, TypeError, r"size must be a pair of integers \(H, W\), or the side of square images; got 8.0"),
        ((8.0, 8), {}, TypeError, r"size must be a pair of integers"),
        ((8, 8), {"convention": "radial"}, ValueError, "convention must be one of .*; got 'radial'"),
    ],
    ids=["zero", "number", "float", "convention"],
)
def test_wrong_arguments(size: object, options: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        geometry.radial_bins(size, **options)
