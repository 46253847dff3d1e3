"""CUDA kernels under the sanitizers: as they are, and without any one of their barriers or conditions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cuda_source
import mutation
import numpy as np
import pytest
import torch
from around_fft_cases import SERVED, one_bin, swap_arguments, tiled
from cuda_source import launches
from resample_cases import OPS, PATCHES, TILES
from spectral_cases import KINDS, Case

from specops.ops.resample import cuda as resample
from specops.ops.spectral import cuda as spectral

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first mutant of a family compiles all of them
    pytest.mark.skipif(cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed"),
]

Calls = list[tuple[str, list[Any]]]


def spectral_calls(*sides: int) -> Calls:
    """Of 32 x 32, three images, so that a group of a block has none of its own."""
    with launches.noted_calls() as calls:
        for side in sides:
            for kind in KINDS["cuda"]:
                for bins in {"power": ("radial", "ragged", "most", "two"), "filter": ("ragged", "most")}.get(
                    kind, ("ragged",)
                ):
                    case = Case(kind, (side, side), bins, images=3 if side == 32 else 1)
                    case.of(spectral, *case.arguments())
    return calls


def around_fft_calls() -> Calls:
    with launches.noted_calls() as calls:
        for n_bins in (1, 65 * 33):
            spectral.binned_cross_spectrum(*one_bin(torch.float32, n_bins))
        for dtype, own in ((torch.float32, True), (torch.float32, False), (torch.float64, False)):
            spectral.binned_cross_spectrum(*tiled(dtype, own))
        for sample in SERVED:
            if sample.linear == (0, 1):  # scales are below
                getattr(spectral, sample.op)(*sample.arguments(torch.float32))
        for constant in (False, True):
            spectral.clipped_band_swap(*swap_arguments(torch.float32, constant))
        x, _, profile, index, weight, *_ = swap_arguments(torch.float32, constant=False)
        for scale in ("amplitude", "log"):
            spectral.binned_scaled_power(x, index, weight, index.numel(), scale, 0.01, 1e-3)
            spectral.binned_scaled_filter(x, profile, index, weight, scale, 0.01, 1e-3)
    for name, arguments in calls:  # what has not been executed leaves its inputs as they come
        for array in arguments:
            if isinstance(array, np.ndarray) and name.endswith("clip") and array.dtype == np.float32:
                array[np.isnan(array)] = 0
    return calls


def resample_calls() -> Calls:
    with launches.noted_calls() as calls:
        for op in OPS:
            for case in (TILES | PATCHES).values():
                getattr(resample, op)(*case.arguments(op))
    return calls


@dataclass(frozen=True)
class Family:
    """Kernels of a source, and what mutants of them are.

    Attributes:
        source: in csrc.
        mutated: files in csrc.
        calls: that a mutant is executed on.
        left: what of the arguments of a call, as it leaves them, is compared.
        barrier: regular expression of barriers.
        choices: by file, conditions that are no `if`, and what stands in their place.
        harmless: ends of what is right either way, or costs time alone.
        without: text of the source that has no barrier of its own, and is left out.
    """

    source: str
    mutated: tuple[str, ...]
    calls: Callable[[], Calls]
    left: Callable[[list[Any]], list[Any]]
    barrier: str
    choices: Mapping[str, Sequence[tuple[str, str]]]
    harmless: tuple[str, ...]
    without: str = ""

    def switchable(self) -> tuple[dict[str, str], list[str]]:
        texts = {name: (cuda_source.CSRC / name).read_text() for name in self.mutated}
        return mutation.switchable(texts, self.barrier, self.choices)

    def mutants(self) -> Iterator[tuple[int, str]]:
        for number, what in enumerate(self.switchable()[1]):
            if not what.endswith(tuple(f": {known}" for known in self.harmless)):
                yield number, what


def arrays(args: list[Any]) -> list[np.ndarray]:
    return [arg for arg in args if isinstance(arg, np.ndarray)]


def outputs(args: list[Any]) -> list[np.ndarray]:
    """Of a resampling: its result, and where there are factors whether they are an outer product's."""
    *_, out, _, _ = arrays(args)
    return [out, args[4][:8]] if len(args) > 8 else [out]


RESAMPLE_FILES = ("resample_cuda.cu", "resample_kernels.cuh", "factors.cuh", "patch.cuh", "tile.cuh", "windows.cuh")
FAMILIES = {
    "spectral": Family(
        "spectral/cuda/spectral_cuda.cu",
        ("fft/image_transform.cuh", "spectral/cuda/bins.cuh", "spectral/cuda/spectral_kernels.cuh"),
        lambda: spectral_calls(32, 64),
        arrays,
        r"(__sync(threads|warp)|(fft::)?sync_image<S>)\(\);",
        {  # conditions that are no `if`
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
        },
        ("at.first_warp()",),
        "  if (height == 128 && width == 128) return f(fft::Shape<128, 128>{});\n",
    ),
    "around fft": Family(
        "spectral/cuda/around_fft_cuda.cu",
        ("spectral/cuda/around_fft_kernels.cuh", "common/coefficient.h"),
        around_fft_calls,
        arrays,
        r"__syncthreads\(\);",
        {
            "spectral/cuda/around_fft_kernels.cuh": [
                ("live ? first[bin + 1] : 0", "first[bin + 1]"),
                ("live ? first[bin] + lane : 0", "first[bin] + lane"),
                ("turn < kTermsAtOnce", "true"),
                ("left < tile_points ? left : tile_points", "tile_points"),
                ("tile < n_tiles", "tile < n_tiles + 1"),
                ("begin + lanes * (turn + t) >= end", "false"),
                ("constant ? 0 : i", "i"),
                ("map < n_maps", "map < n_maps + 1"),
                ("pair % n_edges == 0 ? 0 : n_columns - 1", "0"),
                ("(n_rows - ky)", "(n_rows - 1 - ky)"),
            ]
        },
        ("lane == 0", "!alone"),  # all lanes have the sum; a real coefficient twice
    ),
    "resample": Family(
        "resample/cuda/resample_cuda.cu",
        ("resample/axis.h", *(f"resample/cuda/{name}" for name in RESAMPLE_FILES)),
        resample_calls,
        outputs,
        r"__sync(threads|warp)\([^()]*\);",
        {  # what keeps a thread inside images, beside the conditions of an `if`
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
        },
        (  # what is right either way; the widths of accesses are tested with sectors
            "!layout.store_vectors",
            "how.y.n_taps > 1",
            "how.x.n_taps > 1",
            "is(1, 1, 4)",
            "folded",
            "P::kAhead",
            "!P::kAhead",
        ),
    ),
}


@pytest.mark.parametrize(
    ("family", "calls", "orders"),
    [
        *(
            pytest.param(
                "spectral", functools.partial(spectral_calls, side), 7 if side < 128 else 3, id=f"spectral {side}"
            )
            for side in (32, 64, 128)
        ),
        pytest.param("around fft", around_fft_calls, 7, id="around fft"),
        pytest.param("resample", resample_calls, 7, id="resample"),
    ],
)
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing(sanitizer: str, family: str, calls: Callable[[], Calls], orders: int) -> None:
    all_orders = [("forward", 0), ("reverse", 0), *(("random", seed) for seed in range(5))]
    cuda_source.call_sanitized(
        cuda_source.CSRC / FAMILIES[family].source, sanitizer, calls(), orders=all_orders[:orders]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutants")


@functools.cache
def switched(family: str, folder: Path) -> Path:
    """The source of a family with all its mutants."""
    of = FAMILIES[family]
    source = mutation.write_switched(of.switchable()[0], cuda_source.CSRC / of.source, folder / family)
    text = source.read_text()
    assert of.without in text
    source.write_text(text.replace(of.without, "") if of.without else text)
    return source


@functools.cache
def calls_of(family: str) -> Calls:
    return FAMILIES[family].calls()


def left_by(family: str, source: Path, sanitizer: str, mutant: int) -> list[Any]:
    """Returns what all calls leave of a mutant; -1 is none."""
    calls = [("specops_select_mutant", [mutant, None]), *calls_of(family)]
    left = cuda_source.call_sanitized(source, sanitizer, calls, orders=[("forward", 0)])[1:]
    return [array for args in left for array in FAMILIES[family].left(args)]


@functools.cache
def left_by_none(family: str, source: Path) -> list[Any]:
    return left_by(family, source, "address", -1)


@pytest.mark.parametrize(
    ("family", "number", "what"),
    [pytest.param(name, *mutant, id=mutant[1]) for name, family in FAMILIES.items() for mutant in family.mutants()],
)
def test_every_barrier_and_condition_is_needed(family: str, number: int, what: str, folder: Path) -> None:
    """Removing it makes a sanitizer report something or a result another."""
    source = switched(family, folder)
    if "sync" not in what:
        try:
            found = left_by(family, source, "address", number)
        except cuda_source.SanitizerError:
            return
        pairs = zip(found, left_by_none(family, source), strict=True)
        if not all(np.array_equal(one, other, equal_nan=one.dtype.kind == "f") for one, other in pairs):
            return
    with pytest.raises(cuda_source.SanitizerError, match="data race" if "sync" in what else "data race|SEGV"):
        left_by(family, source, "thread", number)
