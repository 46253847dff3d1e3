"""What holds for every public function, as a matrix; docs/conformance.md is its printed form."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from battery import UNIT_ROUNDOFF, layouts, relative_error
from functions import FUNCTIONS, Function
from torch import Tensor

TABLE = Path(__file__).parents[1] / "docs" / "conformance.md"
HALF = (torch.float16, torch.bfloat16)


def images(dtype: torch.dtype = torch.float64, shape: tuple[int, ...] = (3, 4, 8, 6)) -> Tensor:
    return torch.rand(shape, dtype=torch.float64).mul(2).sub(1).to(dtype)


def dtypes(function: Function) -> None:
    """Half types compute in float32; images come back in their dtype, all else in float32 or float64."""
    exact = function.call(images())
    for dtype in (*HALF, torch.float32, torch.float64):
        torch.manual_seed(0)
        x = images(dtype)
        out = function.call(x)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        assert out.dtype == (dtype if function.image else wide)
        torch.manual_seed(0)
        exact = function.call(x.double())
        rounding = UNIT_ROUNDOFF[dtype] if function.image else 0
        assert relative_error(out, exact) <= 30 * UNIT_ROUNDOFF[wide] + 1.01 * rounding


def strides(function: Function) -> None:
    x = images(torch.float32)
    for name, view in layouts(x).items():
        torch.testing.assert_close(function.call(view), function.call(view.contiguous()), msg=name)


def any_batch(function: Function) -> None:
    """No leading dimension but channels, two of them, and an empty batch."""
    x = images(shape=(2, 3, 4, 8, 6))
    torch.testing.assert_close(function.call(x)[1, 2], function.call(x[1, 2]))
    assert function.call(x[:, :0]).shape == (2, 0, *function.call(x).shape[2:])
    assert function.call(x[0, :0]).shape == (0, *function.call(x).shape[2:])


def unmodified(function: Function) -> None:
    x = images()
    before = x.clone()
    function.call(x)
    assert torch.equal(x, before)


def first_derivative(function: Function) -> None:
    x = images(shape=(2, 4, 4, 5)).requires_grad_()
    torch.autograd.gradcheck(function.call, (x,), fast_mode=True, check_forward_ad=True)


def second_derivative(function: Function) -> None:
    x = images(shape=(2, 4, 4, 5)).requires_grad_()
    torch.autograd.gradgradcheck(function.call, (x,), fast_mode=True)


def _compiles(function: Function, dynamic: bool) -> None:
    torch.compiler.reset()
    fast = torch.compile(function.call, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for shape in ((2, 4, 8, 8), (3, 4, 12, 10)):
        x = images(shape=shape).requires_grad_()
        torch.testing.assert_close(fast(x), function.call(x))
        compiled, eager = (torch.autograd.grad(f(x).square().sum(), x)[0] for f in (fast, function.call))
        torch.testing.assert_close(compiled, eager)


def compiles_static(function: Function) -> None:
    _compiles(function, dynamic=False)


def compiles_dynamic(function: Function) -> None:
    _compiles(function, dynamic=True)


def exports(function: Function) -> None:
    class Program(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function.call(x)

    program = torch.export.export(Program(), (images(),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    larger = images(shape=(5, 4, 8, 6))
    torch.testing.assert_close(program.module()(larger), function.call(larger))


def transforms(function: Function) -> None:
    """vmap, grad, jvp and vmap of grad."""
    x = images()

    def energy(image: Tensor) -> Tensor:
        return function.call(image).square().sum()

    torch.testing.assert_close(torch.func.vmap(function.call)(x), torch.stack([function.call(image) for image in x]))
    leaf = x[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(energy(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(energy)(x[0]), expected)
    torch.testing.assert_close(torch.func.jvp(energy, (x[0],), (x[1],))[1], (expected * x[1]).sum())
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(energy))(x)[0], expected)


def autocast(function: Function) -> None:
    x = images(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = function.call(x)
    assert torch.equal(out, function.call(x))


def deterministic(function: Function) -> None:
    """Two runs agree to the bit, also in deterministic mode, where fresh memory is NaN."""
    x = images(torch.float32)
    first = function.call(x)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(function.call(x), first)
    finally:
        torch.use_deterministic_algorithms(False)


def any_threads(function: Function) -> None:
    """Values and gradients agree to the bit for 1, 2, 3 and 8 threads."""
    x = images(torch.float32, (2, 4, 256, 256)).requires_grad_()
    results = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        out = function.call(x)
        results.append((out, *torch.autograd.grad(out, x, torch.ones_like(out))))
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(again, results[0], strict=True))


PROPERTIES: dict[str, Callable[[Function], None]] = {
    "dtypes": dtypes,
    "any strides": strides,
    "any batch": any_batch,
    "inputs kept": unmodified,
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


def rendered() -> str:
    distinct = [reason for function in FUNCTIONS.values() for reason in function.exempt.values()]
    reasons = {reason: i for i, reason in enumerate(dict.fromkeys(distinct), 1)}
    lines = [
        "# Conformance",
        "",
        "What holds for each public function, on the CPU. Written by `make conformance` from the matrix that",
        "tests/test_conformance.py runs; a test fails where the two disagree. `compile` is torch.compile with",
        "fullgraph and the backend aot_eager: one graph, no generated code.",
        "",
        f"| function | {' | '.join(PROPERTIES)} |",
        f"|---|{'---|' * len(PROPERTIES)}",
    ]
    for name, function in FUNCTIONS.items():
        cells = [f"({reasons[function.exempt[each]]})" if each in function.exempt else "pass" for each in PROPERTIES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"({i}) {reason}." for reason, i in reasons.items()), ""])


CASES = [(name, each) for name, function in FUNCTIONS.items() for each in PROPERTIES if each not in function.exempt]


@pytest.mark.parametrize(("name", "prop"), CASES, ids=[f"{name}-{each}" for name, each in CASES])
def test_property(name: str, prop: str) -> None:
    PROPERTIES[prop](FUNCTIONS[name])


def test_the_table_is_current() -> None:
    if os.environ.get("SPECOPS_WRITE_TABLES"):
        TABLE.write_text(rendered())
    assert TABLE.read_text() == rendered()
