"""What the contracts of all ops share: registration with torch, the dtype of the arithmetic, sums of a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.forward_ad import _set_fwd_grad_enabled

from specops import backends

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SUM_BLOCK = 4096

_library = torch.library.Library("specops", "DEF")
_below_autograd = torch._C._after_ADInplaceOrView_keyset.raw_repr()
_plain = {torch._C.DispatchKeySet(key).raw_repr() for key in (torch._C.DispatchKey.CPU, torch._C.DispatchKey.CUDA)}


def define(
    schema: str,
    *,
    reference: Callable[..., Any],
    fake: Callable[..., Any],
    backward: Callable[..., tuple[Tensor | None, ...]],
    jvp: Callable[..., Any],
    vmap: Callable[..., tuple[Any, Any]],
    residual: int | None = None,
) -> Callable[..., Any]:
    """Registers an op of the torch namespace `specops`, whose tensor arguments come first. Returns the callable.

    Its kernel is chosen at each call, below autograd: see `specops.backends`.

    Args:
        schema: the op's torch schema.
        reference: the op in pure torch.
        fake: returns empty tensors of the results' shapes, dtypes and strides.
        backward: (needs, *grads, *args) -> gradients of the first tensors, or None where `needs` says so; to be written
            in terms of ops, so that gradients of any order follow. Of several grads some may be None.
        jvp: (tangents, *args) -> tangents of the results; the tangent of an argument may be None.
        vmap: as in torch.library.register_vmap.
        residual: which of several results is there for the derivatives and has none itself; they get it as the last
            argument.
    """
    op = schema.partition("(")[0]
    backends.register(op, "reference", reference)

    def select(*args: Any) -> Any:
        return backends.kernel(op, args[0].device.type)(*args)

    _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    overload = getattr(torch.ops.specops, op).default
    _library.impl(op, select, "CompositeExplicitAutograd")
    _library.impl(op, _autograd(overload, select, backward, jvp, residual), "Autograd", with_keyset=True)
    torch.library.register_fake(f"specops::{op}", fake, lib=_library)
    torch.library.register_vmap(f"specops::{op}", vmap, lib=_library)
    return overload


def define_bilinear(schema: str, **functions: Any) -> Callable[..., Tensor]:
    """As `define`, for an op that is bilinear in its first two arguments: its forward derivative follows from that."""

    def jvp(tangents: tuple[Tensor | None, ...], first: Tensor, second: Tensor, *rest: Any) -> Tensor:
        terms = [] if tangents[0] is None else [overload(tangents[0], second, *rest)]
        terms += [] if tangents[1] is None else [overload(first, tangents[1], *rest)]
        return sum(terms[1:], terms[0])

    overload = define(schema, jvp=jvp, **functions)
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


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """Returns the dtype in which images of `dtype` are computed: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def check_image(name: str, x: object) -> None:
    """Raises TypeError or ValueError unless `x` is a real floating-point tensor [..., H, W] with H, W >= 1."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor [..., H, W]; got {type(x).__name__}. Use torch.as_tensor.")
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {x.layout}. Use {name}.to_dense().")
    if x.dtype not in DTYPES:
        if x.is_complex():
            raise TypeError(f"{name} must be real; got {x.dtype}. Pass {name}.real and {name}.imag separately.")
        raise TypeError(
            f"{name} must be float16, bfloat16, float32 or float64; got {x.dtype}. Convert it with {name}.float()."
        )
    if x.dim() < 2:
        raise ValueError(
            f"{name} must have the two dimensions [..., H, W]; got shape {list(x.shape)}. Reshape it to [H, W] first."
        )
    H, W = x.shape[-2:]
    if H < 1 or W < 1:
        raise ValueError(f"{name} [..., H, W] must have H, W >= 1; got shape {list(x.shape)}.")


def check_real(name: str, t: object) -> Tensor:
    """Returns t, or raises TypeError unless it is a dense real floating-point tensor."""
    if not isinstance(t, Tensor) or not t.is_floating_point():
        got = getattr(t, "dtype", type(t).__name__)
        raise TypeError(f"{name} must be a real floating-point tensor; got {got}.")
    if t.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got layout {t.layout}. Use {name}.to_dense().")
    return t


def ordered_sum(t: Tensor) -> Tensor:
    """Returns the sum of t [..., P] over its last dimension, the additions in one order for any number of threads.

    torch.sum splits a reduction to a single number over the threads once it has 2^15 terms; blocks stay below that.
    """
    while t.shape[-1] > SUM_BLOCK:
        t = torch.nn.functional.pad(t, (0, -t.shape[-1] % SUM_BLOCK)).unflatten(-1, (-1, SUM_BLOCK)).sum(-1)
    return t.sum(-1)


def ordered_share(t: Tensor) -> Tensor:
    """Returns t [P] divided by its sum, value and derivative the same for any number of threads.

    The sum is handed out to blocks before it is handed out to terms, so that its derivative is added up in that order.
    """
    blocks = torch.nn.functional.pad(t, (0, -t.shape[0] % SUM_BLOCK)).unflatten(0, (-1, SUM_BLOCK))
    return (blocks / ordered_sum(t).expand(blocks.shape[0], 1)).flatten()[: t.shape[0]]


def sum_to_shared(t: Tensor) -> Tensor:
    """Returns the sum of t [..., K] over all leading dimensions: [K]."""
    return ordered_sum(t.reshape(-1, t.shape[-1]).t().contiguous()) if t.dim() > 1 else t


def batch_first(t: Tensor, dim: int | None, batch: int) -> Tensor:
    """Returns t with its vmap dimension in front; where it has none, expanded to `batch` copies."""
    return t.expand(batch, *t.shape) if dim is None else t.movedim(dim, 0)


def memory_format(x: Tensor) -> torch.memory_format:
    """Returns channels_last where x [N, C, H, W] is in that format and not also contiguous, else contiguous."""
    if x.dim() != 4 or x.is_contiguous():
        return torch.contiguous_format
    expected = 1  # by the strides: under vmap, is_contiguous and contiguous know one format only
    for dim in (1, 3, 2, 0):
        if x.shape[dim] != 1 and x.stride(dim) != expected:
            return torch.contiguous_format
        expected = expected * x.shape[dim]
    return torch.channels_last


def like_layout(out: Tensor, x: Tensor) -> Tensor:
    """Returns `out` in the memory format of x."""
    if memory_format(x) == torch.contiguous_format:
        return out.contiguous()
    return out.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
