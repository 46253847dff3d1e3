"""Wrong use of the ops themselves."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from samples import SAMPLES, Sample

from specops import backends, geometry, ops

CROSS = next(sample for sample in SAMPLES if str(sample) == "binned_cross_spectrum-2x4x6-ragged")
FILTER = next(sample for sample in SAMPLES if str(sample) == "binned_filter-2x4x6-ragged")
INDEXED = [s for s in SAMPLES if s.quick and s.small and "index" in inspect.signature(getattr(ops, s.op)).parameters]
SAMPLING = ((2, 2), (1, 1), (0, 0, 0, 0), "zeros")


def replaced(sample: Sample, **changes: Any) -> dict[str, Any]:
    names = inspect.signature(getattr(ops, sample.op)).parameters
    return dict(zip(names, sample.arguments(torch.float32), strict=True)) | changes


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"y": torch.ones(2, 4, 5)}, ValueError, "x and y must have one shape, dtype and device"),
        ({"y": torch.ones(2, 4, 6).double()}, ValueError, "x and y must have one shape, dtype and device"),
        ({"index": torch.zeros(4, 3, dtype=torch.int32)}, ValueError, r"index and weight must be \[4, 4\]"),
        ({"index": torch.zeros(4, 4, dtype=torch.int64)}, TypeError, "index must be torch.int32"),
        ({"weight": torch.ones(4, 4).double()}, TypeError, "weight torch.float32"),
        ({"weight": torch.ones(4, 4).requires_grad_()}, ValueError, "weight is geometry and has no gradient"),
        ({"weight": torch.ones(4, 4, device="meta")}, ValueError, "must be on cpu like x"),
        ({"n_bins": 0}, ValueError, "n_bins must be at least 1; got 0"),
    ],
    ids=["shape", "dtype", "map shape", "index dtype", "weight dtype", "weight gradient", "device", "bins"],
)
def test_binned_cross_spectrum(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ops.binned_cross_spectrum(**replaced(CROSS, **changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"profile": torch.ones(3, 4)}, ValueError, r"profile must be \[K\] or \[2, 'K'\]"),
        ({"profile": torch.tensor(1.0)}, ValueError, r"profile must be \[K\]"),
        ({"profile": torch.ones(4).double()}, TypeError, "profile must be torch.float32 on cpu"),
        ({"profile": torch.ones(4, device="meta")}, TypeError, "profile must be torch.float32 on cpu"),
    ],
    ids=["batch", "number", "dtype", "device"],
)
def test_binned_filter(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ops.binned_filter(**replaced(FILTER, **changes))


@pytest.mark.parametrize("sample", INDEXED, ids=str)
@pytest.mark.parametrize("backend", ["reference", "cpp"])
def test_an_index_beyond_the_bins_is_refused(sample: Sample, backend: str) -> None:
    given = replaced(sample)
    n_bins = given["n_bins"] if "n_bins" in given else given["profile"].shape[-1]
    for wrong in (n_bins, n_bins + 99, -2):
        index = torch.full_like(given["index"], wrong)
        with backends.use(backend), pytest.raises(ValueError, match=r"index must be -1 to n_bins - 1"):
            getattr(ops, sample.op)(**replaced(sample, index=index))


def test_maps_cannot_be_vmapped() -> None:
    x, profile, index, weight = FILTER.arguments(torch.float32)
    with pytest.raises(NotImplementedError, match="vmap over images or profiles"):
        torch.func.vmap(lambda w: ops.binned_filter(x, profile, index, w))(torch.stack([weight, weight]))


def test_the_transpose_and_correlation_check_their_sizes() -> None:
    x, y, taps = torch.ones(3, 3), torch.ones(6, 6), torch.ones(1, 1)
    with pytest.raises(ValueError, match=r"y must be \[\.\.\., 6, 6\]"):
        ops.upfirdn2d_transpose(x, taps, *SAMPLING, (3, 3))
    with pytest.raises(ValueError, match=r"y must be \[\.\.\., 6, 6\]"):
        ops.upfirdn2d_filter_correlation(x, x, *SAMPLING, (1, 1))
    with pytest.raises(ValueError, match="one dtype, device and batch"):
        ops.upfirdn2d_filter_correlation(x, y.double(), *SAMPLING, (1, 1))
    with pytest.raises(TypeError, match=r"taps must be torch\.float32"):
        ops.upfirdn2d(x, taps.double(), *SAMPLING)


@pytest.mark.parametrize("gain", [torch.ones(()), True, "1", None, 1j, math.nan, -math.inf], ids=repr)
def test_a_gain_is_a_finite_number(gain: object) -> None:
    x, taps = torch.ones(3, 3), torch.ones(2)
    with pytest.raises((TypeError, ValueError), match="gain must be"):
        ops.upfirdn2d(x, taps, *SAMPLING, gain)
    with pytest.raises((TypeError, ValueError), match="gain must be"):
        ops.upfirdn2d_transpose(torch.ones(5, 5), taps, *SAMPLING, (3, 3), gain)


@pytest.mark.parametrize("backend", ["reference", "cpp"])
def test_taps_along_both_axes_are_not_rounded(backend: str) -> None:
    """Whose products are beneath float32, or would be factored through roots."""
    x = torch.full((3, 3), 1e30)
    if backend == "cpp" and backends.no_extension() is not None:
        pytest.skip(backends.no_extension())
    with backends.use(backend):
        small = ops.upfirdn2d(x, torch.tensor([1e-23, 1e-23]), (1, 1), (1, 1), *SAMPLING[2:])
        exact = ops.upfirdn2d(torch.ones(3, 3), torch.ones(2), (1, 1), (1, 1), *SAMPLING[2:], 2.0)
    torch.testing.assert_close(small, torch.full((2, 2), 4e-16))
    assert torch.equal(exact, torch.full((2, 2), 8.0))


@pytest.mark.parametrize("size", [(8, 8), (11, 22), (1030, 4)], ids=str)
def test_gradient_modes(size: tuple[int, int]) -> None:
    """Second derivatives, no_grad and inference mode, with several threads at work: also beyond the engine's sizes."""
    torch.set_num_threads(2)
    x = torch.randn(4, *size, dtype=torch.float64, requires_grad=True)
    index, weight, _ = geometry.coefficient_maps(*size, torch.float64, x.device)

    def energy(x: torch.Tensor) -> torch.Tensor:
        filtered = ops.binned_filter(x, torch.linspace(0, 1, index.numel(), dtype=torch.float64), index, weight)
        return ops.binned_cross_spectrum(x, filtered, index, weight, index.numel()).square().sum()

    values = [energy(x).detach()]
    (slope,) = torch.autograd.grad(energy(x), x, create_graph=True)
    (gradient,) = torch.autograd.grad(slope.square().sum(), x)
    with backends.use("reference"):
        (expected_slope,) = torch.autograd.grad(energy(x), x, create_graph=True)
        (expected,) = torch.autograd.grad(expected_slope.square().sum(), x)
    torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        values.append(energy(x))
    with torch.inference_mode():
        values.append(energy(x))
        values.append(energy(torch.ones_like(x) * x))
    assert not any(value.requires_grad for value in values)
    assert all(torch.equal(value, values[0]) for value in values)
