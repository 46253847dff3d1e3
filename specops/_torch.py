"""The names of torch that it does not document, all in this file, and what is done where a torch lacks one.

| group | without it |
|---|---|
| `direct` | every call of an op goes through torch's dispatcher, as those do that are traced or transformed |
| `recording` | gradients by torch.library.register_autograd: no torch.func.grad, no forward mode |
| `interception` | maps are made anew in each call, but for those of plans that are kept |
| of `outside_jit_trace` | a traced program makes its maps itself |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import torch._functorch.pyfunctorch
import torch._functorch.utils
from torch import Tensor
from torch.autograd import forward_ad


def _group(*paths: str) -> Any:
    """Returns what the dotted paths name in torch, under their last names; None where one is missing."""
    found = {}
    for path in paths:
        value: Any = torch
        for name in path.split("."):
            value = getattr(value, name, None)
        if value is None:
            return None
        found[path.rpartition(".")[2]] = value
    return SimpleNamespace(**found)


recording = _group(
    "_C.DispatchKey",
    "_C.DispatchKeySet",
    "_C._AutoDispatchBelowAutograd",
    "_C._after_ADInplaceOrView_keyset",
    "_C._after_autograd_keyset",
    "_C._any_requires_grad",
    "_functorch.utils.enable_single_level_autograd_function",
    "autograd.forward_ad._set_fwd_grad_enabled",
    "autograd.function._SingleLevelFunction",
)
direct = recording and _group(
    "_C._dispatch_keys",
    "_C._dispatch_tls_is_dispatch_key_excluded",
    "_C._dispatch_tls_local_include_set",
    "_C._is_torch_function_mode_enabled",
    "autograd.forward_ad._current_level",
)
interception = _group(
    "_C._functorch.peek_interpreter_stack",
    "_C._len_torch_dispatch_stack",
    "_functorch.pyfunctorch.temporarily_clear_interpreter_stack",
)


def in_jit_trace() -> bool:
    """Returns whether torch.jit.trace records what runs; sizes are tensors then."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


@contextmanager
def outside_jit_trace() -> Iterator[None]:
    """Leaves torch.jit.trace for a while, so that what is made is a constant of the traced program."""
    tracing = _group("_C._get_tracing_state", "_C._set_tracing_state") if in_jit_trace() else None
    state = tracing and tracing._get_tracing_state()
    if tracing:
        tracing._set_tracing_state(None)
    try:
        yield
    finally:
        if tracing:
            tracing._set_tracing_state(state)


def _raw(*names: str) -> int:
    """The bits of dispatch keys."""
    keys = recording.DispatchKeySet(getattr(recording.DispatchKey, names[0]))
    for name in names[1:]:
        keys = keys | recording.DispatchKeySet(getattr(recording.DispatchKey, name))
    return int(keys.raw_repr())


if recording:
    _below_autograd = recording._after_ADInplaceOrView_keyset.raw_repr()
    _kernels = frozenset((_raw("CPU"), _raw("CUDA")))


def bare(overload: Any) -> Callable[..., Any]:
    """Returns what an op of torch.ops calls itself, in C++."""
    return getattr(overload, "_op", overload)


def in_forward_mode() -> bool:
    """Returns whether tensors may carry tangents of forward-mode derivatives: yes, where torch does not tell."""
    return getattr(forward_ad, "_current_level", 0) >= 0


def only_a_kernel_follows(keyset: Any) -> bool:
    """Returns whether no tracing, transform or dispatch mode is to see a call after autograd has."""
    return keyset.raw_repr() & _below_autograd in _kernels


if direct:
    _is_compiling = torch.compiler.is_compiling
    _included, _keys = direct._dispatch_tls_local_include_set, direct._dispatch_keys
    _has_function_mode = direct._is_torch_function_mode_enabled
    _classes = frozenset((Tensor, torch.nn.Parameter))
    _of_threads = frozenset((_raw("BackendSelect"), _raw("BackendSelect", "ADInplaceOrView")))  # in inference mode, out
    _of_tensors = frozenset(
        _raw(device, f"Autocast{device}", *recorded)
        for device in ("CPU", "CUDA")
        for recorded in ((), ("ADInplaceOrView", f"Autograd{device}"))
    )


def _undisturbed(first: Any, second: Any, *rest: Any) -> bool:
    """Returns whether nothing traces, transforms or intercepts a call with these tensors, and they are ordinary ones.

    Modes, transforms and tracers show in the dispatch keys that a thread includes; views that are conjugated or
    negated, functional, batched, sparse and nested tensors have keys of their own.
    """
    if (
        _is_compiling()
        or _included().raw_repr() not in _of_threads
        or _has_function_mode()
        or forward_ad._current_level >= 0
        or first.__class__ not in _classes
        or _keys(first).raw_repr() not in _of_tensors
    ):
        return False
    if second is not first and (second.__class__ not in _classes or _keys(second).raw_repr() not in _of_tensors):
        return False
    return not rest or all(tensor.__class__ in _classes for tensor in rest)


undisturbed = _undisturbed if direct else lambda *tensors: False


if direct:
    _any_requires_grad, _is_excluded = recording._any_requires_grad, direct._dispatch_tls_is_dispatch_key_excluded
    _autograd = recording.DispatchKey.AutogradOther


def recorded(*args: Any) -> bool:
    """Returns whether autograd has to record a call with these arguments, where gradients are enabled."""
    return _any_requires_grad(*args) and not _is_excluded(_autograd)
