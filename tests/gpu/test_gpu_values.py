"""Public functions on the device of SPECOPS_TEST_DEVICE: values, derivatives and geometry against the CPU in float64.

`make gpu-check` runs it on a GPU at length; on a CPU, where the checks themselves are tested too, it is small.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch
from device_cases import CASES, CLASS_OF, CONVENTIONS, DTYPES, EXTENT, FUNCTIONS, SIZES, Case, Size, all_cases, chosen
from samples import CPU, DEVICE, randn
from tolerances import UNIT_ROUNDOFF, assert_near, gradient_tolerance, tolerance
from torch import Tensor

from specops import backends, geometry, masks
from specops.ops._layout import compute_dtype

Results = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
NEAR_A_TURN = 64  # tolerances: rounding decides on which side of a fold or an end a number that near falls
SECOND = [  # a kernel with gains, with a profile per image, with a slope, with a scale; two maps; resampling
    Case(function, size, dtype, convention, False)
    for function in (
        "radial_spectrum (power)",
        "radial_spectrum (log)",
        "radial_cross_spectrum",
        "frequency_filter (not even)",
        "radial_filter (per image)",
        "hff",
        "hfc",
        "upfirdn2d (up, 4 taps)",
    )
    for size, dtype, convention in (
        ((32, 32), torch.float32, "schwarz2021"),
        ((49, 49), torch.float64, "durall2020"),
        ((128, 256), torch.float32, "durall2020"),
        ((512, 512), torch.float64, "rapsd"),
    )
    if EXTENT == "all" or (size[0] <= 49 if EXTENT == "small" else size != (512, 512))
]
# Among them, of squares, some at which hypot of CUDA's library falls below an integer radius.
NAMED = (49, 98, 103, 107, 161, 187, 196, 197, 206, 512, 896, 1000, 1024, 1280, 1536, 2048)
GEOMETRIES: tuple[Size, ...] = (*((n, n) for n in NAMED), *(s for s in SIZES if s[0] != s[1]))
LARGEST = {"small": 64, "quick": 256, "all": 2048}[EXTENT]
SIDES_AT_ONCE = 64

beside_the_cpu = pytest.mark.skipif(DEVICE.type == "cpu", reason="maps of the CPU are what others are compared with")


@functools.cache
def runnable() -> tuple[str, ...]:
    """The backends that run every op on the device."""
    return tuple(
        name
        for name in backends.ORDER[DEVICE.type]
        if all(backends.why_not(name, op, DEVICE.type) is None for op in backends.ops())
    )


def called(case: Case, leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    out = FUNCTIONS[case.function].call(case, *leaves)
    return out if isinstance(out, tuple) else (out,)


def results(case: Case, tensors: Sequence[Tensor], cotangents: Sequence[Tensor]) -> Results:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    values = called(case, leaves)
    return values, torch.autograd.grad(values, leaves, cotangents)


def second_derivatives(case: Case, tensors: Sequence[Tensor], cotangents: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Of the weighted sum of squares of the results: the gradient of the squared norm of its gradient."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    total = sum((value.square() * weight).sum() for value, weight in zip(called(case, leaves), cotangents, strict=True))
    first = torch.autograd.grad(total, leaves, create_graph=True)
    return torch.autograd.grad(sum(gradient.square().sum() for gradient in first), leaves)


def cotangents_of(case: Case, tensors: Sequence[Tensor], values: Sequence[Tensor], like: torch.dtype) -> list[Tensor]:
    """Random numbers, but 0 where the function of the float64 tensors is so near a turn that rounding may pass it."""
    generator = torch.Generator().manual_seed(1)
    made = [randn(tuple(value.shape), like, generator) for value in values]
    turning = FUNCTIONS[case.function].turning
    if turning is not None:
        near = NEAR_A_TURN * tolerance(compute_dtype(case.dtype), compute_dtype(case.dtype), case.size)
        for cotangent, u in zip(made, turning(case, *tensors), strict=True):
            for turn in (-3, -1, 1):  # where the fold meets the upper end, folds, ends
                cotangent[(u - turn).abs() <= near] = 0
    return made


@functools.lru_cache(maxsize=1)
def expected(case: Case) -> tuple[list[Tensor], Results]:
    """Cotangents in the type of the results, and the results on the CPU in float64."""
    doubles = [tensor.double() for tensor in case.arguments()]
    compiled = FUNCTIONS[case.function].dear and backends.why_not("cpp", "upfirdn2d") is None
    with backends.use("cpp" if compiled else "reference"):
        with torch.no_grad():
            values = called(case, doubles)
        like = compute_dtype(case.dtype) if FUNCTIONS[case.function].sums else case.dtype
        cotangents = cotangents_of(case, doubles, values, like)
        return cotangents, results(case, doubles, [cotangent.double() for cotangent in cotangents])


def check_results(case: Case, backend: str, device: torch.device) -> None:
    """Values within the tolerance of their type and size, gradients within that of gradients."""
    cotangents, wanted = expected(case)
    with backends.use(backend):
        moved = [tensor.to(device) for tensor in case.arguments()]
        found = results(case, moved, [cotangent.to(device) for cotangent in cotangents])
    arithmetic = compute_dtype(case.dtype)
    function = FUNCTIONS[case.function]
    lowest = 0 if function.turning is None else -1  # the maths of those is that of x - lowest
    for value, right in zip(found[0], wanted[0], strict=True):
        bound = tolerance(arithmetic, value.dtype, case.size) + summation(case, backend, function.sums)
        near(value.cpu().double() - lowest, right - lowest, bound, f"{backend}: value")
    for position, (gradient, right) in enumerate(zip(found[1], wanted[1], strict=True)):
        of_profile = function.of_bins and position == function.images
        bound = gradient_tolerance(case.dtype, gradient.dtype, case.size) + summation(case, backend, of_profile)
        near(gradient, right, bound, f"{backend}: gradient of argument {position}")


def summation(case: Case, backend: str, over_bins: bool) -> float:
    """The error of sums over bins where torch's index_add takes n terms in a row, beside the transform's: √n units.

    That is the reference, what float64 results are compared with, and the derivative of a profile that torch indexes.
    """
    by_torch = backend == "reference" or case.dtype == torch.float64 or FUNCTIONS[case.function].indexed
    if not (over_bins and by_torch):
        return 0
    return UNIT_ROUNDOFF[compute_dtype(case.dtype)] * float(case.bins.count.max()) ** 0.5


def near(value: Tensor, right: Tensor, bound: float, what: str) -> None:
    try:
        assert_near(value.cpu(), right, bound)
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case: Case) -> None:
    for backend in runnable():
        check_results(case, backend, DEVICE)


@pytest.mark.parametrize("case", SECOND, ids=str)
def test_second_derivatives(case: Case) -> None:
    """Twice as many passes as a gradient takes, so twice the tolerance."""
    doubles = [tensor.double() for tensor in case.arguments()]
    cotangents, _ = expected(case)
    with backends.use("reference"):
        wanted = second_derivatives(case, doubles, [cotangent.double() for cotangent in cotangents])
    for backend in runnable():
        with backends.use(backend):
            moved = [tensor.to(DEVICE) for tensor in case.arguments()]
            found = second_derivatives(case, moved, [cotangent.to(DEVICE) for cotangent in cotangents])
        for position, (gradient, right) in enumerate(zip(found, wanted, strict=True)):
            bound = 2 * gradient_tolerance(case.dtype, gradient.dtype, case.size)
            near(gradient, right, bound, f"{backend}: argument {position}")


def check_geometry(size: Size, convention: str, device: torch.device) -> None:
    """Bins and maps made on the device have the bits of the CPU's; a mean radius is a sum in the device's order."""

    def made(where: torch.device) -> tuple[list[Tensor], Tensor]:
        bins = geometry.radial_bins(size, convention=convention, device=where)
        maps = [bins.edges, bins.centers, bins.frequency, bins.count]
        for dtype in (torch.float32, torch.float64):
            maps += geometry.radial_mean_maps(*size, convention, dtype, where)[:2]
            maps += geometry.radial_gain_maps(*size, convention, dtype, where)[:2]
        return maps, bins.mean_radius

    (found, mean), (wanted, right) = made(device), made(CPU)
    for one, other in zip(found, wanted, strict=True):
        assert one.device.type == device.type
        assert torch.equal(one.cpu(), other), f"{int((one.cpu() != other).sum())} numbers differ"
    assert_near(mean.cpu(), right, tolerance(torch.float64, torch.float64, size))


def check_ideal_masks(size: Size, radii: Iterable[int], device: torch.device) -> None:
    for radius in radii:
        found, wanted = (masks.lowpass(size, radius, device=where) for where in (device, CPU))
        assert torch.equal(found.cpu(), wanted), f"radius {radius}: {int((found.cpu() != wanted).sum())} gains differ"


def integer_radii(size: Size) -> range:
    """All up to the corner; unless at length the multiples of 5, each of which has coefficients off the axes on it."""
    corner = math.ceil(max(size) / math.sqrt(2)) + 1
    return range(1, corner) if EXTENT == "all" else range(5, corner, 5 if max(size) <= 256 else 25)


@beside_the_cpu
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("size", GEOMETRIES, ids=lambda size: "x".join(map(str, size)))
def test_bins_have_the_bits_of_the_cpu(size: Size, convention: str) -> None:
    check_geometry(size, convention, DEVICE)


@beside_the_cpu
@pytest.mark.parametrize("convention", ["plain", "rapsd", "durall2020"])  # floor, nearest, half a pixel off: all rules
@pytest.mark.parametrize("first", range(1, LARGEST, SIDES_AT_ONCE))
def test_bins_of_every_side_have_the_bits_of_the_cpu(first: int, convention: str) -> None:
    for side in range(max(first, 3), first + SIDES_AT_ONCE):  # of smaller ones some conventions have no bins
        found, wanted = (geometry.radial_gain_maps(side, side, convention, torch.float32, d)[0] for d in (DEVICE, CPU))
        assert torch.equal(found.cpu(), wanted), f"{side} x {side}: {int((found.cpu() != wanted).sum())} bins differ"


@beside_the_cpu
@pytest.mark.parametrize("size", GEOMETRIES, ids=lambda size: "x".join(map(str, size)))
def test_ideal_masks_of_integer_radii_have_the_bits_of_the_cpu(size: Size) -> None:
    check_ideal_masks(size, integer_radii(size), DEVICE)


@beside_the_cpu
@pytest.mark.parametrize("kind", masks.KINDS[1:])
@pytest.mark.parametrize("size", [(64, 64), (131, 129), (1000, 1024)], ids=lambda size: "x".join(map(str, size)))
def test_smooth_masks_are_those_of_the_cpu_but_for_an_ulp(size: Size, kind: str) -> None:
    """Computed in float64 by functions that each device's library rounds in its own way."""
    found, wanted = (
        masks.lowpass(size, 15.5, kind=kind, device=device, dtype=torch.float32) for device in (DEVICE, CPU)
    )
    torch.testing.assert_close(found.cpu(), wanted, rtol=2 * UNIT_ROUNDOFF[torch.float32], atol=2**-50)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    "convention", {"small": ["durall2020"], "quick": ["schwarz2021", "durall2020"], "all": CONVENTIONS}[EXTENT]
)
def test_maps_made_inside_a_graph_are_those_made_outside(convention: str, dynamic: bool) -> None:
    """On a GPU by inductor, which fuses and rounds in its own way."""
    sizes = {"small": [(15, 20)], "quick": [(1000, 1000), (96, 160)], "all": GEOMETRIES[:: 1 if dynamic else 5]}[EXTENT]

    def made(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        H, W = x.shape[-2:]
        index, weight, _ = geometry.radial_mean_maps(H, W, convention, torch.float32, x.device)
        return index, weight, masks.lowpass((H, W), 5.0, device=x.device)

    torch.compiler.reset()
    compiler = "aot_eager" if DEVICE.type == "cpu" else "inductor"
    fast = torch.compile(made, fullgraph=True, dynamic=dynamic, backend=compiler)
    for size in sizes:
        with torch._dynamo.config.patch(recompile_limit=64):  # which side is longer, and what is even, are guards
            in_graph = fast(torch.empty(size, device=DEVICE))
        for found, wanted in zip(in_graph, made(torch.empty(size)), strict=True):
            assert torch.equal(found.cpu(), wanted), f"{size}: {int((found.cpu() != wanted).sum())} numbers differ"


# The cases and the checks themselves.


def test_cases_of_each_extent_show_each_function_in_each_class_and_type() -> None:
    cases = all_cases()
    assert len(set(map(str, cases))) == len(cases)
    for case_of in (lambda c: (c.size, c.dtype), lambda c: (c.function, c.dtype), lambda c: (c.dtype, c.channels_last)):
        everything = {case_of(case) for case in cases}
        assert len(everything) == len({a for a, _ in everything}) * len({b for _, b in everything})
    of_bins = {(c.function, c.convention, c.dtype) for c in cases if FUNCTIONS[c.function].of_bins}
    assert len(of_bins) == sum(f.of_bins for f in FUNCTIONS.values()) * len(CONVENTIONS) * len(DTYPES)
    quick = chosen(cases, "quick")
    assert {(c.function, CLASS_OF[c.size]) for c in quick} == set(itertools.product(FUNCTIONS, set(CLASS_OF.values())))
    assert {(c.function, c.dtype) for c in quick} == set(itertools.product(FUNCTIONS, DTYPES))
    assert {c.size for c in quick} == set(SIZES)
    small = chosen(cases, "small")
    assert {c.function for c in small} == set(FUNCTIONS)
    assert {CLASS_OF[c.size] for c in small} == set(CLASS_OF.values()) - {"to 2048"}
    assert {c.dtype for c in small} == set(DTYPES)


def bin_below(y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Sequence[Any]:
    index = index.clone()
    index[4, 3] -= 1  # the radius 5 taken for less
    return y, index, weight, n_bins


def half_for_whole(column: int, c: Tensor, index: Tensor, weight: Tensor) -> Sequence[Any]:
    """The gain of ky for -ky too, as a library may have it that is given a half plane which is not Hermitian there."""
    gains = c.unflatten(-1, index.shape).clone()
    gains[..., -15:, column] = gains[..., 1:16, column].flip(-1)
    return gains.flatten(-2), index, weight


def larger(c: Tensor, index: Tensor, weight: Tensor) -> Sequence[Any]:
    return c * 1.001, index, weight


PLANTED: dict[str, tuple[str, int, str, Callable[..., Sequence[Any]], str]] = {  # faults of a reference
    "a bin": ("radial_spectrum (power)", 64, "binned_cross_spectrum", bin_below, "value"),
    "kx = 0": ("frequency_filter (not even)", 32, "binned_filter", functools.partial(half_for_whole, 0), "value"),
    "kx = W/2": ("frequency_filter (not even)", 32, "binned_filter", functools.partial(half_for_whole, -1), "value"),
    "gradient": ("radial_cross_spectrum", 16, "binned_filter", larger, "gradient of argument 0"),
}


@pytest.mark.parametrize(("function", "side", "op", "spoilt", "what"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_noticed(
    function: str, side: int, op: str, spoilt: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference of an op takes other arguments than it was given, but in float64, which is compared with."""
    case = Case(function, (side, side), torch.float32, "schwarz2021", False)
    check_results(case, "reference", CPU)
    right = backends.BACKENDS["reference"].kernel(op)

    def wrong(x: Tensor, *rest: Any) -> Any:
        return right(x, *(rest if x.dtype == torch.float64 else spoilt(*rest)))

    monkeypatch.setitem(backends.BACKENDS["reference"].kernels, op, wrong)
    with pytest.raises(AssertionError, match=f"reference: {what}: relative L2 error .* above"):
        check_results(case, "reference", CPU)


def test_maps_of_a_device_that_differ_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that the test makes up: the first call."""

    def first_differs(made: Callable[..., Any], spoil: Callable[[Any], Any]) -> Callable[..., Any]:
        turns = itertools.chain([spoil], itertools.repeat(lambda right: right))
        return lambda *args, **settings: next(turns)(made(*args, **settings))

    def below(maps: tuple[Tensor, Tensor, int]) -> tuple[Tensor, Tensor, int]:
        index = maps[0].clone()
        index[4, 3] -= 1
        return index, *maps[1:]

    def kept(mask: Tensor) -> Tensor:
        mask = mask.clone()
        mask[4, 3] = 1
        return mask

    check_geometry((16, 16), "plain", CPU)
    check_ideal_masks((16, 16), [4, 5], CPU)
    monkeypatch.setattr(geometry, "radial_gain_maps", first_differs(geometry.radial_gain_maps, below))
    monkeypatch.setattr(masks, "lowpass", first_differs(masks.lowpass, kept))
    with pytest.raises(AssertionError, match="1 numbers differ"):
        check_geometry((16, 16), "plain", CPU)
    with pytest.raises(AssertionError, match="radius 5: 1 gains differ"):
        check_ideal_masks((16, 16), [5], CPU)
