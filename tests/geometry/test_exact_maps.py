"""Bins and ideal masks against integer arithmetic, wherever and however they are made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from functions import FUNCTIONS
from other_devices import NoFloat64, OtherRounding
from torch import Tensor

from specops import backends, geometry, masks

CPU = torch.device("cpu")
SIDES = (*range(1, 41), 49, 98, 103, 107, 161, 187, 196, 197, 206, 255, 256, 512, 1000)
LARGEST = ((2047, 2047), (2048, 2048))  # the map of a square holds those of all smaller ones
RECTANGLES = (
    *itertools.product((1, 2, 3, 48, 49), (2, 7, 64, 97, 1000)),
    *((96, 160), (131, 129), (128, 256), (1000, 1024), (49, 2048), (2048, 98)),
)
SIZES = (*((side, side) for side in SIDES), *RECTANGLES)
MADE = ("plain", "rapsd", "durall2020", "ssd2021")  # the other two have the bins of `plain`

each_convention = pytest.mark.parametrize("convention", geometry.CONVENTIONS)


def signed(n: int, half: bool = False) -> np.ndarray:
    k = np.arange(n // 2 + 1 if half else n)
    return np.where(2 * k <= n, k, k - n)


def squared_positions(H: int, W: int, convention: str) -> tuple[list[np.ndarray], int]:
    """(unit · position)² of each coefficient, of its conjugate too where that is in a map of its own, and the unit."""
    ky, kx = signed(H)[:, None], signed(W, half=True)
    if convention != "durall2020":
        return [4 * ((ky * W) ** 2 + (kx * H) ** 2)], 2 * min(H, W)  # k = hypot(ky·W, kx·H) / min(H, W)
    found = []
    for sign in (1, -1):
        row, column = ((sign * k + n // 2) % n for k, n in ((ky, H), (kx, W)))
        found.append((2 * row - H + 1) ** 2 + (2 * column - W + 1) ** 2)
    return found, 2


def bins_of(squared: np.ndarray, unit: int, nearest: bool) -> np.ndarray:
    """floor(√squared / unit), or the nearest integer, half to even; unit is even."""
    root = np.floor(np.sqrt(squared.astype(float))).astype(np.int64)
    root += ((root + 1) ** 2 <= squared).astype(np.int64) - (root**2 > squared)
    assert ((root**2 <= squared) & (squared < (root + 1) ** 2)).all()
    if not nearest:
        return root // unit
    bins = (root + unit // 2) // unit
    half = squared == ((2 * bins - 1) * unit // 2) ** 2
    return bins - (half & (bins % 2 == 1) & (bins > 0))


def expected_index(H: int, W: int, convention: str) -> tuple[np.ndarray, int]:
    how = geometry.CONVENTIONS[convention]
    positions, unit = squared_positions(H, W, convention)
    bins = np.stack([bins_of(each, unit, how.nearest) for each in positions])
    n_bins = min(H, W) // 2 + 1 if how.nearest else int(bins.max()) + 1 - sum(how.dropped)
    index = bins - how.dropped[0]
    index = np.where((index < 0) | (index >= n_bins), -1, index)
    return (index if len(index) > 1 else index[0]), n_bins


def made(H: int, W: int, convention: str) -> tuple[Tensor, Tensor, int]:
    """Maps that no cache keeps: the largest take 20 MB."""
    return geometry._radial_mean_maps.__wrapped__(H, W, convention, torch.float32, CPU)


@pytest.mark.parametrize("convention", MADE)
@pytest.mark.parametrize("sizes", [SIZES, pytest.param(LARGEST, marks=pytest.mark.slow)], ids=["many", "largest"])
def test_bins_against_integers(sizes: Sequence[tuple[int, int]], convention: str) -> None:
    for H, W in sizes:
        expected, n_bins = expected_index(H, W, convention)
        if n_bins < 1:
            with pytest.raises(ValueError, match="too small for this convention"):
                made(H, W, convention)
            continue
        index, _, found = made(H, W, convention)
        assert found == n_bins, (H, W)
        assert np.array_equal(index.numpy(), expected), (H, W)


def test_limits_of_integer_radii_are_their_squares() -> None:
    """So ideal masks are exact at each, for all sizes to 2048."""
    reach = np.outer(2.0 * np.arange(1, 2049), np.arange(1, 1450))  # 2s · radius
    assert np.array_equal(np.ceil(reach * reach * (1 - 2**-50)), reach**2)


@pytest.mark.parametrize("size", [(33, 33), (64, 64), (48, 49), (512, 512), (1024, 1024), (1000, 1024)], ids=str)
def test_ideal_masks_against_integers(size: tuple[int, int]) -> None:
    [squared], unit = squared_positions(*size, "plain")
    radii = range(1, 50) if max(size) <= 64 else (1, 5, 13, 65, 145, 250, 320, 325, 511)
    for radius in radii:
        for given in (float(radius), torch.tensor(float(radius))):
            assert np.array_equal(masks.lowpass(size, given).numpy(), squared < (unit * radius) ** 2), radius


@pytest.mark.parametrize("size", [(33, 33), (64, 64), (48, 49)], ids=str)
def test_a_radius_that_is_a_rounded_root_is_not_inside(size: tuple[int, int]) -> None:
    """A cutoff that is a rounded quotient is not inside either."""
    [squared], unit = squared_positions(*size, "plain")
    for number in np.unique(squared)[1:]:
        radius = math.sqrt(number) / unit
        assert np.array_equal(masks.lowpass(size, radius).numpy(), squared < number)
        assert np.array_equal(masks.lowpass(size, cutoff=radius / max(size)).numpy(), squared < number)


def test_integer_roots_of_traced_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbolic size knows no integer root; that of a float has the same floor at the corners of sizes to 2048."""
    sides = np.arange(1, 2049)
    corners = (
        8 * np.multiply.outer(sides // 2, sides) ** 2
    )  # of one side of squares, and of rectangles without the other
    numbers = [int(n) + d for n in (*corners[::37, ::41].ravel(), (2**26 - 1) ** 2) for d in (-1, 0, 1)]
    exact = [math.isqrt(max(n, 0)) for n in numbers]
    monkeypatch.setattr(geometry, "traced", lambda: True)
    assert [geometry._root(max(n, 0)) for n in numbers] == exact


@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["static", "dynamic"])
def test_traced_maps_are_the_same(dynamic: bool) -> None:
    """Sizes whose maps differ where a hypotenuse is rounded otherwise."""

    def maps(x: Tensor) -> list[Tensor]:
        H, W = x.shape
        made = [geometry.radial_mean_maps(H, W, name, torch.float32, x.device) for name in geometry.CONVENTIONS]
        return [each for index, weight, _ in made for each in (index, weight)] + [masks.lowpass((H, W), 13.0)]

    torch._dynamo.reset()
    compiled = torch.compile(maps, backend="eager", fullgraph=True, dynamic=dynamic)
    for size in [(49, 49), (107, 107), (96, 80), (50, 131)] if dynamic else [(98, 98)]:
        for found, expected in zip(compiled(torch.empty(size)), maps(torch.empty(size)), strict=True):
            assert torch.equal(found, expected), size


@each_convention
@pytest.mark.parametrize("size", [(49, 49), (98, 98), (96, 80)], ids=str)
def test_maps_do_not_depend_on_how_a_device_rounds(convention: str, size: tuple[int, int]) -> None:
    def maps() -> list[Tensor]:
        bins = geometry.radial_bins(size, convention=convention)
        return [
            *geometry.radial_mean_maps(*size, convention, torch.float32, CPU)[:2],
            *geometry.radial_gain_maps(*size, convention, torch.float64, CPU)[:2],
            *(bins.edges, bins.centers, bins.count, bins.frequency),
            *(masks.lowpass(size, radius) for radius in (5, 13, 25.5)),
        ]

    with OtherRounding():
        assert float(torch.hypot(torch.tensor(3.0), torch.tensor(4.0))) < 5
        found = maps()
    for one, other in zip(found, maps(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "nn.SpectrumDiscriminator"])
def test_devices_without_float64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference makes no float64 there, and the values are those of a device that has it."""
    function = FUNCTIONS[name]
    x = torch.rand(2, 4, *(function.size or (12, 10)), requires_grad=True)
    module = function.call.float() if isinstance(function.call, torch.nn.Module) else function.call
    with backends.use("reference"):
        expected = module(x)
        monkeypatch.setattr(geometry, "WITHOUT_FLOAT64", ("cpu",))
        with NoFloat64():
            out = module(x)
            if out.requires_grad:
                out.sum().backward()
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def test_maps_of_devices_without_float64_are_made_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "WITHOUT_FLOAT64", ("meta",))
    for convention in geometry.CONVENTIONS:
        for tensor in vars(geometry.radial_bins((12, 11), convention=convention, device="meta")).values():
            assert (tensor.device.type, tensor.dtype) == ("meta", torch.float32)
    for kind in masks.KINDS:
        mask = masks.lowpass((12, 11), 3, kind=kind, device="meta")
        assert (mask.device.type, mask.dtype) == ("meta", torch.float32)


@pytest.mark.parametrize("convention", MADE)
@pytest.mark.parametrize("size", [(1000, 1024), pytest.param((2047, 2047), marks=pytest.mark.slow)], ids=str)
def test_float32_suffices_for_bins(size: tuple[int, int], convention: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _, n_bins = made(*size, convention)
    monkeypatch.setattr(geometry, "WITHOUT_FLOAT64", ("cpu",))
    index, _, found = made(*size, convention)
    assert found == n_bins
    assert torch.equal(index, expected)
