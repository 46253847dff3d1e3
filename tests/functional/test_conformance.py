"""What holds for every public function, as a matrix; docs/conformance.md is its printed form."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from battery import layouts
from functions import FUNCTIONS, Function
from tolerances import UNIT_ROUNDOFF, relative_error
from torch import Tensor

import specops
import specops.nn as snn
from specops import losses

TABLE = Path(__file__).parents[2] / "docs" / "conformance.md"
HALF = (torch.float16, torch.bfloat16)


def images(function: Function, dtype: torch.dtype = torch.float64, shape: tuple[int, ...] = (3, 4, 8, 6)) -> Tensor:
    size = function.size or shape[-2:]
    return torch.rand(*shape[:-2], *size, dtype=torch.float64).mul(2).sub(1).to(dtype)


def slope(out: Tensor, x: Tensor) -> Tensor:
    """The derivative of the sum of squares of the result; 0 where it depends on nothing."""
    return torch.autograd.grad(out.square().sum(), x)[0] if out.requires_grad else torch.zeros_like(x)


def dtypes(function: Function) -> None:
    """Half types compute in float32; images come back in their dtype, all else in float32 or float64."""
    exact = function.call(images(function))
    for dtype in (*HALF, torch.float32, torch.float64):
        torch.manual_seed(0)
        x = images(function, dtype)
        out = function.call(x)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert out.dtype == (dtype if function.image else wide)
        torch.manual_seed(0)
        exact = function.call(x.double())
        rounding = UNIT_ROUNDOFF[dtype] if function.image else 0
        assert relative_error(out, exact) <= 30 * UNIT_ROUNDOFF[wide] + 1.01 * rounding


def strides(function: Function) -> None:
    """Channels_last, transposed, sliced, expanded and flipped inputs give the values of contiguous ones."""
    x = images(function, torch.float32)
    for name, view in layouts(x).items():
        out = function.call(view)
        torch.testing.assert_close(out, function.call(view.contiguous()), msg=name)
        kept = function.keeps_format and name == "channels_last"
        assert out.is_contiguous(memory_format=torch.channels_last if kept else torch.contiguous_format), name


def any_batch(function: Function) -> None:
    """Leading dimensions may be missing, several or empty."""
    x = images(function, shape=(2, 3, 4, 8, 6))
    torch.testing.assert_close(function.call(x)[1, 2], function.call(x[1, 2]))
    assert function.call(x[:, :0]).shape == (2, 0, *function.call(x).shape[2:])
    assert function.call(x[0, :0]).shape == (0, *function.call(x).shape[2:])


def unmodified(function: Function) -> None:
    """The inputs are as they were."""
    x = images(function)
    before = x.clone()
    function.call(x)
    assert torch.equal(x, before)


def nan_and_inf(function: Function) -> None:
    """NaN and Inf show in the result of their image; all other results keep their bits."""
    x = images(function, torch.float32)
    clean = function.call(x)
    for value in (torch.nan, torch.inf):
        broken = x.clone()
        broken[1, 2, 4, 2] = value
        out = function.call(broken)
        assert torch.equal(out[::2], clean[::2])
        assert not out[1].isfinite().all()


def first_derivative(function: Function) -> None:
    """Gradients and forward derivatives agree with finite differences."""
    x = images(function, shape=(2, 4, 4, 5)).requires_grad_()
    torch.autograd.gradcheck(function.call, (x,), fast_mode=True, check_forward_ad=True)


def second_derivative(function: Function) -> None:
    """So do the gradients of gradients."""
    x = images(function, shape=(2, 4, 4, 5)).requires_grad_()
    torch.autograd.gradgradcheck(function.call, (x,), fast_mode=True)


def _compiles(function: Function, dynamic: bool) -> None:
    torch.compiler.reset()
    fast = torch.compile(function.call, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for shape in ((2, 4, 8, 8), (3, 4, 12, 10)):
        x = images(function, shape=shape).requires_grad_()
        torch.testing.assert_close(fast(x), function.call(x))
        torch.testing.assert_close(slope(fast(x), x), slope(function.call(x), x))


def compiles_static(function: Function) -> None:
    """torch.compile makes one graph per shape, with the values and gradients of eager mode (backend aot_eager)."""
    _compiles(function, dynamic=False)


def compiles_dynamic(function: Function) -> None:
    """torch.compile makes one graph for all shapes, with the values and gradients of eager mode."""
    _compiles(function, dynamic=True)


def exports(function: Function) -> None:
    """torch.export takes the function with a batch of any size."""

    class Program(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.call = function.call

        def forward(self, x: Tensor) -> Tensor:
            return self.call(x)

    program = torch.export.export(Program(), (images(function),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    larger = images(function, shape=(5, 4, 8, 6))
    torch.testing.assert_close(program.module()(larger), function.call(larger))


def transforms(function: Function) -> None:
    """vmap, grad, jvp and vmap of grad give the values of the plain calls."""
    x = images(function)

    def energy(image: Tensor) -> Tensor:
        return function.call(image).square().sum()

    torch.testing.assert_close(torch.func.vmap(function.call)(x), torch.stack([function.call(image) for image in x]))
    leaf = x[0].clone().requires_grad_()
    expected = slope(function.call(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(energy)(x[0]), expected)
    torch.testing.assert_close(torch.func.jvp(energy, (x[0],), (x[1],))[1], (expected * x[1]).sum())
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(energy))(x)[0], expected)
    batches = images(function, shape=(2, 3, 4, 8, 6)).movedim(2, -1).contiguous().movedim(-1, 2)
    expected = torch.stack([function.call(batch) for batch in batches])
    torch.testing.assert_close(torch.func.vmap(function.call)(batches), expected)


def autocast(function: Function) -> None:
    """Autocast changes no bit."""
    x = images(function, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = function.call(x)
    assert torch.equal(out, function.call(x))


def deterministic(function: Function) -> None:
    """Two runs agree to the bit, also in deterministic mode, where fresh memory is NaN."""
    x = images(function, torch.float32)
    first = function.call(x)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(function.call(x), first)
    finally:
        torch.use_deterministic_algorithms(False)


def any_threads(function: Function) -> None:
    """Values and gradients agree to the bit for 1, 2, 3 and 8 threads."""
    x = images(function, torch.float32, (2, 4, 256, 256)).requires_grad_()
    results = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        out = function.call(x)
        results.append((out, slope(out, x)))
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(again, results[0], strict=True))


PROPERTIES: dict[str, Callable[[Function], None]] = {
    "dtypes": dtypes,
    "any strides": strides,
    "any batch": any_batch,
    "inputs kept": unmodified,
    "NaN, Inf": nan_and_inf,
    "derivative": first_derivative,
    "second derivative": second_derivative,
    "compile, static": compiles_static,
    "compile, dynamic": compiles_dynamic,
    "export": exports,
    "torch.func": transforms,
    "autocast": autocast,
    "deterministic": deterministic,
    "any threads": any_threads,
}


PAGE = """# Conformance

Every public function keeps every rule of the first table on the CPU, but for the exceptions of the second. Losses as
modules are held against the functions (tests/losses/test_losses.py). Metrics are no part of a graph and have rules of
their own (tests/metrics/test_every_metric.py). `make conformance` writes this page from the checks in
tests/functional/test_conformance.py.

| rule | what a test checks |
|---|---|
{rules}

## Exceptions

| function | rule | reason |
|---|---|---|
{exceptions}

## Published values

The relative L2 distance from what the published codes computed is at most:

| values | float32 | float64 |
|---|---|---|
| HFC, HFF and profiles of grey images, which the published codes compute in float32 | 1e-6 | 2e-7 to 1e-6 |
| `jung2021` at 64², whose minimum and maximum rest on weak coefficients | 3e-6 | 1e-6 |
| all others | 1e-6 | 1e-10 |
"""


def rendered() -> str:
    rules = [f"| {name} | {(rule.__doc__ or '').partition(chr(10))[0]} |" for name, rule in PROPERTIES.items()]
    exempt: dict[tuple[str, str], list[str]] = {}
    for name, function in FUNCTIONS.items():
        for reason in dict.fromkeys(function.exempt.values()):
            exempted = ", ".join(rule for rule, why in function.exempt.items() if why == reason)
            exempt.setdefault((reason, exempted), []).append(f"`{name}`")
    exceptions = [f"| {', '.join(names)} | {rules} | {reason} |" for (reason, rules), names in exempt.items()]
    return PAGE.format(rules="\n".join(rules), exceptions="\n".join(exceptions))


# Compilation takes most of the time: of quick tests, one function of each family.
COMPILED = ("radial_spectrum (log, hann)", "hfc", "upfirdn2d", "nn.FrequencyFilter", "masks.bandpass (logistic)")
CASES = [
    pytest.param(
        name, rule, id=f"{name}-{rule}", marks=pytest.mark.slow if name not in COMPILED and "compile" in rule else ()
    )
    for name, function in FUNCTIONS.items()
    for rule in PROPERTIES
    if rule not in function.exempt
]


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_property(name: str, rule: str) -> None:
    PROPERTIES[rule](FUNCTIONS[name])


def test_every_public_function_has_a_row() -> None:
    spectral = [name for name in specops.__all__ if inspect.isfunction(getattr(specops, name))]
    each_loss = [name for name in losses.__all__ if name.islower()]
    names = [*spectral, *each_loss, "masks.lowpass", "masks.highpass", "masks.bandpass"]
    missing = {*names, *(f"nn.{name}" for name in snn.__all__)} - {name.partition(" ")[0] for name in FUNCTIONS}
    missing.remove("library_path")  # takes no images
    assert missing == set()


def test_the_table_is_current() -> None:
    if os.environ.get("SPECOPS_WRITE_TABLES"):
        TABLE.write_text(rendered())
    assert TABLE.read_text() == rendered()
