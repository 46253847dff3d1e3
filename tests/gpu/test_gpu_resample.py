"""The CUDA kernels of resampling on the CPU: their source on fibers, their PTX interpreted, against the reference."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cuda_source
import mutation
import numpy as np
import pytest
import torch
from cuda_source import launches
from ptx import SECTOR
from samples import RESAMPLING, Sample
from test_resample_fuzz import Draw
from tolerances import UNIT_ROUNDOFF
from torch import Tensor

from specops.ops import cuda_launch
from specops.ops._layout import compute_dtype, memory_format
from specops.ops.resample import cuda, gpu_plans, reference
from specops.ops.resample.contract import BOUNDARIES, output_size

pytestmark = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "resample" / "cuda" / "resample_cuda.cu"
OPS = ("upfirdn2d", "upfirdn2d_transpose", "upfirdn2d_filter_correlation")
ARCHS = (80, 90, 100)
RANDOM_DRAWS = 40


def check(op: str, *args: Any, backend: Any = cuda) -> Tensor:
    """Runs an op's kernels as the surrounding context says; each element within one rounding per term."""
    with torch.no_grad():
        out = getattr(backend, op)(*args)
    first, second = (arg.double() for arg in args[:2])
    expected = getattr(reference, op)(first, second, *args[2:])
    terms = getattr(reference, op)(abs(first), abs(second), *args[2:])
    dtype = compute_dtype(args[0].dtype)
    roundings = 20.0 + sum(args[-1] if op.endswith("correlation") else args[1].shape)
    if op.endswith("correlation"):
        roundings = 8 + 2 * math.sqrt(args[1].numel())
    bound = roundings * UNIT_ROUNDOFF[dtype] * terms
    if out.dtype != dtype:
        bound += UNIT_ROUNDOFF[out.dtype] * abs(expected) + 2**-24
    assert out.shape == expected.shape
    assert memory_format(out) == (torch.contiguous_format if op.endswith("correlation") else memory_format(args[0]))
    assert bool((abs(out - expected) <= bound).all()), f"off by {float(abs(out - expected).max()):.3g}"
    return out


@dataclass(frozen=True)
class Case:
    """Arguments of all three ops."""

    size: tuple[int, int]
    taps: tuple[int, int] = (1, 1)
    up: tuple[int, int] = (1, 1)
    down: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    boundary: str = "zeros"
    outer: bool = True
    difference: bool = False  # taps 1, -1, 0, ... along both axes: their sum says nothing of them
    batch: tuple[int, ...] = (2,)
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    def image(self, size: Sequence[int], seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn((*self.batch, *size), generator=generator, dtype=torch.float64).to(self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def arguments(self, op: str) -> tuple[Any, ...]:
        out = output_size(self.size, self.taps, self.up, self.down, self.padding)
        sampling = (self.up, self.down, self.padding, self.boundary)
        x, y = self.image(self.size, 0), self.image(out, 1)
        f = torch.randn(self.taps, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        if self.difference:
            line = torch.zeros(max(self.taps), dtype=torch.float64)
            line[:2] = torch.tensor([1.0, -1.0])
            f = torch.outer(line[: self.taps[0]], line[: self.taps[1]])
        f = (torch.outer(f[:, 0], f[0]) if self.outer else f).to(compute_dtype(self.dtype))
        return {
            "upfirdn2d": (x, f, *sampling),
            "upfirdn2d_transpose": (y, f, *sampling, self.size),
            "upfirdn2d_filter_correlation": (x, y, *sampling, self.taps),
        }[op]


UP = Case((64, 64), taps=(4, 4), up=(2, 2), padding=(2, 1, 2, 1))
DOWN = Case((64, 64), taps=(4, 4), down=(2, 2), padding=(1, 1, 1, 1))
COMMON = {
    "up 2, 4 taps": UP,
    "up 2, 12 taps": replace(UP, taps=(12, 12), padding=(6, 5, 6, 5)),
    "down 2, 4 taps": DOWN,
    "down 2, 12 taps": replace(DOWN, taps=(12, 12), padding=(5, 5, 5, 5)),
    "bed of nails": Case((64, 64), up=(2, 2)),
    "stride": Case((64, 64), down=(2, 2)),
    "avg": Case((64, 64), taps=(2, 2), down=(2, 2)),
}
PATCHED = {name: case for name, case in COMMON.items() if case.taps != (1, 1)}
TILED = {name: case for name, case in COMMON.items() if case.taps == (1, 1)} | {
    "up 2, 3 taps": replace(UP, taps=(3, 3), padding=(1, 1, 1, 1)),
    "down 2, 5 taps": replace(DOWN, taps=(5, 5), padding=(2, 2, 2, 2)),
}
TILES = {  # every way to divide the work: one tile, several columns, bands, channels, vectors or not
    "one row": Case((1, 9), taps=(1, 3), padding=(1, 1, 0, 0)),
    "wide": Case((3, 1100), taps=(3, 3), padding=(1, 1, 1, 1), boundary="circular", batch=(1,)),
    "wide and odd": Case((3, 1101), taps=(2, 4), up=(2, 1), padding=(2, 1, 1, 0), boundary="reflect", batch=(1,)),
    "tall": Case((301, 8), taps=(5, 2), down=(1, 2), padding=(0, 1, 2, 2), boundary="replicate", batch=(1,)),
    "full": replace(UP, size=(16, 12), taps=(4, 3), outer=False),
    "full with folds": Case((12, 9), (3, 4), (2, 1), (1, 2), (3, 2, 2, 3), "reflect", outer=False),
    "channels": Case((9, 8), (3, 3), (2, 2), (1, 1), (1, 2, 1, 2), batch=(2, 12), channels_last=True),
    "odd channels": Case((9, 8), (3, 3), (1, 1), (2, 2), (1, 1, 1, 1), "reflect", batch=(2, 3), channels_last=True),
    "channels with gaps": Case((11, 12), (1, 1), (1, 1), (3, 2), batch=(1, 8), channels_last=True),
    "folds with gaps": Case((11, 12), up=(3, 2), padding=(4, 3, 4, 5), boundary="reflect"),
    "float16": replace(UP, size=(16, 16), taps=(4, 3), dtype=torch.float16),
    "bfloat16 channels": replace(DOWN, size=(16, 12), batch=(1, 32), dtype=torch.bfloat16, channels_last=True),
    "float64": replace(DOWN, size=(16, 12), dtype=torch.float64, boundary="replicate"),
    "crop": Case((14, 13), (3, 2), (2, 3), (1, 2), (-3, -4, 2, -5), "circular"),
    "difference": Case((9, 8), (7, 6), padding=(3, 2, 3, 3), difference=True),
    "far": Case((5, 6), (3, 3), (1, 1), (2, 2), (17, 11, 9, 20), "reflect"),
}
PATCHES = {  # factors and taps that have kernels of their own, and what a patch, a band or an access can meet
    "even": replace(DOWN, size=(24, 32)),
    "even crop": Case((20, 24), (2, 2), (2, 2), (1, 1), (-3, 1, 3, -5)),
    "ragged": Case((19, 21), (4, 4), (2, 2), (1, 1), (1, 3, 2, 2), outer=False, batch=(3,)),
    "ragged float16": Case((19, 22), (4, 4), (1, 1), (1, 1), (1, 1, 2, 2), dtype=torch.float16),
    "reflect": Case((30, 13), (12, 12), (1, 1), (2, 2), (6, 5, 5, 6), "reflect"),
    "replicate": Case((8, 8), (2, 2), (1, 1), (2, 2), (20, 1, 0, 11), "replicate", outer=False),
    "circular": Case((16, 48), (3, 3), (1, 1), (1, 1), (3, 0, -2, 5), "circular", outer=False),
    "circular bfloat16": Case((12, 16), (12, 12), (2, 2), (1, 1), (6, 5, 5, 6), "circular", dtype=torch.bfloat16),
    "wide full": Case((14, 32), (12, 12), (1, 1), (2, 2), (5, 5, 5, 5), outer=False, dtype=torch.bfloat16),
}
CASES = TILES | PATCHES | {name: replace(case, size=(16, 16)) for name, case in COMMON.items()}


@pytest.mark.parametrize("order", cuda_source.ORDERS)
@pytest.mark.parametrize("op", OPS)
def test_source_in_orders(op: str, order: str) -> None:
    with launches.executed_source(SOURCE, order, seed=1):
        for case in (TILES | PATCHES).values():
            check(op, *case.arguments(op))


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Yields a list of the raw ops that are called."""
    names: list[str] = []
    execute = cuda_launch.launch

    def launch(name: str, *args: Any) -> None:
        names.append(name)
        execute(name, *args)

    with launches.launching(launch):
        yield names


@contextmanager
def bands_of_many_images() -> Iterator[None]:
    """The patches of few images have bands as long as those of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_plans, "ENOUGH_STRIPS", 0)
        gpu_plans.plan.cache_clear()
        yield
    gpu_plans.plan.cache_clear()


@pytest.mark.parametrize(("up", "down", "taps"), sorted(gpu_plans.PATCHES))
def test_patches(up: int, down: int, taps: int) -> None:
    """All boundaries and types, sizes that are multiples of a patch and not, paddings of both parities, crops."""
    half = taps // 2
    boundaries = dict.fromkeys(BOUNDARIES, (half, half - 1, half + 1, half)) | {"zeros": (half - 1, half, -2, half)}
    dtypes = (torch.float32, torch.float16, torch.bfloat16)
    sizes = ((16, 32), (19, 21))
    with launches.executed_source(SOURCE), counted_calls() as names:
        for number, (boundary, dtype, size) in enumerate(itertools.product(boundaries, dtypes, sizes)):
            factors = {"taps": (taps, taps), "up": (up, up), "down": (down, down), "padding": boundaries[boundary]}
            case = Case(size, **factors, boundary=boundary, dtype=dtype, outer=number % 4 < 2)
            check("upfirdn2d", *case.arguments("upfirdn2d"))
            check("upfirdn2d_transpose", *replace(case, boundary="zeros").arguments("upfirdn2d_transpose"))
    assert set(names) == {"upfirdn2d_patches"}


@pytest.mark.parametrize(
    "change", [{"size": (4, 5)}, {"channels_last": True, "batch": (2, 4)}, {"taps": (4, 5)}], ids=str
)
def test_what_patches_do_not_serve(change: dict[str, Any]) -> None:
    """Samples more than a period beyond an end, channels side by side, taps that are not the same along both axes."""
    case = Case((16, 16), (4, 4), (1, 1), (2, 2), (6, 1, 1, 1), "reflect")
    with launches.executed_source(SOURCE), counted_calls() as names:
        check("upfirdn2d", *case.arguments("upfirdn2d"))
        check("upfirdn2d", *replace(case, **change).arguments("upfirdn2d"))
        check("upfirdn2d_transpose", *case.arguments("upfirdn2d_transpose"))
    assert names == ["upfirdn2d_patches", "upfirdn2d", "upfirdn2d"]


@pytest.mark.parametrize("name", ["up 2, 12 taps", "down 2, 4 taps"])
def test_an_output_does_not_depend_on_where_its_patch_is(name: str) -> None:
    """An image moved by pixels gives its outputs moved, to the bit; so do longer bands of rows."""
    case = replace(COMMON[name], size=(40, 40), batch=(1,))
    x, *rest = case.arguments("upfirdn2d")
    moved = torch.zeros(1, 48, 48)
    moved[..., 6:46, 4:44] = x
    step = [up / down for up, down in zip(case.up, case.down, strict=True)]
    with launches.executed_source(SOURCE):
        out, other = (cuda.upfirdn2d(each, *rest) for each in (x, moved))
        with bands_of_many_images():
            assert torch.equal(out, cuda.upfirdn2d(x, *rest))
    rows, columns = int(6 * step[1]), int(4 * step[0])
    inside = slice(12, -12)
    assert torch.equal(
        other[..., rows:, columns:][..., : out.shape[-2], : out.shape[-1]][..., inside, inside],
        out[..., inside, inside],
    )


@pytest.mark.parametrize("seed", range(5))
def test_source_on_random_arguments_in_random_orders(seed: int) -> None:
    for draw in (Draw(each) for each in range(seed * RANDOM_DRAWS // 5, (seed + 1) * RANDOM_DRAWS // 5)):
        sampling = (draw.up, draw.down, draw.padding, draw.boundary)
        x, y, f = draw.image(draw.size), draw.image(draw.out), draw.filter()
        with launches.executed_source(SOURCE, "random", seed):
            check("upfirdn2d", x, f, *sampling)
            check("upfirdn2d_transpose", y, f, *sampling, draw.size)
            check("upfirdn2d_filter_correlation", x, y, *sampling, draw.taps)


@pytest.mark.parametrize("sample", [s for s in RESAMPLING if s.small], ids=str)
def test_adjoint_identities(sample: Sample) -> None:
    """<upfirdn2d(x, f), y> = <x, transpose(y, f)> = <f, correlation(x, y)>."""
    if sample.op != "upfirdn2d":
        return
    x, f, *sampling = sample.arguments(torch.float64)
    with launches.executed_source(SOURCE):
        out = cuda.upfirdn2d(x, f, *sampling)
        y = torch.randn_like(out)
        by_x = (cuda.upfirdn2d_transpose(y, f, *sampling, x.shape[-2:]) * x).sum()
        by_f = (cuda.upfirdn2d_filter_correlation(x, y, *sampling, f.shape) * f).sum()
    bound = 2**-48 * float((reference.upfirdn2d(abs(x), abs(f), *sampling) * abs(y)).sum())
    assert abs(float((out * y).sum() - by_x)) <= bound
    assert abs(float((out * y).sum() - by_f)) <= bound


@pytest.mark.parametrize("name", ["full with folds", "channels", "wide", "float16", "even", "ragged", "circular"])
@pytest.mark.parametrize("op", OPS[:2])
def test_images_do_not_meet(op: str, name: str) -> None:
    """A NaN stays in its image, a batch is its parts to the bit, and so is a second run in another order."""
    case = replace(CASES[name], batch=(3, *CASES[name].batch[1:]))
    x, *rest = case.arguments(op)
    spoiled = x.clone()
    spoiled[1, ..., 0, 0] = math.nan
    with launches.executed_source(SOURCE):
        out, beside = getattr(cuda, op)(x, *rest), getattr(cuda, op)(spoiled, *rest)
        parts = [getattr(cuda, op)(each, *rest) for each in (x[:1], x[1:])]
    with launches.executed_source(SOURCE, "random", seed=7):
        again = getattr(cuda, op)(x, *rest)
    assert torch.equal(out, torch.cat(parts))
    assert torch.equal(out, again)
    assert torch.equal(out[::2], beside[::2])
    assert torch.equal(beside.isnan(), getattr(reference, op)(spoiled, *rest).isnan())


@pytest.mark.parametrize(("name", "outer"), [("full", 0), ("difference", 1), ("tall", 1), ("float64", 1)])
def test_outer_products_are_found(name: str, outer: float) -> None:
    factors = []
    with launches.executed_source(SOURCE):
        execute = cuda_launch.launch

        def launch(name: str, *args: Any) -> None:
            execute(name, *args)
            factors.append(float(args[2][0]))

        with launches.launching(launch):
            cuda.upfirdn2d(*CASES[name].arguments("upfirdn2d"))
    assert factors == [outer]


def test_correlation_is_the_same_in_every_order() -> None:
    args = replace(UP, size=(16, 16), batch=(5,)).arguments("upfirdn2d_filter_correlation")
    results = []
    for order in cuda_source.ORDERS:
        with launches.executed_source(SOURCE, order, seed=3):
            results.append(cuda.upfirdn2d_filter_correlation(*args))
    assert all(torch.equal(result, results[0]) for result in results)


def test_filters_that_fit_no_block_go_to_the_reference() -> None:
    x, f = torch.randn(1, 5, 5), torch.randn(300, 300)
    args = ((1, 1), (1, 1), (150, 149, 150, 149), "zeros")
    assert gpu_plans.plan(*gpu_plans.axes_of(x.shape[-2:], f.shape, *args), None, 1, 1, x.dtype, x.device) is None
    with launches.executed_source(SOURCE):
        assert torch.equal(cuda.upfirdn2d(x, f, *args), reference.upfirdn2d(x, f, *args))


def test_empty_batches() -> None:
    for op in OPS:
        args = replace(UP, batch=(0, 3)).arguments(op)
        assert torch.equal(getattr(cuda, op)(*args), getattr(reference, op)(*args))


def bytes_that_move(case: Case, op: str, x: Tensor, y: Tensor) -> int:
    """Of one image in and out, or of both of a correlation; where single samples are taken, of rows that have some."""
    skipped = {"upfirdn2d": case.down, "upfirdn2d_transpose": case.up}.get(op, (1, 1))
    needed = x[0][..., :: skipped[1] if case.taps == (1, 1) else 1, :]
    return (needed.numel() + y[0].numel()) * x.element_size()


@pytest.mark.slow
@pytest.mark.parametrize("name", TILED)
@pytest.mark.parametrize("op", OPS[:2])
def test_sectors_of_tiles(op: str, name: str) -> None:
    """One of enough images: read once and written once, 16 bytes at a time; of a stride every second row."""
    case = replace(TILED[name], batch=(gpu_plans.ENOUGH_BLOCKS,))
    x, *rest = case.arguments(op)
    with launches.executed_ptx(SOURCE, 90, blocks=range(1)) as runs:
        out = getattr(cuda, op)(x, *rest)
    torch.testing.assert_close(out[0], getattr(reference, op)(x[0], *rest), rtol=1e-5, atol=1e-5)
    loads, stores = runs[-1].counters.loads, runs[-1].counters.stores
    ideal = bytes_that_move(case, op, x, out) / SECTOR
    assert runs[-1].launch.grid == (len(x), 1, 1)
    assert sum(each.sectors for each in (*loads.values(), *stores.values())) / ideal <= 1.05
    assert loads[runs[-1].storage(x)].widths == stores[runs[-1].storage(out)].widths == {16}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "down 2, 4 taps" else pytest.mark.slow) for name in PATCHED]
)
@pytest.mark.parametrize("op", OPS[:2])
def test_sectors_of_patches(op: str, name: str) -> None:
    """Of many images: written once, 16 bytes at a time; read once in vectors, but for what a small cache has."""
    case = replace(PATCHED[name], batch=(8,))
    x, *rest = case.arguments(op)
    with bands_of_many_images(), launches.executed_ptx(SOURCE, 90) as runs:
        out = check(op, x, *rest)
    read = runs[-1].counters.loads[runs[-1].storage(x)]
    written = runs[-1].counters.stores[runs[-1].storage(out)]
    assert "upfirdn2d_patches_kernel" in runs[-1].launch.kernel
    assert read.missed + written.sectors <= 1.05 * (x.numel() + out.numel()) * x.element_size() / SECTOR
    assert written.widths == {16}
    assert read.widths == {8 if x.numel() < out.numel() else 16}


@pytest.mark.parametrize("arch", [90, *(pytest.param(arch, marks=pytest.mark.slow) for arch in ARCHS if arch != 90)])
@pytest.mark.parametrize("op", OPS)
def test_ptx(op: str, arch: int) -> None:
    """More than 20 sets of arguments; the default run executes some of them."""
    names = list(CASES) if arch != 90 else ["full with folds", "odd channels", "far", "bfloat16 channels", *PATCHES]
    with launches.executed_ptx(SOURCE, arch, counting=False):
        for name in names:
            check(op, *CASES[name].arguments(op))


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS)
def test_ptx_of_sm_90_on_all_arguments(op: str) -> None:
    with launches.executed_ptx(SOURCE, 90, counting=False):
        for case in CASES.values():
            check(op, *case.arguments(op))


def beyond_2_31_elements(plane: Tensor) -> Tensor:
    """A plane of 64 x 64 after 2^19 others in bfloat16, in memory that the system hands out when it is touched."""
    planes = torch.from_numpy(np.zeros((2**19 + 1, 64, 64), dtype=np.int16)).view(torch.bfloat16)
    planes[-1] = plane
    return planes


@pytest.mark.slow
@pytest.mark.parametrize(("taps", "images_of_a_block"), [((1, 3), 1), ((3, 3), 16)], ids=["tiles", "patches"])
@pytest.mark.parametrize("op", OPS[:2])
def test_addresses_beyond_2_31_elements(op: str, taps: tuple[int, int], images_of_a_block: int) -> None:
    """Those of the last image."""
    _, f, *rest = Case((64, 64), taps=taps, padding=(1, 1, taps[0] // 2, taps[0] // 2)).arguments(op)
    x = beyond_2_31_elements(torch.randn(64, 64))
    blocks = -(-len(x) // images_of_a_block)
    with launches.executed_ptx(SOURCE, 90, last_blocks=1, counting=False, races=False) as runs:
        out = getattr(cuda, op)(x, f, *rest)
    assert runs[-1].launch.grid == (blocks, 1, 1)
    expected = getattr(reference, op)(x[-1].double(), f.double(), *rest)
    torch.testing.assert_close(out[-1].double(), expected, rtol=2**-7, atol=2**-7)


@pytest.mark.slow
def test_a_derivative_in_the_filter_beyond_2_31_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of the last plane, where each has a block of its own."""
    case = Case((64, 64), taps=(1, 3), padding=(1, 1, 0, 0), batch=(1,), dtype=torch.bfloat16)
    args = case.arguments("upfirdn2d_filter_correlation")
    monkeypatch.setattr(gpu_plans, "MOST_SEGMENTS", 2**20)
    gpu_plans.plan.cache_clear()
    x, y = (beyond_2_31_elements(image) for image in args[:2])
    with launches.executed_ptx(SOURCE, 90, last_blocks=1, counting=False, races=False) as runs:
        cuda.upfirdn2d_filter_correlation(x, y, *args[2:])
    gpu_plans.plan.cache_clear()
    assert runs[0].launch.grid == (len(x), 1, 1)
    expected = reference.upfirdn2d_filter_correlation(*(image.double() for image in args[:2]), *args[2:])
    torch.testing.assert_close(runs[0].tensors[2][-1:], expected, rtol=1e-6, atol=1e-4)


def noted(cases: Mapping[str, Case]) -> list[tuple[str, list[Any]]]:
    with launches.noted_calls() as calls:
        for op in OPS:
            for case in cases.values():
                getattr(cuda, op)(*case.arguments(op))
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing(sanitizer: str) -> None:
    orders = [("forward", 0), ("reverse", 0), *(("random", seed) for seed in range(5))]
    cuda_source.call_sanitized(SOURCE, sanitizer, noted(TILES | PATCHES), orders=orders)


_MUTATED = ("resample_cuda.cu", "resample_kernels.cuh", "factors.cuh", "patch.cuh", "tile.cuh", "windows.cuh")
MUTATED = ["resample/axis.h", *(f"resample/cuda/{name}" for name in _MUTATED)]
BARRIER = r"__sync(threads|warp)\([^()]*\);"
CHOICES = {  # what keeps a thread inside images, beside the conditions of an `if`
    "resample/cuda/tile.cuh": [
        ("source + count <= layout.x.n_in", "true"),
        ("channel + count <= layout.channels", "true"),
        ("(place.end_column - place.column) << layout.inner_bits", "layout.out_pitch"),
    ],
    "resample/cuda/patch.cuh": [
        ("strip.plane >= planes", "false"),
        ("sample + r >= x.end || !in_image(layout.y, row)", "false"),
        ("row + i < strip.row || row + i >= strip.end_row", "false"),
        ("inside || layout.x.boundary == Boundary::kZeros", "true"),
    ],
    "resample/cuda/resample_kernels.cuh": [("smaller(layout.y.tile, end_row - row)", "layout.y.tile")],
}
SPEED_ONLY = (  # what is right either way; the widths of accesses are tested above
    "!layout.store_vectors",
    "layout.y.n_taps > 1",
    "layout.x.n_taps > 1",
    "is(1, 1, 4)",
    "folded",
    "P::kAhead",
    "!P::kAhead",
)


def switchable_sources() -> tuple[dict[str, str], list[str]]:
    return mutation.switchable({name: (cuda_source.CSRC / name).read_text() for name in MUTATED}, BARRIER, CHOICES)


MUTANTS = [
    (number, what) for number, what in enumerate(switchable_sources()[1]) if what.partition(": ")[2] not in SPEED_ONLY
]


@functools.cache
def mutation_calls() -> list[tuple[str, list[Any]]]:
    return noted(TILES | PATCHES)


@pytest.fixture(scope="module")
def mutants_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mutation.write_switched(switchable_sources()[0], SOURCE, tmp_path_factory.mktemp("mutants"))


def left_by(source: Path, sanitizer: str, mutant: int) -> list[np.ndarray]:
    """Returns outputs as the mutant leaves them, and whether filters were found to be outer products; -1 is none."""
    calls = [("specops_select_mutant", [mutant, None]), *mutation_calls()]
    left = cuda_source.call_sanitized(source, sanitizer, calls, orders=[("forward", 0)])[1:]
    outputs = [args[5] if len(args) == 8 else args[3] for args in left]
    flags = [args[2][:8] for args in left if len(args) == 8]
    return outputs + flags


@functools.cache
def left_by_none(source: Path) -> list[np.ndarray]:
    return left_by(source, "address", -1)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "what"), MUTANTS, ids=[what for _, what in MUTANTS])
def test_every_barrier_and_mask_is_needed(number: int, what: str, mutants_source: Path) -> None:
    """Without it a sanitizer reports something or a result is another."""
    try:
        found = left_by(mutants_source, "address", number)
    except cuda_source.SanitizerError:
        return
    if all(np.array_equal(one, other) for one, other in zip(found, left_by_none(mutants_source), strict=True)):
        with pytest.raises(cuda_source.SanitizerError, match="data race"):
            left_by(mutants_source, "thread", number)
