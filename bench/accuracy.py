"""Accuracy of the spectral functions: errors against long double and beside torch.fft's own, roundings, equal bits."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

import specops
from bench.registry import Entry, Figure

TESTS = ("ops/test_native.py", "ops/test_scaled_spectra.py")
SIZES = [(n, n) for n in (32, 64, 128, 256, 512, 1024, 48, 96, 100, 299, 97, 101)] + [(64, 128), (1031, 4)]
UNIT = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}
Array = np.ndarray
Size = tuple[int, int]


def images(size: Size, dtype: torch.dtype) -> Tensor:
    batch = max(1, 2**16 // (size[0] * size[1]))
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def long(t: Tensor) -> Array:
    return t.double().numpy().astype(np.longdouble)


def relative(value: Tensor, exact: Array) -> float:
    return float(np.linalg.norm(long(value) - exact) / np.linalg.norm(exact))


def transform_bound(size: Size, unit: float) -> float:
    """2 u √log2 N for sizes with factors up to 13, 4 u √log2 N for others, N the longer side."""
    rest = size[0] * size[1]
    for factor in (2, 3, 5, 7, 11, 13):
        while rest % factor == 0:
            rest //= factor
    return (2 if rest == 1 else 4) * unit * math.sqrt(math.log2(max(size)))


def bins(size: Size | torch.Size, dtype: torch.dtype) -> tuple[Tensor, Tensor, int]:
    return specops.geometry.radial_mean_maps(size[0], size[1], "schwarz2021", dtype, torch.device("cpu"))


def exact_spectrum(x: Tensor) -> Array:
    index, weight, n_bins = bins(x.shape[-2:], torch.float64)
    terms = np.abs(np.fft.rfft2(long(x))) ** 2 * long(weight)
    sums = np.zeros((n_bins, len(x)), np.longdouble)
    np.add.at(sums, index.numpy().ravel(), terms.reshape(len(x), -1).T)
    return sums.T


def torch_spectrum(x: Tensor) -> Tensor:
    index, weight, n_bins = bins(x.shape[-2:], x.dtype)
    X = torch.fft.rfft2(x)
    terms = (X.real.square() + X.imag.square()) * weight
    return x.new_zeros(len(x), n_bins).index_add(-1, index.flatten(), terms.flatten(-2))


def mask(x: Tensor) -> Tensor:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return specops.masks.lowpass((x.shape[-2], x.shape[-1]), max(x.shape[-2:]) / 4, kind="gaussian", dtype=dtype)


def exact_filter(x: Tensor) -> Array:
    return np.fft.irfft2(np.fft.rfft2(long(x)) * long(mask(x)), s=x.shape[-2:])


def filtered(x: Tensor) -> Tensor:
    return specops.frequency_filter(x, mask(x))


def torch_filter(x: Tensor) -> Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(x) * mask(x), s=x.shape[-2:])


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Array], Callable[[Tensor], Tensor]]] = {
    "radial_spectrum": (specops.radial_spectrum, exact_spectrum, torch_spectrum),
    "frequency_filter": (filtered, exact_filter, torch_filter),
}


@functools.lru_cache(maxsize=1)
def errors(name: str, size: Size, dtype: torch.dtype) -> tuple[float, float]:
    """Our error, and that of the same by torch.fft."""
    ours, exact, theirs = FUNCTIONS[name]
    x = images(size, dtype)
    expected = exact(x)
    return relative(ours(x), expected), relative(theirs(x), expected)


def error(name: str, size: Size, dtype: torch.dtype) -> Figure:
    return Figure(errors(name, size, dtype)[0], transform_bound(size, UNIT[dtype]))


def error_beside_torch(name: str, size: Size, dtype: torch.dtype) -> Figure:
    """Half a unit is the error of rounding the result; torch.fft may stay below it by luck."""
    ours, theirs = errors(name, size, dtype)
    return Figure(ours, 1.5 * max(theirs, 0.5 * UNIT[dtype]))


def half_rounding(size: Size, dtype: torch.dtype) -> Figure:
    """The largest distance to the rounded value, in ulps of it or, where those are smaller, of the float32 inside."""
    x = images(size, dtype)
    exact = torch.from_numpy(exact_filter(x).astype(np.float64))
    rounded = exact.to(dtype)
    ulp = (torch.nextafter(rounded.abs(), torch.tensor(math.inf, dtype=dtype)) - rounded.abs()).double()
    inside = 4 * transform_bound(size, UNIT[torch.float32]) * float(exact.square().mean().sqrt())
    distance = (filtered(x).double() - rounded.double()).abs() / ulp.clamp(min=inside)
    return Figure(float(distance.max()), 1.0)


def hfc(x: Tensor) -> Tensor:
    return specops.hfc(x, x.flip(-1), max(x.shape[-2:]) / 4)[1]


BITS: dict[str, Callable[[Tensor], Tensor]] = {
    "radial_spectrum": specops.radial_spectrum,
    "radial_spectrum, scale log": functools.partial(specops.radial_spectrum, scale="log"),
    "frequency_filter": filtered,
    "hfc": hfc,
}


def different_bits(name: str, size: Size, dtype: torch.dtype) -> Figure:
    """How many numbers change with 1, 2, 3 and 8 threads, or when parts of the batch come alone."""
    function = BITS[name]
    x = torch.randn(29, *size, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    whole, changed = function(x), 0
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        for part in (slice(None), slice(0, 1), slice(1, 9), slice(9, 29)):
            changed += int((function(x[part]) != whole[part]).sum())
    torch.set_num_threads(before)
    return Figure(float(changed), 0.0)


def entry(claim: str, measure: Callable[..., Figure], *about: Any) -> Entry:
    *_, size, dtype = about
    case = f"{size[0]} x {size[1]}, {str(dtype).removeprefix('torch.')}"
    return Entry(claim, case, TESTS, lambda device: measure(*about), quick=False)


def entries() -> Iterator[Entry]:
    """Yields the entries of the CPU; errors on a GPU are tested, not measured."""
    for name, dtype, size in itertools.product(FUNCTIONS, UNIT, SIZES):
        yield entry(f"error of {name}", error, name, size, dtype)
        claim = f"error of {name}, beside the same by torch.fft"
        yield entry(claim, error_beside_torch, name, size, dtype)
    for dtype, size in itertools.product((torch.float16, torch.bfloat16), ((32, 32), (128, 128), (100, 100), (97, 97))):
        yield entry("error of frequency_filter of half types, in ulps", half_rounding, size, dtype)
    kinds = (torch.float32, torch.bfloat16, torch.float64)
    for name, dtype, size in itertools.product(BITS, kinds, ((32, 32), (64, 64), (97, 97), (100, 100), (1031, 4))):
        yield entry(f"numbers that threads or batch change, {name}", different_bits, name, size, dtype)
