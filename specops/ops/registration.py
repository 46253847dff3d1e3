"""Registration of ops with torch: schema, fake, gradients of any order, and a kernel chosen at each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.forward_ad import _set_fwd_grad_enabled

from specops import backends
from specops._library import PATH

_library = torch.library.Library("specops", "DEF")
_below_autograd = torch._C._after_ADInplaceOrView_keyset.raw_repr()
_plain = {torch._C.DispatchKeySet(key).raw_repr() for key in (torch._C.DispatchKey.CPU, torch._C.DispatchKey.CUDA)}


KERNELS = ("cpp", "triton", "cuda")  # backends beside the reference

exported: dict[str, Callable[..., Any]] = {}  # what specops.ops publishes, by name


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
    """Registers an op as torch.ops.specops.<name> and specops.ops.<name>. Returns the former: it checks nothing.

    Its kernel is chosen at each call, below autograd: see `specops.backends`. The reference and kernels are functions
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
    kernel = _autograd(overload, select, backward, jvp or bilinear_jvp, residual)
    _library.impl(op, kernel, "Autograd", with_keyset=True)
    torch.library.register_fake(f"specops::{op}", fake, lib=_library)
    torch.library.register_vmap(f"specops::{op}", vmap, lib=_library)
    return overload


def _autograd(
    overload: Any,
    select: Callable[..., Any],
    backward: Callable[..., Any],
    jvp: Callable[..., Any],
    residual: int | None,
) -> Callable[..., Any]:
    """Returns the Autograd kernel of an op.

    torch.library.register_autograd makes a Function that refuses to run under torch.func.grad and drops forward
    tangents. A dispatcher kernel runs at one level of nested transforms, which is what a single-level function is for.
    """

    def below(keyset: Any, *args: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            if _only_a_backend_follows(keyset):  # the dispatcher would call it too, 2 µs later
                return select(*args)
            return overload.redispatch(keyset & torch._C._after_autograd_keyset, *args)

    class Recorded(torch.autograd.function._SingleLevelFunction):
        @staticmethod
        def forward(ctx: Any, *args_and_keyset: Any) -> Any:
            *args, keyset = args_and_keyset
            if _only_a_backend_follows(keyset):
                out = below(keyset, *args)
            else:
                with torch.enable_grad(), _set_fwd_grad_enabled(True):  # outer transforms record the same call
                    out = below(keyset, *args)
            tensors = [arg for arg in args if isinstance(arg, Tensor)]
            ctx.settings, ctx.same = args[len(tensors) :], args[0] is args[1]
            if residual is not None:
                ctx.set_materialize_grads(False)
                ctx.mark_non_differentiable(out[residual])
                tensors.append(out[residual])
            ctx.has_residual = residual is not None
            ctx.save_for_backward(*tensors)
            ctx.save_for_forward(*tensors)
            return out

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            args = _arguments(ctx)
            gradients = backward(ctx.needs_input_grad, *grads, *args)
            return *gradients, *(None,) * (len(ctx.needs_input_grad) - len(gradients))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            args = [forward_ad.unpack_dual(arg).primal if isinstance(arg, Tensor) else arg for arg in _arguments(ctx)]
            with _set_fwd_grad_enabled(True):
                return jvp(tangents, *args)

    def kernel(keyset: Any, *args: Any) -> Any:
        recorded = torch.is_grad_enabled() and torch._C._any_requires_grad(*args)
        if not recorded and forward_ad._current_level < 0:
            return below(keyset, *args)
        with enable_single_level_autograd_function():
            return Recorded.apply(*args, keyset)  # type: ignore[attr-defined]

    return kernel


def _only_a_backend_follows(keyset: Any) -> bool:
    """Whether no tracing, transform or dispatch mode is to see a call after autograd has."""
    return keyset.raw_repr() & _below_autograd in _plain


def _arguments(ctx: Any) -> list[Any]:
    """Returns the op's arguments, one object where the first two were one, and the residual after them."""
    tensors = list(ctx.saved_tensors)
    residual = [tensors.pop()] if ctx.has_residual else []
    if ctx.same:
        tensors[1] = tensors[0]
    return [*tensors, *ctx.settings, *residual]
