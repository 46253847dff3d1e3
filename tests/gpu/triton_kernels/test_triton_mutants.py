"""Triton kernels without one of their masks or choices."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import mutation
import pytest
import torch
from around_fft_cases import check_one_bin, check_scaled, check_tiled
from inverse_transforms import check_hermitian
from resample_cases import OPS, TILES
from resample_cases import check as check_resampling
from spectral_cases import KINDS, Case

from specops import backends

if reason := backends.no_triton("specops.ops.spectral"):
    pytest.skip(reason, allow_module_level=True)

from ptx import PtxError
from triton_checks import check, check_few_points, check_uneven_bins
from triton_driver import executed_on

import specops.ops.resample.triton.launches as resample_launches
import specops.ops.spectral.triton.launches as spectral_launches
from specops.ops.resample import reference
from specops.ops.resample import triton as resample
from specops.ops.resample.triton.plans import ENOUGH_PROGRAMS
from specops.ops.spectral import triton as spectral

pytestmark = pytest.mark.slow


def mutants_of(launches: ModuleType, *names: str) -> list[Any]:
    """Of the modules of kernels that a module launches."""
    texts = {name: Path(getattr(launches, name).__file__).read_text() for name in names}
    mutants = [(name, mutant) for name, text in texts.items() for mutant in mutation.triton_masks(text)]
    return [pytest.param(*each, id=f"{each[0]} {each[1]}") for each in mutants]


@pytest.fixture
def put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a mutant in the place of the module that it is of."""

    def put(launches: ModuleType, name: str, mutant: mutation.Mutant) -> None:
        path = tmp_path / f"{tmp_path.name}_{name}.py"
        path.write_text(mutant.source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)
        monkeypatch.setattr(launches, name, module)

    return put


@pytest.mark.parametrize(("name", "mutant"), mutants_of(spectral_launches, "kernels", "around_fft_kernels"))
def test_a_mask_of_a_spectral_kernel_left_out_is_noticed(name: str, mutant: mutation.Mutant, put_in: Any) -> None:
    """Wrong values, or an access that the interpreter refuses."""
    put_in(spectral_launches, name, mutant)
    try:
        for kind in KINDS["triton"]:
            for size in ((32, 32), (7, 20)):
                for bins in ("ragged", "radial"):
                    check(Case(kind, size, bins), 80, counting=False)
        check_uneven_bins()
        check_few_points()
        with executed_on(80, counting=False):
            check_one_bin(spectral, torch.float32)
            check_tiled(spectral, torch.float32)
            for scale in ("amplitude", "log"):
                check_scaled(spectral, torch.float32, scale)
            check_hermitian(spectral, (6, 10), torch.float32)
    except (AssertionError, PtxError):
        return
    pytest.fail(f"not noticed: {mutant}")


def check_spread(op: str, *args: Any) -> None:
    """A NaN in a corner of the last image goes where that of the reference goes."""
    x = args[0].clone()
    x[-1, ..., 0, 0] = math.nan
    assert torch.equal(getattr(resample, op)(x, *args[1:]).isnan(), getattr(reference, op)(x, *args[1:]).isnan())


@pytest.mark.parametrize(("name", "mutant"), mutants_of(resample_launches, "kernels"))
def test_a_mask_of_resampling_left_out_is_noticed(name: str, mutant: mutation.Mutant, put_in: Any) -> None:
    """Wrong values, a NaN where none belongs, or an access that the interpreter refuses."""
    put_in(resample_launches, name, mutant)
    whole_images = replace(TILES["full"], batch=(ENOUGH_PROGRAMS,))  # as tiles
    cases = [TILES[name] for name in ("full with folds", "one row", "crop")]
    for case in (*cases, whole_images, replace(whole_images, outer=True)):
        for op in OPS:
            args = case.arguments(op)
            try:
                with executed_on(80, counting=False):
                    check_resampling(resample, op, *args)
                    check_spread(op, *args)
            except (AssertionError, PtxError):
                return
    pytest.fail(f"not noticed: {mutant}")
