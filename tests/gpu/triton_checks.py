"""What the tests of Triton kernels, of their mutants and of the table of all kernels share."""

from __future__ import annotations

from typing import Any

import resample_cases
import torch
from spectral_cases import Case, assert_near_exact
from tolerances import relative_error, tolerance
from torch import Tensor
from triton_driver import Run, executed_on

from specops.ops.resample.plans.axes import axes_of
from specops.ops.resample.triton import launches as resample_launches
from specops.ops.spectral import reference, triton
from specops.ops.spectral.plans import bins


def check(case: Case, arch: int, **options: Any) -> tuple[tuple[Tensor, ...], list[Run], tuple[Any, ...]]:
    """Executes a case, whose results are near those of float64."""
    args = case.arguments()
    with executed_on(arch, **options) as runs:
        out = case.of(triton, *args)
    assert_near_exact(case, out, args)
    return out, runs, args


def check_uneven_bins() -> None:
    """Every second bin is empty, the first has many points."""
    x, _, index, weight, n_bins = Case("power", (32, 32)).arguments()
    args = (torch.where(index > 5, 2 * index, 0).int(), weight, 2 * n_bins)
    with executed_on(80, counting=False):
        out = triton.binned_cross_spectrum(x, x, *args)
    wide = x.double()
    expected = reference.binned_cross_spectrum(wide, wide, args[0], weight.double(), 2 * n_bins)
    assert relative_error(out, expected) <= tolerance(torch.float32, torch.float32, (32, 32))


def check_few_points() -> None:
    """Two points to each bin of the first half, none to the others; a logarithm that is infinite at 0."""
    x, _, index, weight, n_bins = Case("power", (7, 20), "own").arguments()
    args = ((torch.arange(n_bins) // 2).int().view(index.shape), weight, n_bins)
    assert bins.tiles_of(index.numel(), n_bins, x.dtype) is None
    with executed_on(80, counting=False):
        power = triton.binned_cross_spectrum(x, x, *args)
        logarithm = triton.binned_scaled_power(x, *args, "log", 1.0, 0.0)
    assert relative_error(power, reference.binned_cross_spectrum(x, x, *args)) <= 1e-6
    assert relative_error(logarithm, reference.binned_scaled_power(x, *args, "log", 1.0, 0.0)) <= 1e-6


def programs_of(op: str, x: Tensor, case: resample_cases.Case) -> int:
    """Programs of a plane."""
    axes = axes_of(case.size, case.taps, case.up, case.down, case.padding, case.boundary)
    plan, _ = resample_launches._plan(x, axes, exchanged=op == "upfirdn2d_transpose")
    assert plan is not None
    return plan.programs
