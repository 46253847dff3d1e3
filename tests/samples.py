"""Arguments for each op, and what holds of each argument and result, shared by tests, GPU checks and benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops import backends, geometry
from specops.ops._layout import compute_dtype

CPU = torch.device("cpu")
DEVICE = torch.device(os.environ.get("SPECOPS_TEST_DEVICE", "cpu"))  # where the battery's tensors are


@dataclass(frozen=True)
class Sample:
    """One set of arguments of an op; positions count its arguments.

    Attributes:
        op: bare name of the op.
        name: readable id.
        make: (dtype, generator) -> arguments; images in `dtype`, profiles, taps and weights in its compute dtype.
        images: positions of images.
        profiles: positions of profiles, for all images or per image.
        leaves: positions of what has a gradient.
        linear: positions of those leaves in which the op is linear.
        results: kind of each result: `image`, `slope` (int8), `profile`, or `sum` over all images.
        added: position of a number that is added to what is transformed, which may cancel it; None for none.
        transforms: whether it is made of transforms; else its terms are products of pixels and taps.
        batched: whether there are several images.
        small: cheap enough for numerical derivatives.
        quick: one of the few that touch everything.
    """

    op: str
    name: str
    make: Callable[[torch.dtype, torch.Generator], tuple[Any, ...]]
    images: tuple[int, ...] = (0,)
    profiles: tuple[int, ...] = ()
    leaves: tuple[int, ...] = (0, 1)
    linear: tuple[int, ...] = (0, 1)
    results: tuple[str, ...] = ("image",)
    added: int | None = None
    transforms: bool = True
    batched: bool = False
    small: bool = False
    quick: bool = False

    @property
    def reference(self) -> Callable[..., Any]:
        """The op in pure torch."""
        return backends.BACKENDS["reference"].kernel(self.op)

    def arguments(self, dtype: torch.dtype, seed: int = 0) -> tuple[Any, ...]:
        """Made on the CPU, so that they are the same on each device; one tensor twice stays one."""
        made = self.make(dtype, torch.Generator().manual_seed(seed))
        moved = {id(arg): arg.to(DEVICE) for arg in made if isinstance(arg, Tensor)}
        return tuple(moved.get(id(arg), arg) for arg in made)

    def __str__(self) -> str:
        return f"{self.op}-{self.name}"


def randn(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def spectral_maps(
    size: tuple[int, int], bins: str, dtype: torch.dtype, generator: torch.Generator
) -> tuple[Tensor, Tensor, int]:
    """`radial`: means per ring; `own`: a bin per coefficient; `ragged`: random weights, some coefficients in no bin;

    `two maps`: means per ring, a coefficient and its conjugate in different ones.
    """
    if bins == "own":
        index, weight, _ = geometry.coefficient_maps(*size, dtype, CPU)
        return index, weight, index.numel()
    convention = "durall2020" if bins == "two maps" else "schwarz2021"
    index, weight, n_bins = geometry.radial_mean_maps(*size, convention, dtype, CPU)
    if bins == "ragged":
        dropped = torch.rand(index.shape, generator=generator) < 0.3
        index = torch.where(dropped, -1, index)
        weight = torch.rand(index.shape, generator=generator, dtype=torch.float64).to(dtype)
    return index, weight, n_bins


class Drawn:
    """What spectral ops take, drawn when it is asked for."""

    def __init__(self, shape: Shape, bins: str, dtype: torch.dtype, generator: torch.Generator) -> None:
        self.shape, self.dtype, self.generator = shape, dtype, generator
        index, weight, self.n_bins = spectral_maps(shape[1], bins, compute_dtype(dtype), generator)
        self.maps = index, weight

    def gain_maps(self) -> tuple[Tensor, Tensor]:
        """With weights by which profiles of 1 are gains of about 1."""
        index, weight = self.maps
        return index, weight / (weight.amax() * self.shape[1][0] * self.shape[1][1])

    def image(self) -> Tensor:
        return randn((*self.shape[0], *self.shape[1]), self.dtype, self.generator)

    def flat_image(self) -> Tensor:
        """Impulses in weak noise: all coefficients are near 1, so that no scale magnifies rounding errors."""
        batch, (H, W) = self.shape
        x = 0.1 * randn((*batch, H, W), torch.float64, self.generator) / (H * W) ** 0.5
        x[..., 0, 0] += 1
        return x.to(self.dtype)

    def slope(self) -> Tensor:
        return torch.randint(-1, 2, (*self.shape[0], *self.shape[1]), dtype=torch.int8, generator=self.generator)

    def profile(self, shared: bool = False) -> Tensor:
        batch = () if shared else self.shape[0]
        return randn((*batch, self.n_bins), compute_dtype(self.dtype), self.generator)


Shape = tuple[tuple[int, ...], tuple[int, int]]
AMPLITUDE, LOG = ("amplitude", 0.5, 0.0), ("log", 0.5, 3.0)


@dataclass(frozen=True)
class Spectral:
    """A spectral op: its arguments in one or more variants by name, the first of which takes all shapes."""

    variants: dict[str, Callable[[Drawn], tuple[Any, ...]]]
    properties: dict[str, Any]


def _power(d: Drawn) -> tuple[Any, ...]:
    x = d.image()
    return x, x, *d.maps, d.n_bins


SPECTRAL_OPS = {
    "binned_cross_spectrum": Spectral(
        {"": lambda d: (d.image(), d.image(), *d.maps, d.n_bins), "power": _power},
        {"images": (0, 1), "results": ("profile",)},
    ),
    "binned_filter": Spectral(
        {"": lambda d: (d.image(), d.profile(), *d.maps), "shared": lambda d: (d.image(), d.profile(True), *d.maps)},
        {"profiles": (1,)},
    ),
    "binned_sloped_filter": Spectral(
        {
            "": lambda d: (d.image(), d.profile(), d.slope(), *d.maps),
            "shared": lambda d: (d.image(), d.profile(True), d.slope(), *d.maps),
        },
        {"images": (0, 2), "profiles": (1,)},
    ),
    "binned_scaled_power": Spectral(
        {
            "amplitude": lambda d: (d.flat_image(), *d.maps, d.n_bins, *AMPLITUDE),
            "log": lambda d: (d.flat_image(), *d.maps, d.n_bins, *LOG),
        },
        {"leaves": (0,), "linear": (), "results": ("profile",)},
    ),
    "binned_scaled_filter": Spectral(
        {
            "log": lambda d: (d.flat_image(), d.profile(), *d.maps, *LOG),
            "amplitude-shared": lambda d: (d.flat_image(), d.profile(True), *d.maps, *AMPLITUDE),
        },
        {"profiles": (1,), "linear": (1,)},
    ),
    "clipped_band_swap": Spectral(
        {
            "keep": lambda d: (d.image(), d.image(), d.profile().sigmoid(), *d.gain_maps(), -1.0, 1.5, True),
            "shared": lambda d: (d.image(), d.image(), d.profile(True).sigmoid(), *d.gain_maps(), -1.0, 1.5, False),
        },
        {"images": (0, 1), "profiles": (2,), "leaves": (0, 1, 2), "linear": (), "results": ("image", "slope", "image")},
    ),
    "clipped_filter": Spectral(
        {
            "": lambda d: (d.image(), d.profile().sigmoid(), *d.gain_maps(), -0.5, 1.5),
            "shared": lambda d: (d.image(), d.profile(True).sigmoid(), *d.gain_maps(), -1.0, 1.5),
        },
        {"profiles": (1,), "linear": (), "results": ("image", "slope"), "added": 4},
    ),
}


def _spectral(op: str, variant: str, shape: Shape, bins: str, quick: bool = False) -> Sample:
    def make(dtype: torch.dtype, generator: torch.Generator) -> tuple[Any, ...]:
        return SPECTRAL_OPS[op].variants[variant](Drawn(shape, bins, dtype, generator))

    return _sample(op, shape, (bins, variant), make, quick=quick, **SPECTRAL_OPS[op].properties)


def _sample(op: str, shape: Shape, words: tuple[str, ...], make: Callable[..., Any], **properties: Any) -> Sample:
    batch, size = shape
    name = "-".join(["x".join(map(str, (*batch, *size))), *filter(None, words)])
    small = torch.Size((*batch, *size)).numel() <= 120
    return Sample(op, name, make, batched=len(batch) > 0, small=small, **properties)


SHAPES: list[tuple[Shape, str]] = [
    (((), (1, 1)), "radial"),
    (((2,), (1, 6)), "radial"),
    (((2,), (5, 1)), "own"),
    (((2, 2), (5, 4)), "radial"),
    (((), (7, 5)), "own"),
    (((19,), (8, 8)), "radial"),
    (((2, 3), (12, 15)), "ragged"),
    (((9,), (16, 16)), "own"),
    (((3,), (11, 26)), "radial"),
    (((9,), (33, 33)), "radial"),
    (((3, 3), (64, 32)), "radial"),
    (((2,), (6, 5)), "two maps"),
    (((3,), (37, 41)), "radial"),
    (((3,), (300, 7)), "ragged"),
    (((3,), (1152, 4)), "radial"),  # around torch.fft, which for some processors errs more at uneven sizes
]
QUICK_SHAPES: list[tuple[Shape, str]] = [(((2,), (4, 6)), "ragged"), (((3,), (16, 18)), "two maps")]
VARIANT_SHAPES: list[tuple[Shape, str]] = [(((17,), (32, 32)), "own"), (((3,), (13, 14)), "ragged")]
QUICK_VARIANT_SHAPE: tuple[Shape, str] = (((2, 2), (4, 5)), "own")
SPECTRAL = [
    sample
    for op, kind in SPECTRAL_OPS.items()
    for first, *others in [list(kind.variants)]
    for sample in (
        *(_spectral(op, first, *shape, quick=True) for shape in QUICK_SHAPES),
        *(_spectral(op, first, *shape) for shape in SHAPES),
        *(_spectral(op, other, *QUICK_VARIANT_SHAPE, quick=True) for other in others),
        *(_spectral(op, other, *shape) for other in others for shape in VARIANT_SHAPES),
    )
]
if DEVICE.type == "cuda":  # the sizes that GPU kernels transform in one launch
    SPECTRAL += [
        _spectral(op, variant, ((5,), (side, side)), bins)
        for op, kind in SPECTRAL_OPS.items()
        for variant in kind.variants
        for side in (32, 64, 128)
        for bins in ("radial", "own", "ragged", "two maps")
    ]

RESAMPLINGS: dict[str, dict[str, Any]] = {
    "bed-of-nails": {"taps": (1, 1), "up": (2, 2)},
    "stride": {"taps": (1, 1), "down": (2, 3), "boundary": "circular"},
    "up": {"taps": (4, 3), "up": (2, 3), "padding": (2, 1, 2, 1)},
    "down": {"taps": (3, 4), "down": (2, 2), "padding": (1, 2, 1, 1), "boundary": "reflect"},
    "both": {"taps": (2, 3), "up": (3, 2), "down": (2, 3), "padding": (1, 3, 2, 0), "boundary": "replicate"},
    "crop": {"taps": (2, 2), "up": (2, 1), "padding": (-1, -2, -1, 1), "boundary": "circular"},
    "outer-up": {"taps": (4, 3), "up": (2, 3), "padding": (2, 1, 2, 1), "boundary": "reflect", "outer": True},
    "outer-down": {"taps": (3, 5), "down": (2, 2), "padding": (1, 2, 1, 1), "boundary": "replicate", "outer": True},
    "far": {"taps": (2, 2), "down": (3, 2), "padding": (9, 11, 13, 8), "boundary": "reflect"},
    "gain": {"taps": (2, 3), "up": (2, 1), "padding": (1, 1, 0, 1), "gain": 1.5},
    "along-axes-up": {"taps": (4,), "up": (2, 3), "padding": (2, 1, 2, 1), "gain": 1.75},
    "along-axes-down": {"taps": (3,), "down": (2, 2), "padding": (1, 2, 1, 1), "boundary": "reflect"},
    "along-axes-single": {"taps": (1,), "up": (2, 1), "gain": 0.75},
}
QUICK_RESAMPLINGS = ("up", "down", "both", "crop", "along-axes-up")
FILTER_OPS = ("upfirdn2d", "upfirdn2d_transpose")  # that take taps and a gain


@dataclass(frozen=True)
class Resampled:
    """What the three slots of resampling are: image, output, taps, the arguments that all ops have, and a gain."""

    x: Tensor
    y: Tensor
    taps: Tensor
    sampling: tuple[Any, ...]
    gain: tuple[float, ...]


RESAMPLING_OPS: dict[str, tuple[Callable[[Resampled], tuple[Any, ...]], dict[str, Any]]] = {
    "upfirdn2d": (lambda r: (r.x, r.taps, *r.sampling, *r.gain), {}),
    "upfirdn2d_transpose": (lambda r: (r.y, r.taps, *r.sampling, tuple(r.x.shape[-2:]), *r.gain), {}),
    "upfirdn2d_filter_correlation": (
        lambda r: (r.x, r.y, *r.sampling, tuple(r.taps.shape)),
        {"images": (0, 1), "results": ("sum",)},
    ),
}


def _resample(op: str, case: str, batch: tuple[int, ...], size: tuple[int, int], quick: bool = False) -> Sample:
    settings = {"up": (1, 1), "down": (1, 1), "padding": (0, 0, 0, 0), "boundary": "zeros"} | RESAMPLINGS[case]
    taps_size, outer = settings.pop("taps"), settings.pop("outer", False)
    gain = (settings.pop("gain"),) if "gain" in settings else ()
    sampling = tuple(settings[name] for name in ("up", "down", "padding", "boundary"))
    out = _resampled_size(size, (taps_size[0], taps_size[-1]), *sampling[:3])
    arguments, properties = RESAMPLING_OPS[op]
    if len(taps_size) == 1:
        properties = properties | {"linear": (0,)}

    def make(dtype: torch.dtype, generator: torch.Generator) -> tuple[Any, ...]:
        x = randn((*batch, *size), dtype, generator)
        y = randn((*batch, *out), dtype, generator)
        taps = randn(taps_size, compute_dtype(dtype), generator)
        return arguments(Resampled(x, y, torch.outer(taps[:, 0], taps[0]) if outer else taps, sampling, gain))

    return _sample(op, (batch, size), (case,), make, quick=quick, transforms=False, **properties)


def _resampled_size(
    size: tuple[int, int],
    taps_size: tuple[int, int],
    up: tuple[int, int],
    down: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> tuple[int, int]:
    """Counted, not computed: how many strided positions of the filter fit on each padded axis."""
    rows = len(range(0, size[0] * up[1] + padding[2] + padding[3] - taps_size[0] + 1, down[1]))
    columns = len(range(0, size[1] * up[0] + padding[0] + padding[1] - taps_size[1] + 1, down[0]))
    return rows, columns


RESAMPLING = [
    sample
    for op in RESAMPLING_OPS
    for sample in (
        *(
            _resample(op, case, (2,), (5, 4), quick=case in QUICK_RESAMPLINGS)
            for case, settings in RESAMPLINGS.items()
            if op in FILTER_OPS or not ("gain" in settings or len(settings["taps"]) == 1)
        ),
        _resample(op, "up", (), (1, 7)),
        _resample(op, "both", (2, 3), (16, 17)),
        _resample(op, "outer-up", (2, 3), (16, 17), quick=True),
        _resample(op, "far", (3,), (6, 1)),
    )
]

SAMPLES = [*SPECTRAL, *RESAMPLING]
