"""What a device is to compute: public functions over classes of sizes, types, conventions and layouts.

Cases are the full product of functions and sizes. Type, bin convention and layout take turns over it, so that each of
them meets each function, each size and each other, but not all at once: size and type choose a kernel, a convention
only fills the maps that it reads (compared for themselves), and a layout is made contiguous before a transform.
SPECOPS_TEST_EXTENT says how many of them: `all`; `quick`, each function in each class of sizes and each type; `small`,
each function, size and type once, of images up to 64 × 64, which is what a CPU gets unless told.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from samples import CPU, DEVICE, randn
from torch import Tensor

import specops
from specops import geometry, masks
from specops.ops._layout import compute_dtype

EXTENT = os.environ.get("SPECOPS_TEST_EXTENT", "small" if DEVICE.type == "cpu" else "all")
if EXTENT not in ("small", "quick", "all"):
    raise ValueError(f"SPECOPS_TEST_EXTENT must be small, quick or all; got {EXTENT!r}")

Size = tuple[int, int]

SIZE_CLASSES: dict[str, tuple[Size, ...]] = {
    "to 128": ((16, 16), (32, 32), (64, 64), (128, 128)),
    "to 2048": ((256, 256), (512, 512), (1024, 1024), (2048, 2048)),
    "factors 3 and 5": ((48, 48), (96, 96), (100, 100), (192, 192), (384, 384), (640, 640), (1000, 1000)),
    "rectangles": ((64, 32), (128, 256), (256, 128), (96, 160), (1000, 1024), (512, 2048)),
    "odd": ((49, 49), (97, 97), (131, 129), (187, 187)),
}
CLASS_OF = {size: name for name, sizes in SIZE_CLASSES.items() for size in sizes}
SIZES = tuple(CLASS_OF)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
CONVENTIONS = tuple(geometry.CONVENTIONS)

PIXELS = {"small": 2**13, "quick": 2**16, "all": 2**18}[EXTENT]  # of a batch, if that is two images or more
LARGE = 2**16  # pixels of an image from which on each resampling takes a third of the sizes


@dataclass(frozen=True)
class Case:
    """A function of FUNCTIONS, and what it is called with."""

    function: str
    size: Size
    dtype: torch.dtype
    convention: str
    channels_last: bool

    @property
    def bins(self) -> geometry.RadialBins:
        return geometry.radial_bins(self.size, convention=self.convention, device=CPU)

    @property
    def batch(self) -> tuple[int, ...]:
        """An odd number of images, of large ones two; for resampling of maps with channels, eight if they come last."""
        pixels = self.size[0] * self.size[1]
        if FUNCTIONS[self.function].resampling:
            return (2 if pixels < LARGE and EXTENT != "small" else 1, 8 if self.channels_last else 4)
        return (max(2, PIXELS // pixels | 1),)

    @property
    def radius(self) -> float:
        """About a quarter of the shorter side, and such that coefficients off the axes lie on it exactly."""
        return 5.0 * max(1, min(self.size) // 20)

    def arguments(self) -> tuple[Tensor, ...]:
        """Images in the case's type, parameters in that of its arithmetic; on the CPU, the same in each run."""
        generator = torch.Generator().manual_seed(0)
        function = FUNCTIONS[self.function]
        made = [randn((*self.batch, *self.size), self.dtype, generator) for _ in range(function.images)]
        if self.channels_last and function.resampling:
            made = [image.contiguous(memory_format=torch.channels_last) for image in made]
        if function.parameter is not None:
            made.append(randn(function.parameter(self), compute_dtype(self.dtype), generator))
        if len(self.batch) == 1 and self.batch[0] > 2:
            made[0][1] = 0  # an image whose coefficients are exactly 0
        return tuple(made)

    def __str__(self) -> str:
        words = [self.function, "x".join(map(str, self.size)), str(self.dtype).removeprefix("torch.")]
        function = FUNCTIONS[self.function]
        words += [self.convention] if function.of_bins else []
        return "-".join(words + ["channels_last"] * (function.resampling and self.channels_last))


@dataclass(frozen=True)
class Function:
    """A public function for the cases.

    Attributes:
        call: (case, *images, parameter if there is one) -> a tensor or several.
        images: how many it takes.
        parameter: the shape of what else it has a gradient to.
        of_bins: whether it depends on a bin convention.
        sums: whether its results are sums over bins, in the type of the arithmetic; else they are images.
        dear: whether resampling has so many taps that the reference takes long on a CPU, tap by tap.
        indexed: whether torch indexes its parameter.
        turning: (case, *images) -> for each result, in float64, the numbers that it folds at ±1 and clips at ±1.
    """

    call: Callable[..., Tensor | tuple[Tensor, ...]]
    images: int = 1
    parameter: Callable[[Case], tuple[int, ...]] | None = None
    of_bins: bool = False
    sums: bool = False
    resampling: bool = False
    dear: bool = False
    indexed: bool = False
    turning: Callable[..., tuple[Tensor, ...]] | None = None


def _half_plane(case: Case) -> tuple[int, int]:
    return case.size[0], case.size[1] // 2 + 1


def _lowpass(case: Case, x: Tensor) -> Tensor:
    return masks.lowpass(case.size, case.radius, device=x.device)


def _spectrum(scale: str) -> Function:
    """With eps = 1, the mean power: logarithms are positive, so that none cancels another, and slopes at most 1."""

    def call(case: Case, x: Tensor) -> Tensor:
        return specops.radial_spectrum(x, convention=case.convention, scale=scale, norm="ortho", eps=1)

    return Function(call, of_bins=True, sums=True)


def _radial_filter(shape: Callable[[Case], tuple[int, ...]], interpolation: str = "nearest") -> Function:
    def call(case: Case, x: Tensor, profile: Tensor) -> Tensor:
        return specops.radial_filter(x, profile, convention=case.convention, interpolation=interpolation)

    return Function(call, parameter=shape, of_bins=True, indexed=interpolation == "linear")


def _masked(shape: Callable[[Case], tuple[int, ...]]) -> Function:
    return Function(lambda case, x, mask: specops.frequency_filter(x, mask), parameter=shape)


def _taps(*shape: int, **settings: object) -> Function:
    return Function(
        lambda case, x, f: specops.upfirdn2d(x, f, **settings),
        parameter=lambda case: shape,
        resampling=True,
        dear=max(shape) > 5,
    )


def _mode(resample: Callable[..., Tensor], mode: str) -> Function:
    return Function(lambda case, x: resample(x, mode=mode), resampling=True, dear=mode in ("sinc", "binomial"))


FUNCTIONS: dict[str, Function] = {
    **{f"radial_spectrum ({scale})": _spectrum(scale) for scale in ("power", "amplitude", "log", "db")},
    "radial_spectrum (durall2020)": Function(
        lambda case, x: specops.radial_spectrum(x, convention="durall2020", norm="ortho"), sums=True
    ),
    "radial_cross_spectrum": Function(
        lambda case, x, y: specops.radial_cross_spectrum(x, y, convention=case.convention, norm="ortho"),
        images=2,
        of_bins=True,
        sums=True,
    ),
    "frequency_filter (low-pass)": Function(lambda case, x: specops.frequency_filter(x, _lowpass(case, x))),
    "frequency_filter (not even)": _masked(_half_plane),
    "frequency_filter (full plane)": _masked(lambda case: case.size),
    "radial_filter": _radial_filter(lambda case: (case.bins.n_bins,)),
    "radial_filter (per image)": _radial_filter(lambda case: (*case.batch, case.bins.n_bins)),
    "radial_filter (linear)": _radial_filter(lambda case: (case.bins.n_bins,), interpolation="linear"),
    "hff": Function(
        lambda case, x: specops.hff(x, case.radius),
        turning=lambda case, x: (specops.frequency_filter(x + 1, _lowpass(case, x)) - 1,),
    ),
    "hfc": Function(
        lambda case, real, fake: specops.hfc(real, fake, case.radius),
        images=2,
        turning=lambda case, real, fake: (real, specops.swap_bands(fake, real, _lowpass(case, fake))),
    ),
    "swap_bands": Function(lambda case, *tensors: specops.swap_bands(*tensors), images=2, parameter=_half_plane),
    **{f"upsample ({mode})": _mode(specops.upsample, mode) for mode in specops.functional._resampling.UPSAMPLE_MODES},
    **{
        f"downsample ({mode})": _mode(specops.downsample, mode)
        for mode in specops.functional._resampling.DOWNSAMPLE_MODES
    },
    "upfirdn2d (up, 4 taps)": _taps(4, up=2, padding=(2, 1, 2, 1), gain=4.0),
    "upfirdn2d (down, 12 taps)": _taps(12, down=2, padding=5, boundary="reflect"),
    "upfirdn2d (3 x 3 taps)": _taps(3, 3, padding=1, boundary="replicate"),
    "upfirdn2d (mixed)": _taps(2, 5, up=(3, 1), down=(2, 3), padding=(2, 0, 3, -1), boundary="circular"),
}


def all_cases() -> list[Case]:
    """Every function at every size; of four types, six conventions and two layouts each in its turn."""
    cases = []
    for f, (name, function) in enumerate(FUNCTIONS.items()):
        for s, size in enumerate(SIZES):
            if function.resampling and size[0] * size[1] >= LARGE and (f + 2 * s) % 3:
                continue
            turn = f + s // 4  # another one than the type's, so that a type meets all conventions
            layout, convention = turn % 2 == 1, CONVENTIONS[turn % len(CONVENTIONS)]
            cases.append(Case(name, size, DTYPES[(f + s) % len(DTYPES)], convention, layout))
    return cases


def chosen(cases: Iterable[Case], extent: str) -> list[Case]:
    """The cases of an extent, in order; of others than `all`, those that show something that none before them did."""
    if extent == "all":
        return list(cases)
    candidates = [case for case in cases if extent == "quick" or case.size[0] * case.size[1] <= 64 * 64]
    seen: set[object] = set()
    kept = set()
    for case in random.Random(0).sample(candidates, len(candidates)):  # sizes and functions mixed
        shows: set[object] = {case.function, case.size, case.dtype}
        if extent == "quick":
            shows |= {(case.function, CLASS_OF[case.size]), (case.function, case.dtype)}
        if not shows <= seen:
            kept.add(case)
            seen |= shows
    return [case for case in candidates if case in kept]


CASES: Sequence[Case] = chosen(all_cases(), EXTENT)
