"""Kernels of a few PTX lines for the interpreter's tests, with the loads and stores around them written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ptx import Counters, Module
from ptx.formats import PLAIN
from ptx.text import BITS

REGISTERS = """
.reg .pred %p<10>; .reg .b16 %h<20>; .reg .b32 %r<40>; .reg .b64 %rd<40>;
"""
PREFIX = {16: "%h", 32: "%r", 64: "%rd"}
LANES = 128


def module(body: str, parameters: Sequence[str] = (), declarations: str = "") -> Module:
    """Returns a module of one kernel `k` whose parameters are all 64 bits wide."""
    declared = ", ".join(f".param .u64 {name}" for name in parameters)
    head = ".version 8.0\n.target sm_80\n.address_size 64\n"
    return Module(f"{head}{declarations}\n.visible .entry k({declared})\n{{{REGISTERS}\n{body}\nret;\n}}\n")


def run(body: str, arrays: dict[str, np.ndarray], threads: int = 32, blocks: int = 1, shared: int = 0) -> Counters:
    """Executes a body that finds the address of each array in %rd0, %rd1, ..., and %tid.x in %r0."""
    lines = [f"ld.param.u64 %rd{i}, [{name}];" for i, name in enumerate(arrays)]
    text = "\n".join([*lines, "mov.u32 %r0, %tid.x;", body])
    declarations = ".extern .shared .align 16 .b8 memory[];" if shared else ""
    kernel = module(text, list(arrays), declarations).kernel("k")
    return kernel.launch(blocks, threads, list(arrays.values()), shared)


def stored_as(kind: str) -> type:
    """Returns the NumPy type that holds values of a PTX type in memory."""
    return {"bf16": np.uint16, "f16x2": np.uint32, "bf16x2": np.uint32, "f32x2": np.uint64, "s16x2": np.uint32}.get(
        kind
    ) or PLAIN[kind]


def apply(instruction: str, inputs: Sequence[tuple[str, np.ndarray]], result: str) -> np.ndarray:
    """Returns `instruction d, a, b, ...;` of arrays with a value per lane; type `pred` travels as 0 and 1 in u32."""
    threads = len(inputs[0][1])
    kinds = [kind for kind, _ in inputs]
    out = np.zeros(threads, np.uint32 if result == "pred" else stored_as(result))
    arrays = {f"in{i}": np.ascontiguousarray(values) for i, (_, values) in enumerate(inputs)} | {"out": out}
    lines, names = [], []
    for i, kind in enumerate([*kinds, result]):
        bits = 32 if kind == "pred" else BITS[kind]
        lines.append(f"mad.wide.u32 %rd{20 + i}, %r0, {bits // 8}, %rd{i};")
        names.append(f"%p{i}" if kind == "pred" else f"{PREFIX[max(16, bits)]}{10 + i}")
        if i == len(kinds):
            break
        if kind == "pred":
            lines += [f"ld.global.b32 %r9, [%rd{20 + i}];", f"setp.ne.u32 %p{i}, %r9, 0;"]
        else:
            lines.append(f"ld.global.b{bits} {names[-1]}, [%rd{20 + i}];")
    lines.append(f"{instruction} {', '.join([names[-1], *names[:-1]])};")
    if result == "pred":
        lines += [f"selp.b32 %r8, 1, 0, {names[-1]};", f"st.global.b32 [%rd{20 + len(kinds)}], %r8;"]
    else:
        lines.append(f"st.global.b{BITS[result]} [%rd{20 + len(kinds)}], {names[-1]};")
    run("\n".join(lines), arrays, threads)
    return out


def values(kind: str, seed: int) -> np.ndarray:
    """Random values of a type, among them the ones at its edges."""
    generator = np.random.default_rng(seed)
    if kind == "pred":
        return generator.integers(0, 2, LANES).astype(np.uint32)
    if kind == "bf16":
        return (values("f32", seed).view(np.uint32) >> 16).astype(np.uint16)
    kept = stored_as(kind)
    if np.issubdtype(kept, np.integer):
        limits = np.iinfo(kept)
        drawn = generator.integers(limits.min, limits.max, LANES, dtype=kept, endpoint=True)
        drawn[::3] = drawn[::3] % 40
        drawn[:4] = [limits.min, limits.max, 0, 1]
        return generator.permutation(drawn)
    drawn = (generator.standard_normal(LANES) * 10.0 ** generator.integers(-3, 4, LANES)).astype(kept)
    drawn[:6] = [0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]
    return generator.permutation(drawn)


def check(instruction: str, kinds: tuple[str, ...], result: str, expected: Callable[..., np.ndarray]) -> None:
    inputs = [values(kind, seed) for seed, kind in enumerate(kinds)]
    with np.errstate(all="ignore"):
        wanted = np.asarray(expected(*inputs)).astype(np.uint32 if result == "pred" else stored_as(result))
    got = apply(instruction, list(zip(kinds, inputs, strict=True)), result)
    np.testing.assert_array_equal(got, wanted)


def wrapped(exact: Callable[..., int], kind: str) -> Callable[..., np.ndarray]:
    """An integer function of Python integers, its result cut to the type's bits."""
    kept = stored_as(kind)
    bits = np.dtype(kept).itemsize * 8

    def function(*arrays: np.ndarray) -> np.ndarray:
        out = [exact(*map(int, row)) & (2**bits - 1) for row in zip(*arrays, strict=True)]
        return np.array(out, f"u{bits // 8}").view(kept)

    return function
