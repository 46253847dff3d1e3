"""Registration of ops with torch: schema, fake, gradients of any order, and a kernel chosen at each call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from specops import _torch, backends
from specops._library import PATH

_library = torch.library.Library("specops", "DEF")

KERNELS = ("cpp", "triton", "cuda")  # backends beside the reference

exported: dict[str, Callable[..., Any]] = {}  # what specops.ops publishes, by name
unchecked = SimpleNamespace()  # what `register` returns, by name
straight = SimpleNamespace()  # the same for calls that nothing disturbs: see `_torch.undisturbed`


_makes_new_memory: set[Callable[..., Any]] = set()


def makes_new_memory(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Says of a kernel that it returns what a raw op allocates, of which autograd knows nothing, or calls `guarded`."""
    _makes_new_memory.add(kernel)
    return kernel


@functools.cache
def guarded(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a kernel whose calls of torch are below autograd."""
    if not _torch.recording:
        return kernel

    @functools.wraps(kernel)
    def below(*args: Any) -> Any:
        with _torch.recording._AutoDispatchBelowAutograd():
            return kernel(*args)

    return below


def register(
    schema: str,
    public: Callable[..., Any],
    *,
    fake: Callable[..., Any],
    backward: Callable[..., tuple[Tensor | None, ...]],
    vmap: Callable[..., tuple[Any, Any]],
    jvp: Callable[..., Any] | None = None,
    residual: int | None = None,
    kernels: Sequence[str] = KERNELS,
) -> Callable[..., Any]:
    """Registers an op as torch.ops.specops.<name> and specops.ops.<name>. Returns it as a function that checks nothing.

    The function goes straight to the kernel where nothing traces, transforms or intercepts the call, else through
    torch.ops.specops.<name>, which gives the same results in more time. It takes its arguments by position.

    The kernel is chosen at each call, below autograd: see `specops.backends`. The reference and kernels are functions
    of the op's name, in modules of the backend's name beside the contract; those in C++ are in the extension.

    Args:
        schema: the op's torch schema, tensors first.
        public: the function that users call: checks its arguments and calls what is returned here.
        fake: returns empty tensors of the results' shapes, dtypes and strides.
        backward: (needs, *grads, *args) -> gradients of the first tensors, or None where `needs` says so; to be written
            in terms of ops, so that gradients of any order follow. Of several grads some may be None.
        vmap: as in torch.library.register_vmap.
        jvp: (tangents, *args) -> tangents of the results; the tangent of an argument may be None. May be left out for
            an op that is bilinear in its first two arguments.
        residual: which of several results is there for the derivatives and has none itself; they get it as the last
            argument.
        kernels: the backends that have the op, beside the reference.
    """
    op = schema.partition("(")[0]
    backends.register(op, public.__module__.rpartition(".")[0], ("reference", *kernels))
    exported[op] = public

    def bilinear_jvp(tangents: tuple[Tensor | None, ...], first: Tensor, second: Tensor, *rest: Any) -> Any:
        terms = [] if tangents[0] is None else [overload(tangents[0], second, *rest)]
        terms += [] if tangents[1] is None else [overload(first, tangents[1], *rest)]
        return sum(terms[1:], terms[0])

    def select(*args: Any) -> Any:
        return backends.kernel(op, args[0].device.type)(*args)

    if not hasattr(torch.ops.specops, op):  # the compiled library, where there is one, defines it
        _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    overload = getattr(torch.ops.specops, op).default
    if str(overload._schema) != f"specops::{schema}":
        raise ImportError(
            f"{PATH} was built from other sources: it has {overload._schema}, where this package has "
            f"specops::{schema}. Build it again (see README, Installation)."
        )
    _library.impl(op, select, "CompositeExplicitAutograd")
    torch.library.register_fake(f"specops::{op}", fake, lib=_library)
    torch.library.register_vmap(f"specops::{op}", vmap, lib=_library)
    n_tensors = schema[: schema.index("->")].count("Tensor ")
    derivative = _Derivative(n_tensors, backward, jvp or bilinear_jvp, residual)
    at_once = overload
    if _torch.recording:
        kernel, at_once = _recorded(overload, derivative)
        _library.impl(op, kernel, "Autograd", with_keyset=True)
    else:
        torch.library.register_autograd(overload, derivative.gradients, setup_context=derivative.save, lib=_library)

    def call(*args: Any) -> Any:
        return at_once(*args) if _torch.undisturbed(*args[:n_tensors]) else overload(*args)

    setattr(straight, op, at_once)
    setattr(unchecked, op, call)
    return call


@dataclass(frozen=True)
class _Derivative:
    """What a torch.autograd.Function keeps of a call, and what it makes of that; see `register`."""

    n_tensors: int
    backward: Callable[..., tuple[Tensor | None, ...]]
    forward: Callable[..., Any]
    residual: int | None

    def save(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        tensors = inputs[: self.n_tensors]
        ctx.settings, ctx.same = inputs[self.n_tensors :], inputs[0] is inputs[1]
        if self.residual is not None:
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(output[self.residual])
            tensors = (*tensors, output[self.residual])
        ctx.save_for_backward(*tensors)
        if _torch.in_forward_mode():
            ctx.save_for_forward(*tensors)

    def gradients(self, ctx: Any, *grads: Tensor) -> Any:
        needs = ctx.needs_input_grad
        gradients = self.backward(needs, *grads, *self._arguments(ctx))
        return *gradients, *(None,) * (len(needs) - len(gradients))

    def tangents(self, ctx: Any, *tangents: Any) -> Any:
        args = (forward_ad.unpack_dual(arg).primal if isinstance(arg, Tensor) else arg for arg in self._arguments(ctx))
        with _torch.recording._set_fwd_grad_enabled(True):
            return self.forward(tangents, *args)

    def _arguments(self, ctx: Any) -> list[Any]:
        """Returns the op's arguments, one object where the first two were one, and the residual after them."""
        tensors = list(ctx.saved_tensors)
        if ctx.same:
            tensors[1] = tensors[0]
        return [*tensors[: self.n_tensors], *ctx.settings, *tensors[self.n_tensors :]]


def _recorded(overload: Any, derivative: _Derivative) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Returns the Autograd kernel of an op, and the function that does its work where torch has no other to do.

    torch.library.register_autograd makes a Function that refuses to run under torch.func.grad and drops forward
    tangents. A dispatcher kernel runs at one level of nested transforms, which is what a single-level function is for.
    """
    op = overload.name().partition("::")[2].partition(".")[0]
    private, save = _torch.recording, derivative.save

    @functools.cache
    def below_autograd(kernel: Callable[..., Any]) -> Callable[..., Any]:
        of_new_memory = kernel is backends.BACKENDS["cpp"].kernels.get(op) or kernel in _makes_new_memory
        return kernel if of_new_memory else guarded(kernel)

    @functools.cache
    def preferred(device: str) -> Callable[..., Any]:
        return below_autograd(backends.preferred(op, device).kernel(op))

    def kernel_for(x: Tensor) -> Callable[..., Any]:
        device = "cpu" if x.is_cpu else x.device.type
        return below_autograd(backends.kernel(op, device)) if backends.forcing else preferred(device)

    def redispatched(keyset: Any, *args: Any) -> Any:
        with private._AutoDispatchBelowAutograd():
            return overload.redispatch(keyset & private._after_autograd_keyset, *args)

    class Straight(private._SingleLevelFunction):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            out = kernel_for(args[0])(*args)
            save(ctx, args, out)
            return out

        backward = staticmethod(derivative.gradients)
        jvp = staticmethod(derivative.tangents)

    class Redispatched(Straight):
        @staticmethod
        def forward(ctx: Any, *args_and_keyset: Any) -> Any:
            args, keyset = args_and_keyset[:-1], args_and_keyset[-1]
            with torch.enable_grad(), private._set_fwd_grad_enabled(True):  # outer transforms record the same call
                out = redispatched(keyset, *args)
            save(ctx, args, out)
            return out

    def kernel(keyset: Any, *args: Any) -> Any:
        straight = _torch.only_a_kernel_follows(keyset)
        if not _torch.in_forward_mode() and not (torch.is_grad_enabled() and private._any_requires_grad(*args)):
            return kernel_for(args[0])(*args) if straight else redispatched(keyset, *args)
        with private.enable_single_level_autograd_function():
            return Straight.apply(*args) if straight else Redispatched.apply(*args, keyset)

    is_grad_enabled, recorded, apply = torch.is_grad_enabled, _torch.recorded, Straight.apply

    def at_once(*args: Any) -> Any:
        return apply(*args) if is_grad_enabled() and recorded(*args) else kernel_for(args[0])(*args)

    return kernel, at_once
