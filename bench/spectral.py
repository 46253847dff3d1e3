"""Entries of the spectral functions: beside transforms alone, eager torch, torch.compile and published procedures."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from samples import SPECTRAL, Sample
from torch import Tensor

import specops
from bench import eager
from bench.measure import peak_bytes, sets_of_images, with_backward
from bench.registry import Entry, PeerError, Run, Side, Sides, case_of

TESTS = ("ops/test_native.py", "functional/test_functional.py")
SWAP_TESTS = ("ops/test_native.py", "ops/test_band_swap.py")
SCALE_TESTS = ("ops/test_native.py", "ops/test_scaled_spectra.py")
GPU_TESTS = ("gpu/test_gpu_values.py", "gpu/test_gpu_device.py", "ops/test_battery.py")

Size = tuple[int, int]
Pair = Callable[[Size, torch.device], tuple[Run, Run]]  # our function and a peer's

# One size of each class of GPU kernels: registers alone, 128, one above, tiles, a rectangle, factors of 3. Then others.
QUICK_SIZES: tuple[Size, ...] = ((64, 64), (128, 128), (256, 256), (1024, 1024), (128, 256), (96, 96))
MORE_SIZES: tuple[Size, ...] = ((16, 16), (32, 32), (512, 512), (2048, 2048), (256, 128), (1000, 1000))
PIXELS = 2**26  # of a batch that fills a GPU: 256 MiB in float32
FEW = 192  # planes of 64 x 64: a GPU waits for the host
MOST_ERROR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}  # relative L2 between two results


def spectrum(size: Size, device: torch.device) -> tuple[Run, Run]:
    return specops.radial_spectrum, eager.EagerSpectrum(size, device)


def scaled_spectrum(scale: str, size: Size, device: torch.device) -> tuple[Run, Run]:
    ours = functools.partial(specops.radial_spectrum, scale=scale)
    return ours, eager.EagerScaledSpectrum(size, device, scale, 1e-8)


def frequency_filter(size: Size, device: torch.device) -> tuple[Run, Run]:
    mask = specops.masks.lowpass(size, min(size) / 4, device=device)
    return functools.partial(specops.frequency_filter, mask=mask), functools.partial(eager.eager_filter, mask=mask)


def hff(size: Size, device: torch.device) -> tuple[Run, Run]:
    radius = min(size) / 4
    mask = specops.masks.lowpass(size, radius, device=device)
    return functools.partial(specops.hff, radius=radius), functools.partial(eager.eager_hff, mask=mask)


def hfc(size: Size, device: torch.device) -> tuple[Run, Run]:
    """The fake images of HFC; the real ones only come back clipped."""
    radius = min(size) / 4
    mask = specops.masks.lowpass(size, radius, device=device)
    return lambda real, fake: specops.hfc(real, fake, radius)[1], functools.partial(eager.eager_hfc, mask=mask)


def published_spectrum(size: Size, device: torch.device) -> tuple[Run, Run]:
    return specops.radial_spectrum, eager.published_spectrum


def published_hff(size: Size, device: torch.device) -> tuple[Run, Run]:
    mask = eager.published_mask((32, 3, *size), size[0] / 4)
    return hff(size, device)[0], functools.partial(eager.published_hff, mask=mask)


def published_hfc(size: Size, device: torch.device) -> tuple[Run, Run]:
    mask = eager.published_mask((32, 3, *size), size[0] / 4)
    return hfc(size, device)[0], lambda real, fake: eager.published_hfc(real, fake, mask)[1]


def against_transforms(
    pair: Pair, count: int, backward: bool, against: tuple[str, ...], size: int, device: torch.device
) -> Sides:
    inputs = sets_of_images((96, size, size), device, count, gradient=backward)
    ours, _ = pair((size, size), device)
    x = inputs[0][0].detach()
    X = torch.fft.rfft2(x)
    transforms = {
        "rfft2": Side(lambda *_: torch.fft.rfft2(x)),
        "irfft2": Side(lambda *_: torch.fft.irfft2(X, s=x.shape[-2:])),
    }
    return Sides(Side(with_backward(ours, inputs[0]) if backward else ours), transforms, inputs, against)


def ratios_to_transforms() -> Iterator[Entry]:
    both = ("rfft2", "irfft2")
    claims: list[tuple[str, Pair, int, tuple[str, ...], tuple[str, ...], float, float]] = [
        ("radial_spectrum / rfft2", spectrum, 1, ("rfft2",), TESTS, 0.55, 0.40),
        ("radial_spectrum with backward / (rfft2 + irfft2)", spectrum, 1, both, TESTS, 0.75, 0.55),
        ("frequency_filter / (rfft2 + irfft2)", frequency_filter, 1, both, TESTS, 0.50, 0.36),
        ("hff / (rfft2 + irfft2)", hff, 1, both, SWAP_TESTS, 0.50, 0.36),
        ("hfc / (rfft2 + irfft2)", hfc, 2, both, SWAP_TESTS, 0.60, 0.44),
    ]
    for claim, pair, count, against, tests, *bounds in claims:
        for size in (32, 64, 128, 256):
            setup = functools.partial(against_transforms, pair, count, "backward" in claim, against, size)
            must, aim = (0.65, 0.48) if size == 256 and against == ("rfft2",) else bounds
            yield Entry(claim, f"96 x {size}²", tests, setup, must, aim, 96 * size**2)


def pair_of_sides(
    pair: Pair,
    peer: str,
    shape: tuple[int, ...],
    device: torch.device,
    count: int = 1,
    backward: bool = False,
    dtype: torch.dtype = torch.float32,
    error: float | None = None,
) -> Sides:
    """A function and its peer on the same images, or the gradients of both in the last image."""
    ours, theirs = pair((shape[-2], shape[-1]), device)
    inputs = sets_of_images(shape, device, count, dtype, gradient=backward)
    theirs = in_float32(theirs) if dtype.itemsize < 4 else theirs
    if peer == "torch.compile":
        theirs = by_compiler(theirs, inputs[0])
    if backward:
        ours, theirs = with_backward(ours, inputs[0]), with_backward(theirs, inputs[0])
    return Sides(Side(ours), {peer: Side(theirs)}, inputs, error=error or MOST_ERROR[dtype])


def in_float32(function: Run) -> Run:
    """The function in float32, since torch.fft has no transform of half types; images come back in their own type."""

    def widened(*images: Tensor) -> Tensor:
        out = function(*(image.float() for image in images))
        return out.to(images[0].dtype) if out.shape == images[0].shape else out

    return widened


def by_compiler(function: Run, example: tuple[Tensor, ...]) -> Run:
    """The function by torch.compile; raises PeerError where that cannot compile it."""
    torch.compiler.reset()  # the functions of earlier entries count against its limit of compilations
    run = torch.compile(function)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inductor leaves complex numbers to eager torch, and says so
            run(*example)
    except Exception as error:  # whatever a machine without a compiler makes of it
        raise PeerError(f"torch.compile: {str(error).strip().splitlines()[0]}") from error
    return run


def beside_eager(claim: str, pair: Pair, shape: tuple[int, ...], must: float, aim: float) -> Entry:
    """The entry of a function beside its best form in eager torch."""
    backward = "backward" in claim
    error = 1e-3 if backward and "log" in claim else None  # the slope is large where a coefficient is next to nothing
    setup = functools.partial(pair_of_sides, pair, "eager", shape, backward=backward, error=error)
    tests = SCALE_TESTS if "scale" in claim else TESTS
    return Entry(f"{claim} / best eager", case_of(shape), tests, setup, must, aim, torch.Size(shape).numel())


def ratios_to_eager() -> Iterator[Entry]:
    for batch, size in ((12, 512), (3, 1024), (96, 48), (96, 100), (12, 299), (48, 97), (48, 101)):
        yield beside_eager("radial_spectrum", spectrum, (batch, size, size), 0.75, 0.5)
        yield beside_eager("frequency_filter", frequency_filter, (batch, size, size), 0.95, 0.7)
    for batch, must, aim in ((1, 1.0, 0.6), (3, 1.0, 0.6), (8, 1.0, 0.6), (16, 0.4, 0.3), (64, 0.4, 0.3)):
        yield beside_eager("radial_spectrum", spectrum, (batch, 64, 64), must, aim)
    for scale in ("amplitude", "log"):  # the bounds are those of the power for any batch of 16 and more
        pair = functools.partial(scaled_spectrum, scale)
        for size in (32, 64, 128, 256):
            for suffix in ("", ", with backward"):
                yield beside_eager(f"radial_spectrum, scale {scale}{suffix}", pair, (96, size, size), 0.4, 0.3)


def ratios_to_compiled() -> Iterator[Entry]:
    for name, pair in (("radial_spectrum", spectrum), ("frequency_filter", frequency_filter)):
        for size in (64, 128):
            setup = functools.partial(pair_of_sides, pair, "torch.compile", (96, size, size))
            claim = f"{name} / torch.compile of the eager version"
            yield Entry(claim, f"96 x {size}²", TESTS, setup, pixels=96 * size**2, quick=False)


def ratios_to_published() -> Iterator[Entry]:
    """Functions beside the steps of the papers' releases, which are written anew in eager torch."""
    claims: list[tuple[str, Pair, tuple[int, ...], tuple[str, ...], float | None, float | None]] = [
        ("radial_spectrum", published_spectrum, (96,), TESTS, 1 / 18, 1 / 28),
        ("hfc", published_hfc, (32, 3), SWAP_TESTS, 1 / 40, 1 / 70),
        ("radial_spectrum with backward", published_spectrum, (96,), TESTS, 1 / 13, 1 / 20),
        ("hfc with backward", published_hfc, (32, 3), SWAP_TESTS, 1 / 40, 1 / 70),
        ("hff", published_hff, (32, 3), SWAP_TESTS, None, None),
    ]
    for size in (32, 64, 128):
        for name, pair, batch, tests, must, aim in claims:
            about: dict[str, Any] = {"count": 1 + ("hfc" in name), "backward": "backward" in name}
            setup = functools.partial(pair_of_sides, pair, "published procedure", (*batch, size, size), **about)
            claim = f"{name} / published procedure in eager torch"
            yield Entry(claim, f"96 x {size}²", tests, setup, must, aim, 96 * size**2, alone=True)


def threads(pair: Pair, size: int, device: torch.device) -> Sides:
    run, _ = pair((size, size), device)
    return Sides(Side(run, threads=2), {"one thread": Side(run)}, sets_of_images((96, size, size), device))


def two_maps_against_one(size: int, device: torch.device) -> Sides:
    ours = functools.partial(specops.radial_spectrum, convention="durall2020")
    return Sides(Side(ours), {"one map": Side(specops.radial_spectrum)}, sets_of_images((96, size, size), device))


def half_types(dtype: torch.dtype, size: int, device: torch.device) -> Sides:
    [[x]] = sets_of_images((96, size, size), device)
    half = x.to(dtype)
    peers = {"float32": Side(lambda: specops.radial_spectrum(x))}
    return Sides(Side(lambda: specops.radial_spectrum(half)), peers)


def ratios_to_ourselves() -> Iterator[Entry]:
    for name, pair in (("radial_spectrum", spectrum), ("frequency_filter", frequency_filter)):
        setup: Any = functools.partial(threads, pair, 128)
        claim = f"{name}, 2 threads / 1 thread"
        yield Entry(claim, "96 x 128²", TESTS, setup, 1 / 1.7, 1 / 1.9, 96 * 128**2)
    for size in (32, 64, 128):
        setup = functools.partial(two_maps_against_one, size)
        claim = "radial_spectrum, durall2020 / schwarz2021"
        yield Entry(claim, f"96 x {size}²", SCALE_TESTS, setup, pixels=96 * size**2)
    for dtype in (torch.bfloat16, torch.float16):
        for size in (64, 128):
            setup = functools.partial(half_types, dtype, size)
            case = f"{str(dtype).removeprefix('torch.')}, 96 x {size}²"
            claim = "radial_spectrum of half types / float32"
            yield Entry(claim, case, TESTS, setup, 1.15, 1.0, 96 * size**2)


def against_reference(sample: Sample, device: torch.device) -> Sides:
    made = sample.arguments(torch.float32)
    arguments = tuple(each.to(device) if isinstance(each, Tensor) else each for each in made)
    ours, reference = getattr(specops.ops, sample.op), sample.reference
    return Sides(Side(lambda: ours(*arguments)), {"reference": Side(lambda: reference(*arguments))})


def ratios_to_reference(samples: Iterable[Sample], of_size: str) -> Iterator[Entry]:
    """Each op beside its reference, on the samples whose name begins with a size."""
    for sample in samples:
        if sample.name.startswith(of_size):
            about: dict[str, Any] = {"setup": functools.partial(against_reference, sample), "op": sample.op}
            yield Entry(f"{sample.op} / reference", sample.name, TESTS, **about)
            yield Entry(f"{sample.op} / reference", sample.name, GPU_TESTS, devices=("cuda",), quick=False, **about)


SPECTRUM_MEMORY = """
import specops
x = torch.randn(192, 128, 128){leaf}
y = torch.randn(192, 128, 128)
def run():
    return {call}
held = {held}
"""


def peaks_of_memory() -> Iterator[Entry]:
    """The functions' peaks of memory beyond inputs, outputs and gradients."""
    hfc_call = "(lambda r, f: (r, f, torch.autograd.grad(f.sum() + r.sum(), x)))(*specops.hfc(y, x, 20))"
    cases = [("hfc with backward", hfc_call, "3 * x.nbytes", int(1.3 * 192 * 128 * 128 * 4))]
    for suffix, keywords in (("", ""), (", scale log", ", scale='log'"), (", durall2020", ", convention='durall2020'")):
        call = f"specops.radial_spectrum(x{keywords})"
        cases.append((f"radial_spectrum{suffix}", call, "0", 4 << 20))
        if "durall" not in suffix:
            claim = f"radial_spectrum{suffix}{',' * bool(suffix)} with backward"
            cases.append((claim, f"torch.autograd.grad({call}.sum(), x)", "x.nbytes", 4 << 20))
    for claim, call, held, bound in cases:
        leaf = ".requires_grad_()" * ("backward" in claim)
        setup = functools.partial(peak_bytes, SPECTRUM_MEMORY.format(leaf=leaf, call=call, held=held), bound)
        yield Entry(f"peak bytes of {claim}", "192 x 128²", TESTS, setup)


def on_gpu(size: Size, planes: int, dtype: torch.dtype = torch.float32, quick: bool = True) -> Iterator[Entry]:
    """Each function beside eager torch and, in a full run, beside what torch.compile makes of that."""
    functions: list[tuple[str, str, Pair, int, int]] = [  # last, how many numbers are read or written per input pixel
        ("radial_spectrum", "binned_cross_spectrum", spectrum, 1, 1),
        ("radial_spectrum with backward", "binned_cross_spectrum", spectrum, 1, 3),
        ("frequency_filter", "binned_filter", frequency_filter, 1, 2),
        ("hff", "clipped_filter", hff, 1, 2),
        ("hfc", "clipped_band_swap", hfc, 2, 4),
    ]
    shape, pixels = (planes, *size), planes * size[0] * size[1]
    for peer, against in (("eager", "best eager"), ("torch.compile", "torch.compile of the eager version")):
        for name, op, pair, count, moved in functions:
            about: dict[str, Any] = {"count": count, "backward": "backward" in name, "dtype": dtype}
            setup = functools.partial(pair_of_sides, pair, peer, shape, **about)
            yield Entry(
                f"{name} / {against}",
                case_of(shape, dtype),
                GPU_TESTS,
                setup,
                pixels=pixels,
                moved=moved * dtype.itemsize * pixels,
                op=op,
                devices=("cuda",),
                quick=quick and peer == "eager",
            )


def planes_of(pixels: int, size: Size) -> int:
    return max(1, pixels // (size[0] * size[1]))


def gpu_entries(pixels: int = PIXELS, few: int = FEW) -> Iterator[Entry]:
    """A size of each class comes first, then types and small batches, then more sizes."""
    small, large = (64, 64), (256, 256)
    for size in QUICK_SIZES:
        yield from on_gpu(size, planes_of(pixels, size))
    yield from on_gpu(small, planes_of(pixels, small), torch.bfloat16)
    yield from on_gpu(small, few)
    for size in MORE_SIZES:
        yield from on_gpu(size, planes_of(pixels, size), quick=False)
    yield from on_gpu(large, planes_of(pixels, large), torch.float16, quick=False)


def entries() -> Iterator[Entry]:
    """Yields the entries of CPUs and GPUs."""
    yield from ratios_to_transforms()
    yield from ratios_to_eager()
    yield from ratios_to_compiled()
    yield from ratios_to_published()
    yield from ratios_to_ourselves()
    yield from ratios_to_reference(SPECTRAL, "3x3x64x32-")
    yield from peaks_of_memory()
    yield from gpu_entries()
