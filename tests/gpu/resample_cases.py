"""Arguments of the resampling ops that any backend's GPU kernels are tested with, and how near results must be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from resample_draws import Draw
from samples import RESAMPLING, Sample
from tolerances import UNIT_ROUNDOFF
from torch import Tensor

from specops.ops._layout import compute_dtype, memory_format
from specops.ops.resample import reference
from specops.ops.resample.contract import filter_of, filter_size, output_size
from specops.ops.resample.plans import launches, tilings

OPS = tuple(dict.fromkeys(sample.op for sample in RESAMPLING))
IMAGE_OPS = tuple(op for op in OPS if not op.endswith("correlation"))


def check(module: Any, op: str, *args: Any) -> Tensor:
    """Runs an op of a module as the surrounding context says; each element is within one rounding per term."""
    with torch.no_grad():
        out = getattr(module, op)(*args)
    first, second = (arg.double() for arg in args[:2])
    expected = getattr(reference, op)(first, second, *args[2:])
    terms = getattr(reference, op)(abs(first), abs(second), *args[2:])
    dtype = compute_dtype(args[0].dtype)
    roundings = 20.0 + sum(args[-1] if op.endswith("correlation") else filter_size(args[1].shape))
    if op.endswith("correlation"):
        roundings = 8 + 2 * math.sqrt(args[1].numel())
    bound = roundings * UNIT_ROUNDOFF[dtype] * terms
    if out.dtype != dtype:
        bound += UNIT_ROUNDOFF[out.dtype] * abs(expected) + 2**-24
    assert out.shape == expected.shape
    assert memory_format(out) == (torch.contiguous_format if op.endswith("correlation") else memory_format(args[0]))
    assert bool((abs(out - expected) <= bound).all()), f"off by {float(abs(out - expected).max()):.3g}"
    return out


def check_draw(module: Any, draw: Draw) -> None:
    """All three ops, of random arguments."""
    sampling = (draw.up, draw.down, draw.padding, draw.boundary)
    x, y, taps = draw.image(draw.size), draw.image(draw.out), draw.filter()
    check(module, "upfirdn2d", x, taps, *sampling, draw.gain)
    check(module, "upfirdn2d_transpose", y, taps, *sampling, draw.size, draw.gain)
    check(module, "upfirdn2d_filter_correlation", x, y, *sampling, draw.taps)


def check_adjoints(module: Any, sample: Sample) -> None:
    """<upfirdn2d(x, taps), y> = <x, transpose(y, taps)> = <taps, correlation(x, y)>."""
    x, taps, up, down, padding, boundary, *gain = sample.arguments(torch.float64)
    sampling, full = (up, down, padding, boundary), filter_of(taps, *gain or (1.0,))
    out = module.upfirdn2d(x, taps, *sampling, *gain)
    y = torch.randn_like(out)
    by_x = (module.upfirdn2d_transpose(y, taps, *sampling, x.shape[-2:], *gain) * x).sum()
    by_taps = (module.upfirdn2d_filter_correlation(x, y, *sampling, full.shape) * full).sum()
    bound = 2**-48 * float((reference.upfirdn2d(abs(x), abs(full), *sampling) * abs(y)).sum())
    assert abs(float((out * y).sum() - by_x)) <= bound
    assert abs(float((out * y).sum() - by_taps)) <= bound


def check_images_apart(
    module: Any, op: str, case: Case, first: AbstractContextManager[Any], second: AbstractContextManager[Any]
) -> None:
    """A NaN stays in its image, a batch is its parts to the bit, and so is a second run."""
    x, *rest = replace(case, batch=(3, *case.batch[1:])).arguments(op)
    spoiled = x.clone()
    spoiled[1, ..., 0, 0] = math.nan
    with first:
        out, beside = getattr(module, op)(x, *rest), getattr(module, op)(spoiled, *rest)
        parts = [getattr(module, op)(each, *rest) for each in (x[:1], x[1:])]
    with second:
        again = getattr(module, op)(x, *rest)
    assert torch.equal(out, torch.cat(parts))
    assert torch.equal(out, again)
    assert torch.equal(out[::2], beside[::2])
    assert torch.equal(beside.isnan(), getattr(reference, op)(spoiled, *rest).isnan())


def check_beyond_2_31(module: Any, op: str, taps: tuple[int, int], last: AbstractContextManager[Any]) -> None:
    """Addresses of the last image."""
    _, f, *rest = Case((64, 64), taps=taps, padding=(1, 1, taps[0] // 2, taps[0] // 2)).arguments(op)
    x = beyond_2_31_elements(torch.randn(64, 64))
    with last:
        out = getattr(module, op)(x, f, *rest)
    expected = getattr(reference, op)(x[-1].double(), f.double(), *rest)
    torch.testing.assert_close(out[-1].double(), expected, rtol=2**-7, atol=2**-7)


def check_what_no_kernel_serves(module: Any, executed: AbstractContextManager[list[Any]]) -> None:
    """Empty batches launch nothing, a filter of too many taps goes to the reference."""
    x, f = torch.randn(1, 5, 5), torch.randn(300, 300)
    args = ((1, 1), (1, 1), (150, 149, 150, 149), "zeros")
    with executed as runs:
        assert torch.equal(module.upfirdn2d(x, f, *args), reference.upfirdn2d(x, f, *args))
        for op in OPS:
            empty = replace(UP, batch=(0, 3)).arguments(op)
            assert torch.equal(getattr(module, op)(*empty), getattr(reference, op)(*empty))
    assert runs == []


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
    gain: float | None = None  # of 1-D taps; None is a filter [fh, fw]
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
        gain = [] if self.gain is None else [self.gain]
        f = f if self.gain is None else f[0].clone()
        return {
            "upfirdn2d": (x, f, *sampling, *gain),
            "upfirdn2d_transpose": (y, f, *sampling, self.size, *gain),
            "upfirdn2d_filter_correlation": (x, y, *sampling, self.taps),
        }[op]


UP = Case((64, 64), taps=(4, 4), up=(2, 2), padding=(2, 1, 2, 1))
UP_3_TAPS = replace(UP, taps=(3, 3), padding=(1, 1, 1, 1))
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
    "1-D": Case((9, 8), (5, 5), (2, 1), (1, 2), (3, 2, 2, 3), "reflect", gain=1.75),
    "1-D float64": Case((9, 8), (3, 3), (1, 2), padding=(1, 1, 2, 1), gain=1.3, dtype=torch.float64),
    "1-D single": Case((9, 8), up=(2, 1), gain=0.75),
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
    "1-D float16": replace(UP, size=(16, 16), gain=4.0, dtype=torch.float16),
    "1-D reflect": Case((30, 13), (12, 12), (1, 1), (2, 2), (6, 5, 5, 6), "reflect", gain=1.3),
    "wide full": Case((14, 32), (12, 12), (1, 1), (2, 2), (5, 5, 5, 5), outer=False, dtype=torch.bfloat16),
}
CASES = TILES | PATCHES | {name: replace(case, size=(16, 16)) for name, case in COMMON.items()}


@contextmanager
def bands_of_many_images() -> Iterator[None]:
    """The patches of few images have bands as long as those of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tilings, "ENOUGH_STRIPS", 0)
        launches.plan.cache_clear()
        yield
    launches.plan.cache_clear()


def bytes_that_move(case: Case, op: str, x: Tensor, y: Tensor) -> int:
    """Of one image in and out, or of both of a correlation; where single samples are taken, of rows that have some."""
    skipped = {"upfirdn2d": case.down, "upfirdn2d_transpose": case.up}.get(op, (1, 1))
    needed = x[0][..., :: skipped[1] if case.taps == (1, 1) else 1, :]
    return (needed.numel() + y[0].numel()) * x.element_size()


def beyond_2_31_elements(plane: Tensor) -> Tensor:
    """A plane of 64 x 64 after 2^19 others in bfloat16, in memory that the system hands out when it is touched."""
    planes = torch.from_numpy(np.zeros((2**19 + 1, 64, 64), dtype=np.int16)).view(torch.bfloat16)
    planes[-1] = plane
    return planes
