"""The CUDA kernels of the spectral ops on the CPU: their source on fibers, their PTX interpreted, against float64."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cuda_source
import mutation
import numpy as np
import pytest
import torch
from cuda_source import launches
from samples import randn, spectral_maps
from tolerances import relative_error, tolerance
from torch import Tensor

from specops._half_plane import bin_sums, multiplicity
from specops.ops.spectral import cuda, gpu_plans, reference

needs_toolkit = pytest.mark.skipif(
    cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"
)

SOURCE = cuda_source.CSRC / "spectral" / "cuda" / "spectral_cuda.cu"
ARCHS = (80, 90, 100)
SIDES = tuple(height for height, _ in gpu_plans.SHAPES)
OPS = ("power", "cross", "filter", "filter per image", "swap", "swap constant")
BINS = ("radial", "ragged", "own", "two")
FUNCTIONS = {"power": "binned_cross_spectrum", "cross": "binned_cross_spectrum", "filter": "binned_filter"}


@dataclass(frozen=True)
class Case:
    """Arguments of one op on square images; `bins` as in samples.spectral_maps, `own` without its last, or `two`."""

    op: str
    side: int
    bins: str = "radial"
    images: int = 2

    def __str__(self) -> str:
        return f"{self.op}-{self.images}x{self.side}x{self.side}-{self.bins}"

    def arguments(self, seed: int = 0) -> tuple[Any, ...]:
        generator = torch.Generator().manual_seed(seed)
        size = (self.side, self.side)
        index, weight, n_bins = spectral_maps(
            size, "radial" if self.bins == "two" else self.bins, torch.float32, generator
        )
        if self.bins == "own":
            n_bins -= 5
            index = torch.where(index < n_bins, index, -1)
        if self.bins == "two":
            index, n_bins = index % 3 - 1, 2
        shape = (self.images, *size)
        x = randn(shape, torch.float32, generator)
        y = x if self.op == "power" else randn(shape, torch.float32, generator)
        if self.op in ("power", "cross"):
            return x, y, index, weight, n_bins
        gains = torch.rand((self.images, n_bins) if "image" in self.op else (n_bins,), generator=generator)
        if self.op.startswith("filter"):
            return x, gains, index, weight
        weight = (multiplicity(size, torch.float32, index.device) / self.side**2).expand(index.shape)
        weight = weight.contiguous()
        if self.op == "swap constant":
            return x, torch.full((), -1.0).expand(shape), gains, index, weight, -1.0, 1.0, False
        return x, y, gains, index, weight, -1.0, 1.0, True

    def call(self, *args: Any) -> tuple[Tensor, ...]:
        return self._of(cuda, args)

    def exact(self, *args: Any) -> tuple[Tensor, ...]:
        wide = tuple(arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args)
        return self._of(reference, wide)

    def _of(self, module: Any, args: tuple[Any, ...]) -> tuple[Tensor, ...]:
        out = getattr(module, FUNCTIONS.get(self.op.split()[0], "clipped_band_swap"))(*args)
        return out if isinstance(out, tuple) else (out,)


def check(case: Case, seed: int = 0) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
    """Runs an op's kernel as the surrounding context says; its results are near those of float64."""
    args = case.arguments(seed)
    out, expected = case.call(*args), case.exact(*args)
    bound = tolerance(torch.float32, torch.float32, (case.side, case.side))
    assert relative_error(out[0], expected[0]) <= bound
    if case.op.startswith("swap"):  # the slope jumps where rounding decides on which side of a bound a pixel is
        assert float((out[1] != expected[1]).double().mean()) <= 1e-3
        assert relative_error(out[2], expected[2]) <= bound
    return out, args


@needs_toolkit
@pytest.mark.parametrize("order", cuda_source.ORDERS)
@pytest.mark.parametrize("side", SIDES)
def test_source_in_orders(side: int, order: str) -> None:
    """Three images of 32 × 32 leave one of a block's groups without work."""
    with launches.executed_source(SOURCE, order, seed=1):
        for op in OPS:
            check(Case(op, side, images=3 if side == SIDES[0] else 2))


@needs_toolkit
@pytest.mark.parametrize("seed", range(5))
def test_source_in_random_orders(seed: int) -> None:
    with launches.executed_source(SOURCE, "random", seed):
        for op in OPS:
            check(Case(op, 64, "ragged"), seed)


@needs_toolkit
@pytest.mark.parametrize("op", OPS)
def test_smallest_images(op: str) -> None:
    with launches.executed_ptx(SOURCE, 90) as runs:
        case = Case(op, SIDES[0], images=4)
        out, args = check(case)
    assert_gates(case, runs, out, args)


@needs_toolkit
@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("side", SIDES)
def test_every_configuration(side: int, bins: str, arch: int) -> None:
    for op in OPS:
        if (op, bins) == ("cross", "two"):  # two sums of terms of either sign: as near to 0 as they please
            continue
        with launches.executed_ptx(SOURCE, arch) as runs:
            case = Case(op, side, bins, images=4 if side == SIDES[0] else 2)
            out, args = check(case)
        assert_gates(case, runs, out, args)


def assert_gates(case: Case, runs: list[launches.Run], out: tuple[Tensor, ...], args: tuple[Any, ...]) -> None:
    """One launch, images in and out once by 16 bytes at a time, no bank conflict; hardly any where lanes have bins."""
    (run,) = runs
    places = {t.data_ptr(): i for i, t in enumerate(run.tensors)}
    size = (case.side, case.side)
    images = {arg.data_ptr(): arg for arg in args[:2] if isinstance(arg, Tensor) and arg.shape[-2:] == size}
    traffic = [(run.counters.loads[places[at]], image) for at, image in images.items() if any(image.stride())]
    traffic += [(run.counters.stores[places[t.data_ptr()]], t) for t in out if t.shape[-2:] == size]
    for made, image in traffic:
        assert made.bytes == image.numel() * image.element_size()
        assert made.sectors * 32 <= 1.05 * made.bytes
        assert made.widths == {16}
    wavefronts, fewest = run.counters.total_wavefronts
    assert wavefronts <= (1.01 if case.bins == "own" and case.op in ("power", "cross") else 1.0) * fewest


@needs_toolkit
@pytest.mark.parametrize("seed", range(4))
def test_cross_spectra_of_many_draws(seed: int) -> None:
    """Eight images together; each of them, whose terms may cancel, relative to its sums of absolute terms."""
    case = Case("cross", 128, images=8)
    with launches.executed_source(SOURCE):
        (out,), args = check(case, seed)
    x, y, index, weight, n_bins = args
    X, Y = (torch.fft.rfft2(each.double()) for each in (x, y))
    magnitude = bin_sums(X.abs() * Y.abs(), index, weight.double(), n_bins)
    error = (out - case.exact(*args)[0]).norm(dim=-1) / magnitude.norm(dim=-1)
    assert float(error.max()) <= 0.25 * tolerance(torch.float32, torch.float32, (128, 128))


@needs_toolkit
@pytest.mark.parametrize("op", ["power", "filter per image"])
def test_images_do_not_meet(op: str) -> None:
    """A NaN stays in its image, a batch is its parts to the bit, and so is a second run in another order."""
    case = Case(op, SIDES[0], images=6)
    x, *rest = case.arguments()
    spoiled = x.clone()
    spoiled[4, 3, 5] = math.nan

    def run(x: Tensor, part: slice = slice(None)) -> Tensor:
        gains = rest[0][part] if "image" in op else x
        return case.call(x, gains, *rest[1:])[0]

    with launches.executed_source(SOURCE):
        whole, beside = run(x), run(spoiled)
        parts = [run(x[part], part) for part in (slice(1), slice(1, None))]
    with launches.executed_source(SOURCE, "random", seed=7):
        again = run(x)
    others = torch.tensor([0, 1, 2, 3, 5])
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole, again)
    assert torch.equal(whole[others], beside[others])
    assert bool(beside[4].isnan().all())


def last_of_many(args: tuple[Any, ...], images: Tensor) -> tuple[Any, ...]:
    """The arguments of one image with its images at the end of a batch whose memory is there page by page."""
    made: dict[int, Tensor] = {}

    def many(arg: Any) -> Any:
        if not isinstance(arg, Tensor) or arg.shape != images.shape:
            return arg
        if arg.data_ptr() not in made:
            batch = torch.from_numpy(np.zeros((2**31 // images.numel() + 1, *images.shape[1:]), np.float32))
            batch[-1:] = arg
            made[arg.data_ptr()] = batch
        return made[arg.data_ptr()]

    return tuple(map(many, args))


@needs_toolkit
@pytest.mark.slow
@pytest.mark.parametrize("op", ["power", "cross", "filter", "swap"])
def test_images_beyond_two_to_the_31_pixels(op: str) -> None:
    case = Case(op, 128, images=1)
    args = case.arguments()
    with launches.executed_ptx(SOURCE, 90, last_blocks=1, counting=False, races=False):
        alone, last = case.call(*args), case.call(*last_of_many(args, args[0]))
    assert all(torch.equal(each[-1:], of_one) for each, of_one in zip(last, alone, strict=True))


def coefficients(side: int) -> Tensor:
    """The number of each coefficient of the half plane."""
    return torch.arange(side * (side // 2 + 1)).view(side, -1)


@needs_toolkit
@pytest.mark.parametrize("side", SIDES)
def test_wavefronts_with_a_bin_per_coefficient(side: int) -> None:
    """Those of values read for sums, over the fewest, and sectors of the sums."""
    case, index = Case("power", side, images=4 if side == SIDES[0] else 1), coefficients(side)
    x = case.arguments()[0]
    n_bins, weight = index.numel(), torch.ones(index.shape)
    with launches.executed_ptx(SOURCE, 90) as runs:
        (sums,) = case.call(x, x, index, weight, n_bins)
        case.call(x, x, torch.full_like(index, -1), weight, n_bins)  # reads no value
    (made, _), (without, _) = (run.counters.total_wavefronts for run in runs)
    assert 0 < made - without <= 1.3 * case.images * n_bins / 32
    assert runs[0].counters.stores[runs[0].storage(sums)].excess <= 1.05


def turns_of(plan: gpu_plans.Bins) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The pool of each turn, the lanes that read a value and their points."""
    reads = plan.points[:, 0] % 8 < 4
    for pool, (first, *lengths) in enumerate(plan.pools.tolist()):
        for turn in range(max(lengths)):
            lanes = torch.tensor([lane for lane, length in enumerate(lengths) if turn < length])
            points = torch.arange(first, first + len(lanes))
            first += len(lanes)
            yield pool, lanes[reads[points]], points[reads[points]]


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("side", SIDES)
def test_plans_of_bins(side: int, bins: str) -> None:
    """Each coefficient of a bin is one point of its pool; where lanes have banks, each reads its own."""
    *_, index, weight, n_bins = Case("power", side, bins).arguments()
    plan = gpu_plans.bins(index, weight, n_bins)
    place, weights = plan.points[:, 0], plan.points[:, 1].view(torch.float32)
    position, found = place // 8, []
    for pool, lanes, points in turns_of(plan):
        if plan.bins_per_pool == 128:
            bin_of = pool * 128 + place[points] % 8 * 32 + lanes
        else:
            bin_of = pool * plan.bins_per_pool + place[points] % 8
            assert torch.equal(position[points] % 32, lanes)
        found.append(torch.stack((bin_of.double(), position[points].double(), weights[points].double()), 1))
    inside = index >= 0
    where = gpu_plans.positions(side, side // 2 + 1, index.device)
    wanted = torch.stack([t[inside].double() for t in (index, where, 0.25 * weight)], 1)
    assert torch.equal(torch.unique(torch.cat(found), dim=0), torch.unique(wanted, dim=0))
    assert len(torch.cat(found)) == len(wanted)


FEW_POINTS = {  # what makes an index of each coefficient's number, bins per coefficient, wavefronts over the fewest
    "own": (lambda number: number, 1, (1.3, 1.3, 1.3)),
    "own with holes": (lambda number: number.where(number * 7 % 10 > 2, -1), 1, (1.9, 1.9, 1.9)),
    "every other bin empty": (lambda number: 2 * number, 2, (2.0, 2.0, 2.0)),
    "shuffled": (lambda number: number.flatten()[torch.randperm(number.numel())].view_as(number), 1, (3.8, 3.7, 3.6)),
    "neighbours": (lambda number: number // 2, 0.5, (2.4, 2.0, 2.0)),
    "two far away": (lambda number: number % (number.numel() // 2), 0.5, (2.1, 2.0, 1.5)),
    "no value": (lambda number: torch.full_like(number, -1), 1, (0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("bins", FEW_POINTS)
@pytest.mark.parametrize("side", SIDES)
def test_plans_of_few_points_per_bin(side: int, bins: str) -> None:
    """Every bin has its points, and the wavefronts of a warp's turns are bounded."""
    torch.manual_seed(0)
    make, per_coefficient, bounds = FEW_POINTS[bins]
    index = make(coefficients(side))
    plan = gpu_plans.bins(index, torch.ones(index.shape), int(per_coefficient * index.numel()))
    assert plan.bins_per_pool == 128
    position, wavefronts, read = plan.points[:, 0] // 8, 0, 0
    for _, _, points in turns_of(plan):
        read += len(points)
        wavefronts += int(torch.bincount(position[points] % 32, minlength=32).max())
    assert read == int((index >= 0).sum())
    assert wavefronts <= bounds[SIDES.index(side)] * read / 32


@needs_toolkit
def test_bins_of_two_maps() -> None:
    """Sums of both are one launch; the filter has one gain per coefficient, and leaves two to torch.fft."""
    with launches.executed_source(SOURCE):
        for op in ("power", "cross"):
            check(Case(op, SIDES[0], "two maps"))
    assert launched([Case(op, SIDES[0], "two maps") for op in ("power", "cross", "filter", "swap")]) == [
        "binned_power", "binned_cross_spectrum", "around_fft_gains", "around_fft_hermitian", "around_fft_gains",
        "around_fft_hermitian", "around_fft_clip",
    ]  # fmt: skip


def launched(cases: list[Case]) -> list[str]:
    with launches.noted_calls() as calls:
        for case in cases:
            case.call(*case.arguments())
    return [name.removeprefix("launch_") for name, _ in calls]


@needs_toolkit
@pytest.mark.parametrize("op", OPS)
def test_half_precision_is_float32_on_the_way(op: str) -> None:
    case = Case(op, SIDES[0])
    args = case.arguments()

    def with_images_in(dtype: torch.dtype) -> tuple[Any, ...]:
        images = {id(arg): arg.half().to(dtype) for arg in args[:2] if arg.shape == args[0].shape}
        return tuple(images.get(id(arg), arg) for arg in args)

    with launches.executed_source(SOURCE):
        out, expected = case.call(*with_images_in(torch.float16)), case.call(*with_images_in(torch.float32))
    for found, wanted in zip(out, expected, strict=True):
        kept = (
            torch.float32 if op in ("power", "cross") else torch.int8 if wanted.dtype == torch.int8 else torch.float16
        )
        assert torch.equal(found, wanted.to(kept))
        assert found.dtype == kept


@needs_toolkit
def test_other_images_go_through_torch_fft() -> None:
    for shape, dtype in (((2, 32, 64), torch.float32), ((2, 32, 32), torch.float64)):
        x = torch.randn(shape, dtype=dtype)
        index, weight, n_bins = spectral_maps(shape[-2:], "radial", dtype, torch.Generator())
        with launches.noted_calls() as calls:
            cuda.binned_cross_spectrum(x, x, index, weight, n_bins)
            cuda.binned_filter(x, torch.rand(n_bins, dtype=dtype), index, weight)
        names = [name.removeprefix("launch_around_fft_") for name, _ in calls]
        assert names == ["tile_sums", "gains", "hermitian"]
    nothing = torch.ones(0, 32, 32)
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    with launches.noted_calls() as calls:
        assert cuda.binned_cross_spectrum(nothing, nothing, index, weight, n_bins).shape == (0, n_bins)
        assert cuda.binned_filter(nothing, torch.rand(n_bins), index, weight).shape == nothing.shape
    assert calls == []


def noted(sides: tuple[int, ...]) -> list[tuple[str, list[Any]]]:
    """Calls for the sanitizers: of 32 × 32, three images, so that a group of a block has none of its own."""
    with launches.noted_calls() as calls:
        for side in sides:
            for op in OPS:
                for bins in {"power": BINS, "filter": ("ragged", "own")}.get(op, ("ragged",)):
                    case = Case(op, side, bins, images=3 if side == SIDES[0] else 1)
                    case.call(*case.arguments())
    return calls


@needs_toolkit
@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing(sanitizer: str, side: int) -> None:
    orders = [("forward", 0), ("reverse", 0), *(("random", seed) for seed in range(5))]
    cuda_source.call_sanitized(SOURCE, sanitizer, noted((side,)), orders=orders[: None if side < 128 else 3])


MUTATED = ("fft/image_transform.cuh", "spectral/cuda/bins.cuh", "spectral/cuda/spectral_kernels.cuh")
BARRIER = r"(__sync(threads|warp)|(fft::)?sync_image<S>)\(\);"
CHOICES = {  # conditions that are no `if`
    "spectral/cuda/bins.cuh": [
        ("pool * bins_per_pool < n_bins", "pool * bins_per_pool < n_bins + 128"),
        ("left > turn ? __popc(readers[turn] & before) : 0", "__popc(readers[turn] & before)"),
        ("readers[turn] == 0 ? points : next", "next"),
        (
            "left > turn ? static_cast<int>(turns[turn].place % kSumCodes) : kMostSums",
            "turns[turn].place % kSumCodes",
        ),
    ],
    "spectral/cuda/spectral_kernels.cuh": [
        ("live ? wanted : n_images - 1", "wanted"),
        ("gain.bin < 0 ? 0 : gain.bin", "gain.bin"),
        ("gain.bin < 0 ? 0.0f : gain.weight * value", "gain.weight * value"),
        ("at.paired() ? gain - last : 0.0f", "gain - last"),
        ("i < S::H * kRowVectors", "i < S::H * kRowVectors + S::kImageThreads"),
    ],
}
SPEED_ONLY = ("at.first_warp()",)  # what is right either way
BIG = "  if (height == 128 && width == 128) return f(fft::Shape<128, 128>{});\n"  # has no barrier of its own


def switchable_sources() -> tuple[dict[str, str], list[str]]:
    return mutation.switchable({name: (cuda_source.CSRC / name).read_text() for name in MUTATED}, BARRIER, CHOICES)


MUTANTS = [
    (number, what)
    for number, what in enumerate(switchable_sources()[1])
    if not any(what.endswith(known) for known in SPEED_ONLY)
]


@pytest.fixture(scope="module")
def mutants_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels of 32 × 32 and 64 × 64 with all their mutants."""
    source = mutation.write_switched(switchable_sources()[0], SOURCE, tmp_path_factory.mktemp("mutants"))
    text = source.read_text()
    assert BIG in text
    source.write_text(text.replace(BIG, ""))
    return source


@functools.cache
def mutation_calls() -> list[tuple[str, list[Any]]]:
    return noted(SIDES[:2])


def left_by(source: Path, sanitizer: str, mutant: int) -> list[Any]:
    """Returns the arguments of all calls as the mutant leaves them; -1 is none."""
    calls = [("specops_select_mutant", [mutant, None]), *mutation_calls()]
    return cuda_source.call_sanitized(source, sanitizer, calls, orders=[("forward", 0)])[1:]


@functools.cache
def left_by_none(source: Path) -> list[Any]:
    return left_by(source, "address", -1)


def test_numbers_of_the_header() -> None:
    """Plans are made for the kernels' sums and rows."""
    bins, kernels = (
        (cuda_source.CSRC / "spectral" / "cuda" / name).read_text() for name in ("bins.cuh", "spectral_kernels.cuh")
    )
    assert f"kMostSums = {gpu_plans.SUMS};" in bins
    assert f"kSumCodes = {gpu_plans.SUM_CODES};" in bins
    pitch = int(gpu_plans.positions(32, 17, torch.device("cpu"))[1, 0])
    assert f"S::W == 32 ? {pitch // 4} : S::kPitch" in kernels


def test_gains_when_numbers_are_double_by_default() -> None:
    index, weight, n_bins = spectral_maps((32, 32), "radial", torch.float32, torch.Generator())
    expected = gpu_plans.gains(index, weight, n_bins)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(gpu_plans.gains(index.clone(), weight, n_bins), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@needs_toolkit
@pytest.mark.slow
@pytest.mark.parametrize(("number", "what"), MUTANTS, ids=[what for _, what in MUTANTS])
def test_every_barrier_and_mask_is_needed(number: int, what: str, mutants_source: Path) -> None:
    """Without it a sanitizer reports something or a result is another."""
    if "sync" not in what:
        try:
            found = left_by(mutants_source, "address", number)
        except cuda_source.SanitizerError:
            return
        pairs = zip(found, left_by_none(mutants_source), strict=True)
        arrays = [(a, b) for one, two in pairs for a, b in zip(one, two, strict=True) if isinstance(a, np.ndarray)]
        if not all(np.array_equal(a, b) for a, b in arrays):
            return
    with pytest.raises(cuda_source.SanitizerError, match="data race"):
        left_by(mutants_source, "thread", number)
