"""What every op × backend × dtype × sample must pass, as functions that raise AssertionError."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import torch
from samples import Sample
from tolerances import assert_near, gradient_tolerance, tolerance
from torch import Tensor

from specops import backends, ops
from specops.ops._layout import compute_dtype

REFERENCE = {
    "binned_cross_spectrum": ops.spectral.reference.binned_cross_spectrum,
    "binned_filter": ops.spectral.reference.binned_filter,
    "upfirdn2d": ops.resample.reference.upfirdn2d,
    "upfirdn2d_transpose": ops.resample.reference.upfirdn2d_transpose,
    "upfirdn2d_filter_correlation": ops.resample.reference.upfirdn2d_filter_correlation,
}


def call(sample: Sample) -> Callable[..., Tensor]:
    return getattr(ops, sample.op)


def as_double(args: tuple[Any, ...]) -> tuple[Any, ...]:
    doubled = [arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args]
    return (doubled[0], doubled[0], *doubled[2:]) if args[0] is args[1] else tuple(doubled)


def differentiable(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Tensor, ...]]:
    """Returns the arguments with the first two as leaves that require a gradient, and those leaves."""
    first = args[0].detach().clone().requires_grad_()
    if args[1] is args[0]:
        return (first, first, *args[2:]), (first,)
    second = args[1].detach().clone().requires_grad_()
    return (first, second, *args[2:]), (first, second)


def gradients(f: Callable[..., Tensor], args: tuple[Any, ...], cotangent: Tensor) -> tuple[Tensor, ...]:
    args, leaves = differentiable(args)
    out = f(*args)
    return torch.autograd.grad(out, leaves, cotangent.to(out.dtype))


def value_against_long_double(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    out = call(sample)(*args)
    expected = getattr(oracle, sample.op)(*args)
    assert out.dtype == (compute_dtype(dtype) if out_is_profile(sample) else dtype)
    assert out.stride() == torch.empty(out.shape).stride()
    terms = oracle.exact(without_cancellation(sample, args)) if is_resampling(sample) else expected
    bound = tolerance(compute_dtype(dtype), out.dtype, args[0].shape[-2:])
    assert out.shape == expected.shape
    error = np.linalg.norm(oracle.exact(out) - expected) / np.linalg.norm(terms)
    assert error <= bound, f"relative L2 error {error:.3g} above {bound:.3g}"


def without_cancellation(sample: Sample, args: tuple[Any, ...]) -> Tensor:
    """The op of absolute values: the sum of absolute terms, for ops whose terms are products of their arguments."""
    return REFERENCE[sample.op](*(abs(a) for a in as_double(args[:2])), *args[2:])


def is_resampling(sample: Sample) -> bool:
    return sample.op.startswith("upfirdn2d")


def out_is_profile(sample: Sample) -> bool:
    return sample.op in ("binned_cross_spectrum", "upfirdn2d_filter_correlation")


def adjoint(sample: Sample) -> None:
    """<op(a, b), g> = <a, ∂a> = <b, ∂b>, for an op that is linear in a and in b."""
    args = sample.arguments(torch.float64)
    if args[0] is args[1]:
        args = (args[0], args[1].clone(), *args[2:])
    out = call(sample)(*args)
    cotangent = torch.randn_like(out)
    product, magnitude = float((out * cotangent).sum()), float(out.norm() * cotangent.norm())
    if is_resampling(sample):
        magnitude = float((without_cancellation(sample, args) * abs(cotangent)).sum())
    for argument, gradient in zip(args[:2], gradients(call(sample), args, cotangent), strict=True):
        assert abs(float((argument * gradient).sum()) - product) <= 2**-48 * magnitude


def gradients_against_reference(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    cotangent = torch.randn_like(call(sample)(*args))
    if sample.op == "binned_cross_spectrum":
        cotangent /= args[0].shape[-2:].numel()  # or gradients of large images are infinite in float16
    with backends.use("reference"):
        expected = gradients(call(sample), as_double(args), cotangent)
        absolute = (*(abs(a) for a in as_double(args[:2])), *as_double(args[2:]))
        terms = gradients(call(sample), absolute, abs(cotangent)) if is_resampling(sample) else (None,) * len(expected)
    size = args[0].shape[-2:]
    for gradient, wanted, magnitude in zip(gradients(call(sample), args, cotangent), expected, terms, strict=True):
        assert_near(gradient, wanted, gradient_tolerance(dtype, gradient.dtype, size), magnitude)


def numerical_derivatives(sample: Sample) -> None:
    args = sample.arguments(torch.float64)
    leaves = args[:1] if args[0] is args[1] else args[:2]

    def f(*leaves: Tensor) -> Tensor:
        return call(sample)(*(leaves if len(leaves) == 2 else leaves * 2), *args[2:])

    inputs = tuple(leaf.detach().clone().requires_grad_() for leaf in leaves)
    torch.autograd.gradcheck(f, inputs, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(f, inputs, fast_mode=True)


def opcheck(sample: Sample, dtype: torch.dtype) -> None:
    args, _ = differentiable(sample.arguments(dtype))
    torch.library.opcheck(getattr(torch.ops.specops, sample.op).default, args)


def layouts(image: Tensor) -> dict[str, Tensor]:
    """Returns tensors equal to `image` in other memory layouts."""
    padded = torch.full((*image.shape[:-1], 2 * image.shape[-1] + 1), math.nan, dtype=image.dtype, device=image.device)
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
            own = (*args[:position], image.contiguous(), *args[position + 1 :])
            strided = (*args[:position], image, *args[position + 1 :])
            out, expected = call(sample)(*strided), call(sample)(*own)
            assert torch.equal(out, expected), name


def empty_batch(sample: Sample, dtype: torch.dtype) -> None:
    args = list(sample.arguments(dtype))
    expected = call(sample)(*args)
    gains = {1} if sample.op == "binned_filter" and args[1].dim() > 1 else set()
    for position in gains.union(sample.images):
        args[position] = args[position][:0]
    out = call(sample)(*args)
    if sample.op == "upfirdn2d_filter_correlation":
        assert torch.equal(out, torch.zeros_like(expected))
    else:
        assert out.shape == (0, *expected.shape[1:])


def inputs_unmodified(sample: Sample, dtype: torch.dtype) -> None:
    args, untouched = sample.arguments(dtype), sample.arguments(dtype)
    call(sample)(*args)
    for arg, before in zip(args, untouched, strict=True):
        assert torch.equal(arg, before) if isinstance(arg, Tensor) else arg == before


def fresh_memory(sample: Sample, dtype: torch.dtype) -> None:
    """Nothing is read before it is written: with NaN in all fresh memory the bits are the same."""
    args = sample.arguments(dtype)
    out = call(sample)(*args)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        assert torch.equal(call(sample)(*args), out)
    finally:
        torch.use_deterministic_algorithms(False)


def nan_isolation(sample: Sample, dtype: torch.dtype) -> None:
    """A NaN or Inf in one image leaves the others' bits alone, and spreads inside its own as in the reference."""
    args = sample.arguments(dtype)
    clean = call(sample)(*args)
    for bad in (math.nan, math.inf):
        image = args[0].clone()
        image[1][..., -1, -1] = bad
        second = image if args[1] is args[0] else args[1]
        out = call(sample)(image, second, *args[2:])
        with backends.use("reference"):
            expected = call(sample)(image, second, *args[2:])
        others = [i for i in range(len(clean)) if i != 1]
        assert torch.equal(out[others], clean[others])
        assert torch.equal(out.isfinite(), expected.isfinite())


def same_bits(sample: Sample, backend: str, dtype: torch.dtype) -> None:
    """Two runs, and 1, 2, 3 and 8 threads, agree bitwise, with their gradients.

    Of the spectral reference only the runs: torch.fft itself rounds differently for other numbers of threads.
    """
    args = sample.arguments(dtype)
    cotangent = torch.randn_like(call(sample)(*args))
    results = []
    follows_torch_fft = backend == "reference" and not is_resampling(sample)
    for threads in (1, 1) if follows_torch_fft else (1, 1, 2, 3, 8):
        torch.set_num_threads(threads)
        results.append((call(sample)(*args), *gradients(call(sample), args, cotangent)))
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(again, results[0], strict=True))


def compiled(sample: Sample, dynamic: bool) -> None:
    args = sample.arguments(torch.float32)
    cotangent = torch.randn_like(call(sample)(*args))
    torch.compiler.reset()
    fast = torch.compile(call(sample), fullgraph=True, dynamic=dynamic, backend="aot_eager")
    assert torch.equal(fast(*args), call(sample)(*args))
    expected = gradients(call(sample), args, cotangent)
    for gradient, wanted in zip(gradients(fast, args, cotangent), expected, strict=True):
        torch.testing.assert_close(gradient, wanted)


def exported(sample: Sample) -> None:
    args = sample.arguments(torch.float32)
    second = (args[1],) if args[1] is not args[0] else ()

    class Program(torch.nn.Module):
        def forward(self, first: Tensor, *second: Tensor) -> Tensor:
            return call(sample)(first, *(second or (first,)), *args[2:])

    program = torch.export.export(Program(), (args[0], *second))
    assert torch.equal(program.module()(args[0], *second), call(sample)(*args))


def vmapped(sample: Sample, which: tuple[bool, bool]) -> None:
    """vmap over the first, the second or both of the op's two arguments equals a loop."""
    args = sample.arguments(torch.float64)
    stacked = [
        torch.stack([arg, arg * 2, arg - 1], dim=1) if mapped else arg
        for arg, mapped in zip(args[:2], which, strict=True)
    ]
    dims = tuple(1 if mapped else None for mapped in which)
    out = torch.func.vmap(lambda a, b: call(sample)(a, b, *args[2:]), in_dims=dims)(*stacked)
    for i in range(3):
        a, b = (s.select(1, i) if mapped else s for s, mapped in zip(stacked, which, strict=True))
        assert_near(out[i], call(sample)(a, b, *args[2:]), 1e-14)


def autocast(sample: Sample, dtype: torch.dtype) -> None:
    args = sample.arguments(dtype)
    expected = call(sample)(*args)
    with torch.autocast(args[0].device.type, dtype=torch.bfloat16):
        out = call(sample)(*args)
    assert out.dtype == expected.dtype
    assert torch.equal(out, expected)
