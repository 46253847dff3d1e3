"""docs/internals/gpu_kernels_*.csv: what each compiled GPU kernel takes of a multiprocessor and asks of memory."""

from __future__ import annotations

import csv
import functools
import importlib.util
import itertools
import math
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cuda_source
import numpy as np
import pytest
import resample_cases as resample
import spectral_cases as spectral
import torch
from cuda_source import launches
from kernel_resources import Resources, modelled_seconds, resident_warps, resources_of
from ptx import SECTOR
from samples import randn, spectral_maps
from spectral_cases import ARCHS
from torch import Tensor

from specops.ops.resample import cuda as resample_cuda
from specops.ops.resample.plans.launches import ENOUGH_BLOCKS
from specops.ops.spectral import around_fft
from specops.ops.spectral import cuda as spectral_cuda
from specops.ops.spectral.plans.gains import gain_maps

if importlib.util.find_spec("triton") is None:
    pytest.skip("triton is not installed", allow_module_level=True)

import triton_driver
from triton_checks import programs_of

from specops.ops.resample import triton as resample_triton
from specops.ops.resample.triton.plans import ENOUGH_PROGRAMS
from specops.ops.spectral import triton as spectral_triton
from specops.ops.spectral.triton.launches import AROUND_FFT
from specops.ops.spectral.triton.tables import CONFIGURATIONS

INTERNALS = Path(__file__).parents[2] / "docs" / "internals"
TABLES = {backend: INTERNALS / f"gpu_kernels_{backend}.csv" for backend in ("cuda", "triton")}
CUOBJDUMP = triton_driver.TOOLS / "cuobjdump"
RESAMPLE_SOURCE = cuda_source.CSRC / "resample" / "cuda" / "resample_cuda.cu"
SPECTRAL_SOURCE = cuda_source.CSRC / "spectral" / "cuda" / "spectral_cuda.cu"
AROUND_FFT_SOURCE = SPECTRAL_SOURCE.with_name("around_fft_cuda.cu")
COUNTED = 90  # launches are executed and counted on the one for which time is modelled
KEY = ("family", "call", "kernel", "arch")
TAKEN = ("registers", "stack", "shared", "threads", "warps")
ASKED = ("launches", "access", "sectors", "bound ns", "limiter")
BLUR = replace(resample.DOWN, down=(1, 1))
GROWTH = 1.1  # of what the committed table says, at most
MOST_SECTORS = 1.05

Row = dict[str, str]


@dataclass(frozen=True)
class Call:
    """A call of an op, of which the first blocks of each launch are executed.

    Attributes:
        execute: calls it and returns the images that are read and written, and the bytes that must move for the blocks.
        source: the CUDA source; None for Triton.
        images: that the blocks make.
        blocks: how many; None is all.
    """

    name: str
    execute: Callable[[], tuple[list[Tensor], int]]
    source: Path | None = None
    images: int = 1
    blocks: int | None = 1


@dataclass(frozen=True)
class Launched:
    """One launch: the kernel's mangled name, its block, what it takes, and the run that its counters are in."""

    kernel: str
    threads: int
    dynamic_shared: int
    resources: Resources
    run: launches.Run | triton_driver.Run


def spectral_call(module: Any, case: spectral.Case) -> tuple[list[Tensor], int]:
    args = case.arguments()
    images = images_among([*args, *case.of(module, *args)], case.size)
    return images, sum(t.numel() * t.element_size() for t in images)


def images_among(values: Sequence[Any], size: tuple[int, int]) -> list[Tensor]:
    """The distinct tensors [..., H, W] that are not one number expanded."""
    found = {t.data_ptr(): t for t in values if isinstance(t, Tensor) and t.numel() and t.shape[-2:] == size}
    return [t for t in found.values() if any(t.stride())]


def resample_call(module: Any, op: str, case: resample.Case, count: int) -> tuple[list[Tensor], int]:
    args = case.arguments(op)
    out = getattr(module, op)(*args)
    images = [args[0], args[1] if op.endswith("correlation") else out]
    return images, count * resample.bytes_that_move(case, op, *images)


def blocks_of(op: str, case: resample.Case) -> int:
    """Returns how many blocks all images of a case take."""
    with launches.noted_calls() as calls:
        getattr(resample_cuda, op)(*case.arguments(op))
    (*_, launch) = (argument for argument in calls[-1][1] if isinstance(argument, np.ndarray))
    return int(launch[2])  # its blocks


def spectral_calls(module: Any, source: Path | None) -> Iterator[Call]:
    """Every op and size."""
    for side in CONFIGURATIONS:
        images = 4 if source is not None and side == 32 else 1
        for kind in spectral.KINDS["triton" if source is None else "cuda"]:
            case = spectral.Case(kind, (side, side), images=images)
            yield Call(f"{kind} {side} x {side}", functools.partial(spectral_call, module, case), source, images)


def patches() -> Iterator[tuple[str, resample.Case]]:
    """Every factor, number of taps and type that is made by patches."""
    kinds = {"up 2": (resample.UP, (2, 4, 12)), "down 2": (resample.DOWN, (2, 4, 12)), "blur": (BLUR, (3, 4))}
    for dtype, (kind, (case, counts)) in itertools.product(
        (torch.float32, torch.float16, torch.bfloat16), kinds.items()
    ):
        for taps in counts:
            total = taps - 1 - (kind == "down 2")
            padding = ((total + 1) // 2, total // 2) * 2
            name = f"{kind}, {taps} taps, {str(dtype).removeprefix('torch.')}"
            yield name, replace(case, taps=(taps, taps), padding=padding, dtype=dtype)


def resampling_calls() -> Iterator[Call]:
    """The common cases, all patches, one case for the other kernel in all types; blocks that make whole images."""
    cases = {(name, op): case for name, case in resample.COMMON.items() for op in resample.IMAGE_OPS}
    cases |= {(name, "upfirdn2d"): case for name, case in patches()}
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        name, case = str(dtype).removeprefix("torch."), replace(resample.UP_3_TAPS, dtype=dtype)
        cases |= {(f"up 2, 3 taps, {name}", op): case for op in ("upfirdn2d", "upfirdn2d_filter_correlation")}
        cases[f"up 2, 3 taps along both axes, {name}", "upfirdn2d_transpose"] = replace(case, gain=4.0)
    for (name, op), case in cases.items():
        enough = replace(case, batch=(ENOUGH_BLOCKS,))
        blocks = blocks_of(op, enough)
        parts = math.gcd(blocks, ENOUGH_BLOCKS)
        images = ENOUGH_BLOCKS // parts
        execute = functools.partial(resample_call, resample_cuda, op, enough, images)
        yield Call(f"{op}, {name}", execute, RESAMPLE_SOURCE, images, blocks // parts)


def triton_resampling_calls() -> Iterator[Call]:
    """The common cases, of which programs make a whole image."""
    for (name, case), op in itertools.product(resample.COMMON.items(), resample.IMAGE_OPS):
        enough = replace(case, batch=(ENOUGH_PROGRAMS,))
        programs = programs_of(op, enough.arguments(op)[0], enough)
        execute = functools.partial(resample_call, resample_triton, op, enough, 1)
        yield Call(f"{op}, {name}", execute, None, 1, programs)


ONE_TILE, SEVERAL_TILES = (2, 96, 80), (2, 130, 136)


def around_fft_call(kernels: around_fft.AroundFft, kernel: str, dtype: torch.dtype) -> tuple[list[Tensor], int]:
    """One kernel around torch.fft of spectra, or of images that have been filtered."""
    generator = torch.Generator().manual_seed(0)
    shape = SEVERAL_TILES if "tiles" in kernel else ONE_TILE
    index, weight, n_bins = spectral_maps(shape[1:], "own" if "own" in kernel else "radial", dtype, generator)
    if kernel == "clip":
        filtered, b = (randn(ONE_TILE, dtype, generator) for _ in range(2))
        images = [filtered, b, *kernels.clip(filtered, b, -1.0, 1.0, keep=True)]
        return images, sum(t.numel() * t.element_size() for t in images)
    X = randn((shape[0], *index.shape, 2), dtype, generator)
    if kernel.startswith("sums"):
        kernels.bin_sums(X, X, index, weight, n_bins, around_fft.UNSCALED)
        return [X], X.numel() * X.element_size()
    if kernel == "hermitian columns":
        kernels.hermitian(X, 2)
        row, n_columns = 2 * X.element_size(), X.shape[-2]
        places = {(r * n_columns + kx) * row // SECTOR for r in range(X.shape[1]) for kx in (0, n_columns - 1)}
        return [X], 2 * shape[0] * len(places) * SECTOR
    maps = gain_maps(index, weight, n_bins, ONE_TILE[2])
    kernels.gain(X, randn((n_bins,), dtype, generator), *maps, around_fft.UNSCALED)
    return [X], 2 * X.numel() * X.element_size()


def around_fft_calls(kernels: around_fft.AroundFft, source: Path | None) -> Iterator[Call]:
    made = ("sums", "sums of tiles", "sums of own bins", "gain", "hermitian columns", "clip")
    for kernel, dtype in itertools.product(made, (torch.float32, torch.float64)):
        name = f"{kernel}, {str(dtype).removeprefix('torch.')}"
        yield Call(name, functools.partial(around_fft_call, kernels, kernel, dtype), source, ONE_TILE[0], None)


FAMILIES: dict[str, Callable[[], Iterator[Call]]] = {
    "resampling cuda": resampling_calls,
    "resampling triton": triton_resampling_calls,
    "spectral cuda": functools.partial(spectral_calls, spectral_cuda, SPECTRAL_SOURCE),
    "spectral triton": functools.partial(spectral_calls, spectral_triton, None),
    "around fft cuda": functools.partial(around_fft_calls, spectral_cuda.AROUND_FFT, AROUND_FFT_SOURCE),
    "around fft triton": functools.partial(around_fft_calls, AROUND_FFT, None),
}


def launched_by(call: Call, arch: int) -> tuple[list[Launched], list[Tensor], int]:
    """Returns the launches of a call, executed on one architecture only, and what `call.execute` does."""
    blocks = slice(call.blocks if arch == COUNTED else 0)
    if call.source is None:
        with triton_driver.executed_on(arch, blocks=blocks) as runs:
            images, moved = call.execute()
        shapes = [(run.kernel.name, 32 * run.metadata.num_warps, run.metadata.shared) for run in runs]
        taken = [run.resources for run in runs]
    else:
        with launches.executed_ptx(call.source, COUNTED, blocks=blocks) as runs:
            images, moved = call.execute()
        shapes = [(run.launch.kernel, run.launch.block[0], run.launch.shared_bytes) for run in runs]
        taken = [built_resources(call.source)[name, arch] for name, *_ in shapes]
    found = [Launched(*shape, *rest) for shape, *rest in zip(shapes, taken, runs, strict=True)]
    return found, images, moved


@functools.cache
def built_resources(source: Path) -> dict[tuple[str, int], Resources]:
    return resources_of(cuda_source.built(source).read_bytes(), CUOBJDUMP)


def readable(kernel: str) -> str:
    """The kernel's name and template arguments, without namespaces and parameters."""
    demangled = subprocess.run(["c++filt", kernel], capture_output=True, text=True, check=True).stdout.strip()
    return re.sub(r"\w+::", "", re.sub(r"\(.*\)$", "", demangled)).removeprefix("void ").replace("> >", ">>")


def taken(launched: Launched, arch: int) -> Row:
    resources = launched.resources
    shared = resources.shared + launched.dynamic_shared
    warps = resident_warps(arch, launched.threads, resources.registers, shared)
    numbers = (resources.registers, resources.stack, shared, launched.threads, warps)
    return dict(zip(TAKEN, map(str, numbers), strict=True))


def asked(run: Any, images: Sequence[Tensor], moved: int, count: int) -> Row:
    """Of the kernel that moves the images; nothing of one that prepares or finishes."""
    sides = (run.counters.loads, run.counters.stores)
    traffic = [side[run.storage(image)] for image in images for side in sides if run.storage(image) in side]
    if not traffic:
        return {}
    cached = "upfirdn2d_patches" in run.kernel.name  # its threads share what they read through the first-level cache
    sectors = sum(each.missed if cached else each.sectors for each in traffic)
    seconds = modelled_seconds(run.counters, moved)
    limiter = max(seconds, key=seconds.__getitem__)
    return {
        "access": " ".join(map(str, sorted({width for each in traffic for width in each.widths}))),
        "sectors": f"{sectors * SECTOR / moved:.3f}",
        "bound ns": f"{seconds[limiter] / count * 1e9:.2f}",
        "limiter": limiter,
    }


def rows_of(family: str) -> Iterator[Row]:
    for call, arch in itertools.product(FAMILIES[family](), ARCHS):
        launched, images, moved = launched_by(call, arch)
        for each in launched:
            names = (family, call.name, readable(each.kernel), f"sm_{arch}")
            row = dict.fromkeys((*KEY, *TAKEN, *ASKED), "") | dict(zip(KEY, names, strict=True))
            row |= taken(each, arch) | {"launches": str(len(launched))}
            yield row | (asked(each.run, images, moved, call.images) if arch == COUNTED else {})


def committed(backend: str) -> list[Row]:
    if not TABLES[backend].exists():
        return []
    with TABLES[backend].open(newline="") as file:
        return list(csv.DictReader(file))


def write(family: str, rows: list[Row]) -> None:
    """Those of the other families stay."""
    backend = family.split()[-1]
    kept = [row for row in committed(backend) if row["family"] != family] + rows
    with TABLES[backend].open("w", newline="") as file:
        writer = csv.DictWriter(file, [*KEY, *TAKEN, *ASKED], lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(kept, key=lambda row: list(FAMILIES).index(row["family"])))


def check_gates(row: Row) -> None:
    """No spills; images in and out once, but around torch.fft 16 bytes at a time; one launch, of resampling two."""
    assert int(row["stack"]) == 0, row
    assert int(row["warps"]) > 0, row
    most = 2 if row["family"].startswith("resampling") or "tiles" in row["call"] else 1
    assert int(row["launches"]) <= most, row
    if row["sectors"]:
        assert float(row["sectors"]) <= MOST_SECTORS, row
        wide = row["access"] in ("16", "4 16", "8 16")  # slopes of a swap are bytes; patches
        assert wide or row["family"].startswith("around fft"), row


@pytest.mark.parametrize("backend", TABLES)
def test_committed_table_keeps_the_gates(backend: str) -> None:
    rows = committed(backend)
    assert {row["arch"] for row in rows} == {f"sm_{arch}" for arch in ARCHS}
    for row in rows:
        check_gates(row)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(cuda_source.toolkit() is None, reason="no CUDA toolkit: its headers and nvcc are needed")
@pytest.mark.parametrize("family", FAMILIES)
def test_committed_table_is_what_the_kernels_take(family: str) -> None:
    """Gates are kept, nothing has grown by a tenth, and no kernel of the sources is left out."""
    with resample.bands_of_many_images():
        found = list(rows_of(family))
    for row in found:
        check_gates(row)
    if os.environ.get("SPECOPS_WRITE_TABLES"):
        write(family, found)
    before = {tuple(row[name] for name in KEY): row for row in committed(family.split()[-1]) if row["family"] == family}
    now = {tuple(row[name] for name in KEY): row for row in found}
    if not before:
        pytest.skip("the committed table has no rows of it: make gpu-static")
    assert now.keys() == before.keys()
    worse = [
        f"{' '.join(key)}: {name} {before[key][name]} -> {row[name]}"
        for key, row in now.items()
        for name in ("registers", "shared", "stack", "launches", "sectors")
        if float(row[name] or 0) > GROWTH * float(before[key][name] or 0)
    ]
    assert not worse, "\n".join(worse)
    if source := next(FAMILIES[family]()).source:
        assert {row["kernel"] for row in found} == {readable(name) for name, _ in built_resources(source)}
