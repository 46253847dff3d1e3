"""The one-launch Triton kernels of the spectral ops on the CPU: compiled, their PTX interpreted, against float64."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from typing import Any

import pytest
import torch
from samples import spectral_maps
from spectral_cases import ARCHS, KINDS, Case, assert_images_move_once, last_of_many
from tolerances import relative_error
from torch import Tensor

from specops.ops.spectral import reference

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

from triton_checks import check, check_uneven_bins
from triton_driver import Run, executed_on

from specops.ops.spectral import triton
from specops.ops.spectral.triton import tables

SIDES = tuple(tables.CONFIGURATIONS)


def assert_gates(case: Case, run: Run, out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """Each image in and out once, four pixels at a time, no spills, no bank conflict.

    But a few where values are gathered bin by bin, up to .6 % over all of shared memory.
    """
    made, ideal = run.counters.total_wavefronts
    assert made <= (1.006 if case.sums else 1.0) * ideal
    assert run.resources.stack == 0
    assert_images_move_once(case, run, out, args, pixels=4)


@pytest.mark.parametrize("kind", KINDS)
def test_smallest_images(kind: str) -> None:
    case = Case(kind, (32, 32), images=3)
    out, runs, args = check(case, 80)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration(kind: str, side: int, arch: int) -> None:
    case = Case(kind, (side, side))
    out, runs, args = check(case, arch)
    (run,) = runs
    assert_gates(case, run, out, args)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration_in_half_types(side: int, dtype: torch.dtype, arch: int) -> None:
    for kind in KINDS:
        _, (run,), _ = check(Case(kind, (side, side), dtype=dtype), arch, counting=False)
        assert run.resources.stack == 0


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
def test_what_ptxas_would_spill(arch: int) -> None:
    """Compiled, not executed: most bins in one launch; an amplitude in float64."""
    with executed_on(arch, blocks=range(0)) as runs:
        for dtype, side in itertools.product((torch.float32, torch.float16, torch.bfloat16), SIDES):
            x, *maps, _ = Case("power", (side, side), dtype=dtype).arguments()[1:]
            triton.binned_cross_spectrum(x, x, *maps, 2 * side)
        x, _, *maps, n_bins = Case("power", (256, 256), images=1, dtype=torch.float64).arguments()
        triton.binned_scaled_power(x, *maps, n_bins, "amplitude", 0.01, 1e-3)
    assert [run for run in runs if run.resources.stack] == []


@pytest.mark.parametrize("bins", ["ragged", "own"])
@pytest.mark.parametrize("kind", ["power", "filter"])
def test_any_bins(kind: str, bins: str) -> None:
    check(Case(kind, (32, 32), bins), 80, counting=False)


def test_uneven_bins() -> None:
    check_uneven_bins()


def test_sloped_filter() -> None:
    x, profile, index, weight = Case("filter", (32, 32)).arguments()
    slope = torch.randint(-1, 2, x.shape, dtype=torch.int8)
    with executed_on(80, counting=False):
        out = triton.binned_sloped_filter(x, profile, slope, index, weight)
    assert relative_error(out, reference.binned_sloped_filter(x, profile, slope, index, weight)) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_other_types_of_served_sizes(kind: str, dtype: torch.dtype) -> None:
    check(Case(kind, (32, 32), dtype=dtype), 90)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["power", "cross", "filter", "swap"])
def test_images_beyond_two_to_the_31_pixels(kind: str) -> None:
    case = Case(kind, (128, 128), images=1)
    args = case.arguments()
    many = last_of_many(args, args[0])
    with executed_on(90, counting=False, races=False):
        alone = case.of(triton, *args)
    with executed_on(90, counting=False, races=False, blocks=range(len(many[0]) - 1, len(many[0]))):
        last = case.of(triton, *many)
    assert all(torch.equal(each[-1:], of_one) for each, of_one in zip(last, alone, strict=True))


def test_empty_batches() -> None:
    x = torch.empty(0, 32, 32)
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    assert triton.binned_cross_spectrum(x, x, index, weight, n_bins).shape == (0, n_bins)
    assert triton.binned_filter(x, torch.ones(n_bins), index, weight).shape == x.shape


def test_import_of_specops_leaves_triton_alone() -> None:
    code = "import sys, specops; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0
