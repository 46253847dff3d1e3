"""The CUDA kernels of resampling whose sums wait in registers, on the CPU: see csrc/resample/cuda/patch.cuh."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import cuda_source
import pytest
import torch
from cuda_source import launches as emulated
from ptx.counters import SECTOR
from resample_cases import COMMON, IMAGE_OPS, PATCHED, Case, bands_of_many_images, check

from specops.ops import cuda_launch
from specops.ops.resample import cuda
from specops.ops.resample.contract import BOUNDARIES
from specops.ops.resample.plans import tilings

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "resample" / "cuda" / "resample_cuda.cu"


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Yields a list of the raw ops that are called."""
    names: list[str] = []
    execute = cuda_launch.launch

    def launch(name: str, *args: Any) -> None:
        names.append(name)
        execute(name, *args)

    with emulated.launching(launch):
        yield names


@pytest.mark.parametrize(("up", "down", "taps"), sorted(tilings.PATCHES))
def test_patches(up: int, down: int, taps: int) -> None:
    """All boundaries and types, sizes that are multiples of a patch and not, paddings of both parities, crops."""
    half = taps // 2
    boundaries = dict.fromkeys(BOUNDARIES, (half, half - 1, half + 1, half)) | {"zeros": (half - 1, half, -2, half)}
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    sizes = ((16, 32), (19, 21))
    with emulated.executed_source(SOURCE), counted_calls() as names:
        for number, (boundary, dtype, size) in enumerate(itertools.product(boundaries, dtypes, sizes)):
            factors = {"taps": (taps, taps), "up": (up, up), "down": (down, down), "padding": boundaries[boundary]}
            case = Case(size, **factors, boundary=boundary, dtype=dtype, outer=number % 4 < 2)
            check(cuda, "upfirdn2d", *case.arguments("upfirdn2d"))
            check(cuda, "upfirdn2d_transpose", *replace(case, boundary="zeros").arguments("upfirdn2d_transpose"))
    assert set(names) == {"upfirdn2d_patches"}


@pytest.mark.parametrize(
    "change", [{"size": (4, 5)}, {"channels_last": True, "batch": (2, 4)}, {"taps": (4, 5)}], ids=str
)
def test_what_patches_do_not_serve(change: dict[str, Any]) -> None:
    """Samples more than a period beyond an end, channels side by side, taps that are not the same along both axes."""
    case = Case((16, 16), (4, 4), (1, 1), (2, 2), (6, 1, 1, 1), "reflect")
    with emulated.executed_source(SOURCE), counted_calls() as names:
        check(cuda, "upfirdn2d", *case.arguments("upfirdn2d"))
        check(cuda, "upfirdn2d", *replace(case, **change).arguments("upfirdn2d"))
        check(cuda, "upfirdn2d_transpose", *case.arguments("upfirdn2d_transpose"))
    assert names == ["upfirdn2d_patches", "upfirdn2d", "upfirdn2d"]


@pytest.mark.parametrize("name", ["up 2, 12 taps", "down 2, 4 taps"])
def test_an_output_does_not_depend_on_where_its_patch_is(name: str) -> None:
    """An image moved by pixels gives its outputs moved, to the bit; so do longer bands of rows."""
    case = replace(COMMON[name], size=(40, 40), batch=(1,))
    x, *rest = case.arguments("upfirdn2d")
    moved = torch.zeros(1, 48, 48)
    moved[..., 6:46, 4:44] = x
    step = [up / down for up, down in zip(case.up, case.down, strict=True)]
    with emulated.executed_source(SOURCE):
        out, other = (cuda.upfirdn2d(each, *rest) for each in (x, moved))
        with bands_of_many_images():
            assert torch.equal(out, cuda.upfirdn2d(x, *rest))
    rows, columns = int(6 * step[1]), int(4 * step[0])
    inside = slice(12, -12)
    assert torch.equal(
        other[..., rows:, columns:][..., : out.shape[-2], : out.shape[-1]][..., inside, inside],
        out[..., inside, inside],
    )


@pytest.mark.parametrize(
    ("op", "name"),
    [
        pytest.param(op, name, marks=() if (op, name) == ("upfirdn2d", "avg") else pytest.mark.slow)
        for op in IMAGE_OPS
        for name in PATCHED
    ],
)
def test_sectors_of_patches(op: str, name: str) -> None:
    """Of many images: written once, 16 bytes at a time; read once in vectors, but for what a small cache has."""
    case = replace(PATCHED[name], batch=(8,))
    x, *rest = case.arguments(op)
    with bands_of_many_images(), emulated.executed_ptx(SOURCE, 90) as runs:
        out = check(cuda, op, x, *rest)
    read = runs[-1].counters.loads[runs[-1].storage(x)]
    written = runs[-1].counters.stores[runs[-1].storage(out)]
    assert "upfirdn2d_patches_kernel" in runs[-1].launch.kernel
    assert read.missed + written.sectors <= 1.05 * (x.numel() + out.numel()) * x.element_size() / SECTOR
    assert written.widths == {16}
    assert read.widths == {8 if x.numel() < out.numel() else 16}
