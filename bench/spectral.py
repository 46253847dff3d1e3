"""Entries of the spectral functions."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import specops
from bench import eager
from bench.registry import REGISTRY, Entry, MemoryEntry, PeerError, Run, Timed, Timings

TESTS = ("ops/test_native.py", "functional/test_functional.py")
SWAP_TESTS = ("ops/test_native.py", "ops/test_band_swap.py")
SCALE_TESTS = ("ops/test_native.py", "ops/test_scaled_spectra.py")
FFT = ("rfft2", "irfft2")


@functools.cache
def images(batch: int, size: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(batch, size, size, generator=torch.Generator().manual_seed(seed)).to(dtype)


def transforms(x: Tensor) -> dict[str, Timed]:
    spectrum = torch.fft.rfft2(x)
    return {
        "rfft2": Timed(lambda: torch.fft.rfft2(x)),
        "irfft2": Timed(lambda: torch.fft.irfft2(spectrum, s=x.shape[-2:])),
    }


def with_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Run:
    """The gradient of a function at x for a fixed cotangent."""
    leaf = x.clone().requires_grad_()
    cotangent = torch.randn_like(function(x))

    def run() -> Any:
        return torch.autograd.grad(function(leaf), leaf, cotangent)

    return run


def against_transforms(ours: Callable[[Tensor], Any], batch: int, size: int, peers: tuple[str, ...]) -> Timings:
    x = images(batch, size)
    run = with_backward(ours, x) if ours is spectrum_with_backward else functools.partial(ours, x)
    return Timings(Timed(run), transforms(x), peers)


def spectrum_with_backward(x: Tensor) -> Tensor:
    return specops.radial_spectrum(x)


def filtered(x: Tensor) -> Tensor:
    return specops.frequency_filter(x, lowpass(x.shape[-1]))


@functools.cache
def lowpass(size: int) -> Tensor:
    return specops.masks.lowpass((size, size), size / 4)


def hff(x: Tensor) -> Tensor:
    return specops.hff(x, x.shape[-1] / 4)


def hfc(x: Tensor) -> tuple[Tensor, Tensor]:
    return specops.hfc(x, images(x.shape[0], x.shape[-1], seed=1), x.shape[-1] / 4)


def add_ratios_to_transforms() -> None:
    claims: list[tuple[str, Callable[[Tensor], Any], tuple[str, ...], tuple[str, ...], float, float]] = [
        ("radial_spectrum / rfft2", specops.radial_spectrum, ("rfft2",), TESTS, 0.55, 0.40),
        ("radial_spectrum with backward / (rfft2 + irfft2)", spectrum_with_backward, FFT, TESTS, 0.75, 0.55),
        ("frequency_filter / (rfft2 + irfft2)", filtered, FFT, TESTS, 0.50, 0.36),
        ("hff / (rfft2 + irfft2)", hff, FFT, SWAP_TESTS, 0.50, 0.36),
        ("hfc / (rfft2 + irfft2)", hfc, FFT, SWAP_TESTS, 0.60, 0.44),
    ]
    for claim, ours, peers, tests, must, aim in claims:
        for size in (32, 64, 128, 256):
            wider = size == 256 and peers == ("rfft2",)
            setup = functools.partial(against_transforms, ours, 96, size, peers)
            bounds = (0.65, 0.48) if wider else (must, aim)
            REGISTRY.entries.append(Entry(claim, f"96 x {size}²", tests, setup, *bounds, pixels=96 * size**2))


def spectrum_against_published(size: int, backward: bool) -> Timings:
    x = images(96, size)
    functions = (specops.radial_spectrum, eager.published_spectrum)
    ours, theirs = (with_backward(f, x) if backward else functools.partial(f, x) for f in functions)
    return Timings(Timed(ours), {"published procedure": Timed(theirs)}, ("published procedure",))


def hfc_against_published(size: int, backward: bool) -> Timings:
    real, fake = (images(96, size, seed=seed).unflatten(0, (32, 3)) for seed in (0, 1))
    mask = eager.published_mask(real.shape, size / 4)

    def ours(fake: Tensor) -> Tensor:
        return specops.hfc(real, fake, size / 4)[1]

    def theirs(fake: Tensor) -> Tensor:
        return eager.published_hfc(real, fake, mask)[1]

    torch.testing.assert_close(ours(fake), theirs(fake), rtol=0, atol=1e-5)
    mine, other = (with_backward(f, fake) if backward else functools.partial(f, fake) for f in (ours, theirs))
    return Timings(Timed(mine), {"published procedure": Timed(other)}, ("published procedure",))


def hff_against_published(size: int) -> Timings:
    x = images(96, size).unflatten(0, (32, 3))
    theirs = functools.partial(eager.published_hff, x, eager.published_mask(x.shape, size / 4))
    return Timings(Timed(functools.partial(hff, x)), {"published procedure": Timed(theirs)}, ("published procedure",))


def add_published_procedures() -> None:
    """Written anew in eager torch, with the steps of their releases."""

    def add(claim: str, size: int, tests: tuple[str, ...], setup: Callable[[], Timings], *bounds: float) -> None:
        must, aim = bounds or (None, None)
        claim = f"{claim} / published procedure in eager torch"
        REGISTRY.entries.append(Entry(claim, f"96 x {size}²", tests, setup, must, aim, 96 * size**2, alone=True))

    for size in (32, 64, 128):
        for backward, must, aim in ((False, 1 / 18, 1 / 28), (True, 1 / 13, 1 / 20)):
            suffix = " with backward" * backward
            setup = functools.partial(spectrum_against_published, size, backward)
            add(f"radial_spectrum{suffix}", size, TESTS, setup, must, aim)
            setup = functools.partial(hfc_against_published, size, backward)
            add(f"hfc{suffix}", size, SWAP_TESTS, setup, 1 / 40, 1 / 70)
        add("hff", size, SWAP_TESTS, functools.partial(hff_against_published, size))


def threads(ours: Callable[[Tensor], Any], size: int) -> Timings:
    run = functools.partial(ours, images(96, size))
    return Timings(Timed(run, threads=2), {"one thread": Timed(run)}, ("one thread",))


def add_threads() -> None:
    for name, ours in (("radial_spectrum", specops.radial_spectrum), ("frequency_filter", filtered)):
        setup = functools.partial(threads, ours, 128)
        entry = Entry(f"{name}, 2 threads / 1 thread", "96 x 128²", TESTS, setup, 1 / 1.7, 1 / 1.9, pixels=96 * 128**2)
        REGISTRY.entries.append(entry)


def against_eager(which: str, batch: int, size: int) -> Timings:
    x = images(batch, size)
    if which == "radial_spectrum":
        return Timings(
            Timed(lambda: specops.radial_spectrum(x)),
            {"eager": Timed(functools.partial(eager.EagerSpectrum(size), x))},
            ("eager",),
        )
    mask = lowpass(size)
    return Timings(Timed(lambda: filtered(x)), {"eager": Timed(lambda: eager.eager_filter(x, mask))}, ("eager",))


def add_ratios_to_eager() -> None:
    for which, must, aim in (("radial_spectrum", 0.75, 0.5), ("frequency_filter", 0.95, 0.7)):
        for batch, size in ((12, 512), (3, 1024), (96, 48), (96, 100), (12, 299), (48, 97), (48, 101)):
            setup = functools.partial(against_eager, which, batch, size)
            entry = Entry(f"{which} / best eager", f"{batch} x {size}²", TESTS, setup, must, aim, batch * size**2)
            REGISTRY.entries.append(entry)
    for batch, must, aim in ((1, 1.0, 0.6), (3, 1.0, 0.6), (8, 1.0, 0.6), (16, 0.4, 0.3), (64, 0.4, 0.3)):
        setup = functools.partial(against_eager, "radial_spectrum", batch, 64)
        claim = "radial_spectrum / best eager"
        REGISTRY.entries.append(Entry(claim, f"{batch} x 64²", TESTS, setup, must, aim, batch * 64**2))


def scaled_against_eager(scale: str, size: int, backward: bool) -> Timings:
    x = images(96, size)
    theirs = eager.EagerScaledSpectrum(size, scale, 1e-8)

    def ours(x: Tensor) -> Tensor:
        return specops.radial_spectrum(x, scale=scale)

    mine, other = (with_backward(f, x) if backward else functools.partial(f, x) for f in (ours, theirs))
    return Timings(Timed(mine), {"eager": Timed(other)}, ("eager",))


def two_maps_against_one(size: int) -> Timings:
    x = images(96, size)
    ours = Timed(functools.partial(specops.radial_spectrum, x, convention="durall2020"))
    return Timings(ours, {"one map": Timed(functools.partial(specops.radial_spectrum, x))}, ("one map",))


def add_scales_and_maps() -> None:
    """The bounds are those of the power: its must for any batch of 16 and more."""
    for scale in ("amplitude", "log"):
        for size in (32, 64, 128, 256):
            for backward in (False, True):
                claim = f"radial_spectrum, scale {scale}{', with backward' * backward} / best eager"
                setup = functools.partial(scaled_against_eager, scale, size, backward)
                entry = Entry(claim, f"96 x {size}²", SCALE_TESTS, setup, 0.4, 0.3, 96 * size**2)
                REGISTRY.entries.append(entry)
    for size in (32, 64, 128):
        setup = functools.partial(two_maps_against_one, size)
        claim = "radial_spectrum, durall2020 / schwarz2021"
        REGISTRY.entries.append(Entry(claim, f"96 x {size}²", SCALE_TESTS, setup, pixels=96 * size**2))


def compiled(function: Callable[[Tensor], Tensor], x: Tensor) -> Run:
    """The function by torch.compile; raises PeerError where that cannot compile it."""
    torch.compiler.reset()
    run = functools.partial(torch.compile(function), x)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inductor leaves complex numbers to eager torch, and says so
            torch.testing.assert_close(run(), function(x))
    except Exception as error:  # whatever a machine without a compiler makes of it
        raise PeerError(f"torch.compile: {str(error).strip().splitlines()[0]}") from error
    return run


def against_compiled(which: str, size: int) -> Timings:
    x = images(96, size)
    if which == "radial_spectrum":
        ours: Run = functools.partial(specops.radial_spectrum, x)
        theirs = compiled(eager.EagerSpectrum(size), x)
    else:
        mask = lowpass(size)
        ours, theirs = functools.partial(filtered, x), compiled(lambda x: eager.eager_filter(x, mask), x)
    return Timings(Timed(ours), {"torch.compile": Timed(theirs)}, ("torch.compile",))


def add_compiled_peers() -> None:
    for which in ("radial_spectrum", "frequency_filter"):
        for size in (64, 128):
            setup = functools.partial(against_compiled, which, size)
            claim = f"{which} / torch.compile of the eager version"
            REGISTRY.entries.append(Entry(claim, f"96 x {size}²", TESTS, setup, pixels=96 * size**2))


def half_types(dtype: torch.dtype, size: int) -> Timings:
    half, single = images(96, size, dtype), images(96, size)
    ours = Timed(lambda: specops.radial_spectrum(half))
    return Timings(ours, {"float32": Timed(lambda: specops.radial_spectrum(single))}, ("float32",))


def add_half_types() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for size in (64, 128):
            name = str(dtype).removeprefix("torch.")
            setup = functools.partial(half_types, dtype, size)
            claim = "radial_spectrum of half types / float32"
            REGISTRY.entries.append(Entry(claim, f"{name}, 96 x {size}²", TESTS, setup, 1.15, 1.0, 96 * size**2))


def overhead(backward: bool) -> Timings:
    """In units of 1 µs: the peer sleeps for none, its time is taken as 1 µs."""
    x = images(1, 8)
    index, weight, n_bins = specops.geometry.radial_mean_maps(8, 8, "schwarz2021", x.dtype, x.device)
    leaf = x.clone().requires_grad_(backward)

    def run() -> Tensor:
        return specops.ops.binned_cross_spectrum(leaf, leaf, index, weight, n_bins)

    return Timings(Timed(run), {}, (), lambda _: 1e-6)


def add_overhead() -> None:
    for backward, must, aim in ((False, 30, 15), (True, 80, 50)):
        case = "recorded for backward" if backward else "no gradient"
        setup = functools.partial(overhead, backward)
        REGISTRY.entries.append(Entry("µs per call of binned_cross_spectrum, 1 x 8²", case, TESTS, setup, must, aim))


SPECTRUM_MEMORY = """
import specops
x = torch.randn(192, 128, 128){leaf}
y = torch.randn(192, 128, 128)
def run():
    return {call}
held = {held}
"""


def add_memory() -> None:
    cases = [
        ("radial_spectrum", "", "specops.radial_spectrum(x)", "0", 4 << 20),
        (
            "radial_spectrum with backward",
            ".requires_grad_()",
            "torch.autograd.grad(specops.radial_spectrum(x).sum(), x)",
            "x.nbytes",
            4 << 20,
        ),
        ("radial_spectrum, scale log", "", "specops.radial_spectrum(x, scale='log')", "0", 4 << 20),
        (
            "radial_spectrum, scale log, with backward",
            ".requires_grad_()",
            "torch.autograd.grad(specops.radial_spectrum(x, scale='log').sum(), x)",
            "x.nbytes",
            4 << 20,
        ),
        ("radial_spectrum, durall2020", "", "specops.radial_spectrum(x, convention='durall2020')", "0", 4 << 20),
        (
            "hfc with backward",
            ".requires_grad_()",
            "(lambda r, f: (r, f, torch.autograd.grad(f.sum() + r.sum(), x)))(*specops.hfc(y, x, 20))",
            "3 * x.nbytes",
            int(1.3 * 192 * 128 * 128 * 4),
        ),
    ]
    for claim, leaf, call, held, bound in cases:
        prepare = SPECTRUM_MEMORY.format(leaf=leaf, call=call, held=held)
        REGISTRY.memory.append(MemoryEntry(claim, "192 x 128²", TESTS, prepare, bound))


add_ratios_to_transforms()
add_ratios_to_eager()
add_scales_and_maps()
add_compiled_peers()
add_published_procedures()
add_threads()
add_half_types()
add_overhead()
add_memory()
