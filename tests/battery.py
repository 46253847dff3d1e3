"""What every op × backend × dtype × sample must pass, as functions that raise AssertionError."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import oracle
import torch
from samples import Sample
from tolerances import assert_near, gradient_tolerance, tolerance
from torch import Tensor

from specops import backends, ops
from specops.ops._layout import compute_dtype

Results = tuple[Tensor, ...]
Op = Callable[..., Results]


def call(sample: Sample) -> Op:
    """The op, with a tuple of results also where there is one."""
    op = getattr(ops, sample.op)
    return op if len(sample.results) > 1 else lambda *args: (op(*args),)


def replaced(args: Sequence[Any], positions: Sequence[int], values: Iterable[Any]) -> tuple[Any, ...]:
    by_position = dict(zip(positions, values, strict=True))
    return tuple(by_position.get(i, arg) for i, arg in enumerate(args))


def as_double(args: Sequence[Any]) -> tuple[Any, ...]:
    """One tensor twice stays one."""
    doubled = {id(arg): arg.double() for arg in args if isinstance(arg, Tensor) and arg.is_floating_point()}
    return tuple(doubled.get(id(arg), arg) for arg in args)


def absolute(sample: Sample, args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments whose result is the sum of absolute terms, where terms are products of leaves."""
    return replaced(args, sample.leaves, [abs(args[position]) for position in sample.leaves])


def all_equal(results: Results, expected: Results) -> bool:
    return all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


def floating(results: Iterable[Tensor]) -> Results:
    return tuple(result for result in results if result.is_floating_point())


def cotangents_of(results: Iterable[Tensor]) -> Results:
    return tuple(torch.randn_like(result) for result in floating(results))


def with_leaves(sample: Sample, args: Sequence[Any]) -> tuple[tuple[Any, ...], Results]:
    """Returns the arguments with a gradient required of the leaves, and these; one tensor twice is one leaf."""
    made: dict[int, Tensor] = {}
    for position in sample.leaves:
        made.setdefault(id(args[position]), args[position].detach().clone().requires_grad_())
    leaves = [made[id(args[position])] for position in sample.leaves]
    return replaced(args, sample.leaves, leaves), tuple(made.values())


def gradients(op: Op, sample: Sample, args: Sequence[Any], cotangents: Results) -> Results:
    args, leaves = with_leaves(sample, args)
    results = floating(op(*args))
    given = [cotangent.to(result.dtype) for cotangent, result in zip(cotangents, results, strict=True)]
    return torch.autograd.grad(results, leaves, given)


def value_against_long_double(sample: Sample, dtype: torch.dtype) -> None:
    """Also of the dtype and layout that the contract says, and with the arguments left as they are."""
    args, untouched = sample.arguments(dtype), sample.arguments(dtype)
    results = call(sample)(*args)
    exact = getattr(oracle, sample.op)(*args)
    exact = exact if isinstance(exact, tuple) else (exact,)
    terms = exact if sample.transforms else (oracle.exact(sample.reference(*absolute(sample, as_double(args)))),)
    if sample.added is not None:
        terms = (np.abs(exact[0]) + abs(args[sample.added]), *exact[1:])
    for kind, out, expected, magnitude in zip(sample.results, results, exact, terms, strict=True):
        assert out.dtype == {"image": dtype, "slope": torch.int8}.get(kind, compute_dtype(dtype))
        assert out.shape == expected.shape
        assert out.stride() == torch.empty(out.shape).stride()
        error = oracle.exact(out) - expected
        if kind == "slope":
            assert not np.nan_to_num(error).any()
        else:
            bound = tolerance(compute_dtype(dtype), out.dtype, args[0].shape[-2:]) * np.linalg.norm(magnitude)
            assert np.linalg.norm(error) <= bound, f"L2 error {np.linalg.norm(error):.3g} above {bound:.3g}"
    for arg, before in zip(args, untouched, strict=True):
        assert torch.equal(arg, before) if isinstance(arg, Tensor) else arg == before


def adjoint(sample: Sample) -> None:
    """<op(a), g> = <a, ∂a> for each argument a in which the op is linear."""
    args = sample.arguments(torch.float64)
    args = replaced(args, sample.leaves, [args[position].clone() for position in sample.leaves])
    (out,) = call(sample)(*args)
    (cotangent,) = cotangents_of([out])
    product, magnitude = float((out * cotangent).sum()), float(out.norm() * cotangent.norm())
    if not sample.transforms:
        magnitude = float((sample.reference(*absolute(sample, args)) * abs(cotangent)).sum())
    found = dict(zip(sample.leaves, gradients(call(sample), sample, args, (cotangent,)), strict=True))
    for position in sample.linear:
        assert abs(float((args[position] * found[position]).sum()) - product) <= 2**-48 * magnitude


def gradients_against_reference(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    cotangents = cotangents_of(call(sample)(*args))
    with backends.use("reference"):
        expected = gradients(call(sample), sample, as_double(args), cotangents)
        largest = max(float(gradient.abs().max()) for gradient in expected)
        if largest > 1:  # or gradients of large images are infinite in float16
            cotangents = tuple(cotangent / 2 ** math.ceil(math.log2(largest)) for cotangent in cotangents)
            expected = gradients(call(sample), sample, as_double(args), cotangents)
        terms: Sequence[Tensor | None] = (None,) * len(expected)
        if not sample.transforms:
            positive = tuple(abs(cotangent) for cotangent in cotangents)
            terms = gradients(call(sample), sample, absolute(sample, as_double(args)), positive)
    size = args[0].shape[-2:]
    found = gradients(call(sample), sample, args, cotangents)
    for gradient, wanted, magnitude in zip(found, expected, terms, strict=True):
        assert_near(gradient, wanted, gradient_tolerance(dtype, gradient.dtype, size), magnitude)


def numerical_derivatives(sample: Sample) -> None:
    args = sample.arguments(torch.float64)
    _, leaves = with_leaves(sample, args)

    def f(*leaves: Tensor) -> Results:
        given = leaves * len(sample.leaves) if len(leaves) == 1 else leaves
        return floating(call(sample)(*replaced(args, sample.leaves, given)))

    torch.autograd.gradcheck(f, leaves, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(f, leaves, fast_mode=True)


def opcheck(sample: Sample, dtype: torch.dtype) -> None:
    args, _ = with_leaves(sample, sample.arguments(dtype))
    torch.library.opcheck(getattr(torch.ops.specops, sample.op).default, args)


def layouts(image: Tensor) -> dict[str, Tensor]:
    """Returns tensors equal to `image` in other memory layouts."""
    other = math.nan if image.is_floating_point() else 7
    padded = torch.full((*image.shape[:-1], 2 * image.shape[-1] + 1), other, dtype=image.dtype, device=image.device)
    padded[..., 1::2] = image
    found = {
        "transposed": image.transpose(-1, -2).contiguous().transpose(-1, -2),
        "odd-offset slice of every second": padded[..., 1::2],
        "flipped": image.flip(-1).contiguous().flip(-1),
    }
    if image.dim() > 2:
        found["batch last"] = image.movedim(0, -1).contiguous().movedim(-1, 0)
        found["expanded"] = image[:1].expand_as(image)
    if image.dim() == 4:
        found["channels_last"] = image.contiguous(memory_format=torch.channels_last)
    return found


def any_layout(sample: Sample, dtype: torch.dtype) -> None:
    """Same bits whatever the strides; images that share memory too."""
    args = sample.arguments(dtype)
    for position in sample.images:
        for name, image in layouts(args[position]).items():
            strided = call(sample)(*replaced(args, [position], [image]))
            assert all_equal(strided, call(sample)(*replaced(args, [position], [image.contiguous()]))), name


def part(sample: Sample, args: Sequence[Any], images: slice) -> tuple[Any, ...]:
    """The arguments of some images."""
    per_image = [*sample.images, *(position for position in sample.profiles if args[position].dim() > 1)]
    return replaced(args, per_image, [args[position][images] for position in per_image])


def empty_batch(sample: Sample, dtype: torch.dtype) -> None:
    """Results and gradients of no images."""
    args = sample.arguments(dtype)
    full, none = call(sample)(*args), part(sample, args, slice(0))
    empty = call(sample)(*none)
    _, leaves = with_leaves(sample, none)
    derived = gradients(call(sample), sample, none, cotangents_of(empty))
    assert [gradient.shape for gradient in derived] == [leaf.shape for leaf in leaves]
    for kind, out, expected in zip(sample.results, empty, full, strict=True):
        if kind == "sum":
            assert torch.equal(out, torch.zeros_like(expected))
        else:
            assert out.shape == (0, *expected.shape[1:])


def fresh_memory(sample: Sample, dtype: torch.dtype) -> None:
    """Nothing is read before it is written: with NaN in all fresh memory the bits are the same."""
    args = sample.arguments(dtype)
    results = call(sample)(*args)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        assert all_equal(call(sample)(*args), results)
    finally:
        torch.use_deterministic_algorithms(False)


def nan_isolation(sample: Sample, dtype: torch.dtype) -> None:
    """A NaN or Inf in one image leaves the others' bits alone, and spreads inside its own as in the reference."""
    args = sample.arguments(dtype)
    clean = call(sample)(*args)
    for bad in (math.nan, math.inf):
        image = args[0].clone()
        image[1][..., -1, -1] = bad
        spoilt = tuple(image if arg is args[0] else arg for arg in args)
        results = call(sample)(*spoilt)
        with backends.use("reference"):
            expected = call(sample)(*spoilt)
        for out, alike, unspoilt in zip(results, expected, clean, strict=True):
            others = [i for i in range(len(unspoilt)) if i != 1]
            assert torch.equal(out[others], unspoilt[others])
            assert torch.equal(out.isfinite(), alike.isfinite())


def alone(sample: Sample, dtype: torch.dtype) -> None:
    """An image has the same bits alone and among others."""
    args = sample.arguments(dtype)
    for out, among in zip(call(sample)(*part(sample, args, slice(1, 2))), call(sample)(*args), strict=True):
        assert torch.equal(out, among[1:2])


def same_bits(sample: Sample, backend: str, dtype: torch.dtype) -> None:
    """Two runs, and 1, 2, 3 and 8 threads, agree bitwise, with their gradients.

    Of transforms on the reference only the runs: torch.fft itself rounds differently for other numbers of threads.
    """
    args = sample.arguments(dtype)
    cotangents = cotangents_of(call(sample)(*args))
    runs = []
    for threads in (1, 1) if backend == "reference" and sample.transforms else (1, 1, 2, 3, 8):
        torch.set_num_threads(threads)
        runs.append((*call(sample)(*args), *gradients(call(sample), sample, args, cotangents)))
    assert all(all_equal(run, runs[0]) for run in runs[1:])


def compiled(sample: Sample, dynamic: bool) -> None:
    args = sample.arguments(torch.float32)
    expected = call(sample)(*args)
    cotangents = cotangents_of(expected)
    torch.compiler.reset()
    fast = torch.compile(call(sample), fullgraph=True, dynamic=dynamic, backend="aot_eager")
    assert all_equal(fast(*args), expected)
    derived = gradients(call(sample), sample, args, cotangents)
    for gradient, wanted in zip(gradients(fast, sample, args, cotangents), derived, strict=True):
        torch.testing.assert_close(gradient, wanted)


def exported(sample: Sample) -> None:
    args = sample.arguments(torch.float32)
    _, leaves = with_leaves(sample, args)
    inputs = tuple(leaf.detach() for leaf in leaves)

    class Program(torch.nn.Module):
        def forward(self, *leaves: Tensor) -> Results:
            given = leaves * len(sample.leaves) if len(leaves) == 1 else leaves
            return call(sample)(*replaced(args, sample.leaves, given))

    program = torch.export.export(Program(), inputs)
    assert all_equal(tuple(program.module()(*inputs)), call(sample)(*args))


def vmapped(sample: Sample) -> None:
    """vmap over each of the images and leaves alone, and over all of them, equals a loop."""
    args = sample.arguments(torch.float64)
    positions = sorted({*sample.leaves, *sample.images})
    for mapped in {*((position,) for position in positions), tuple(positions)}:
        stacked = [torch.stack([args[i], -args[i], args[i].flip(-1)], dim=1) for i in mapped]
        op = torch.func.vmap(lambda *given, at=mapped: call(sample)(*replaced(args, at, given)), in_dims=1)
        results = op(*stacked)
        for i in range(3):
            expected = call(sample)(*replaced(args, mapped, [each.select(1, i) for each in stacked]))
            for out, alone in zip(results, expected, strict=True):
                assert_near(out[i], alone, 1e-14)


def autocast(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    expected = call(sample)(*args)
    with torch.autocast(args[0].device.type, dtype=torch.bfloat16):
        results = call(sample)(*args)
    assert [out.dtype for out in results] == [out.dtype for out in expected]
    assert all_equal(results, expected)
