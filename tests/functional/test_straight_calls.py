"""Calls that go straight to a kernel: which do, and what torch does around a call works as through the dispatcher."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import SAMPLES, Sample
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

import specops
from specops import _torch
from specops.functional import _sampling
from specops.ops.registration import straight, unchecked

X = torch.randn(2, 8, 8)
MASK = torch.rand(8, 5)
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "radial_spectrum": specops.radial_spectrum,
    "hff": lambda x: specops.hff(x, 3),
    "frequency_filter": lambda x: specops.frequency_filter(x, MASK),
    "upfirdn2d": lambda x: specops.upfirdn2d(x, torch.tensor([1.0, 3.0, 3.0, 1.0]), up=2, padding=(2, 1, 2, 1)),
    "upsample": lambda x: specops.upsample(x, mode="binomial"),
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


class FunctionMode(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Subclass(Tensor):
    pass


class Watched(Tensor):
    """A tensor around another one, whose operations are noted."""

    seen: list[str]
    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, seen: list[str]) -> Watched:
        made = Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)
        made.inner, made.seen = inner, seen
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        [seen] = {id(arg.seen): arg.seen for arg in args if isinstance(arg, cls)}.values()
        seen.append(str(func))
        out = func(*(arg.inner if isinstance(arg, cls) else arg for arg in args), **(kwargs or {}))
        return tree_map(lambda each: cls(each, seen) if isinstance(each, Tensor) else each, out)


def undisturbed_under(transform: Callable[[Callable[[Tensor], Tensor]], Any], x: Tensor = X) -> bool:
    """Whether a call within the transformed function is undisturbed."""
    found = []

    def function(y: Tensor) -> Tensor:
        found.append(_torch.undisturbed(y, y))
        return y.sum()

    transform(function)(x)
    return all(found)


def batched_gradients(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Any]:
    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            function(grad)
            return grad

    def run(x: Tensor) -> Any:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(Identity.apply(leaf), leaf, torch.stack([x, x]), is_grads_batched=True)  # type: ignore[no-untyped-call]

    return run


TRANSFORMS: dict[str, Callable[[Callable[[Tensor], Tensor]], Any]] = {
    "vmap": torch.func.vmap,
    "grad": torch.func.grad,
    "jvp": lambda f: lambda x: torch.func.jvp(f, (x,), (x,)),
    "functionalize": torch.func.functionalize,
    "is_grads_batched": batched_gradients,
    "make_fx": lambda f: lambda x: torch.fx.experimental.proxy_tensor.make_fx(f)(x),
}
CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "dispatch mode": Recorder,
    "function mode": FunctionMode,
    "default device": lambda: torch.device("cpu"),
    "forward mode": forward_ad.dual_level,
}
TENSORS: dict[str, Callable[[], Tensor]] = {
    "subclass": lambda: X.as_subclass(Subclass),
    "negated view": lambda: torch.complex(X, X).conj().imag,
    "conjugated view": lambda: torch.complex(X, X).conj(),
    "zero tensor": lambda: torch._efficientzerotensor(X.shape),
    "functional tensor": lambda: torch._to_functional_tensor(X),
    "sparse": lambda: X.to_sparse(),
    "nested": lambda: torch.nested.nested_tensor([X], layout=torch.strided),
    "meta": lambda: X.to("meta"),
    "no tensor": lambda: 3,  # type: ignore[dict-item, return-value]
}
ORDINARY: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "hooks of saved tensors": lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_a_transformed_call_is_disturbed(transform: Any) -> None:
    assert not undisturbed_under(transform)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_an_intercepted_call_is_disturbed(context: Any) -> None:
    with context():
        assert not _torch.undisturbed(X, X)
    assert _torch.undisturbed(X, X)


@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
@pytest.mark.filterwarnings("ignore:.*nested tensors is in prototype:UserWarning")
def test_an_unusual_tensor_is_disturbed(make: Callable[[], Tensor]) -> None:
    assert not _torch.undisturbed(make(), X)
    assert not _torch.undisturbed(X, make())


def test_a_subclass_is_seen_at_any_place() -> None:
    assert _torch.undisturbed(X, X, X)
    assert not _torch.undisturbed(X, X, X.as_subclass(Subclass))


@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("binned_cross_spectrum", lambda watched: specops.radial_spectrum(X, window=watched(torch.ones(8, 8)))),
        ("clipped_filter", lambda watched: specops.hff(X, watched(torch.tensor(3.0)))),
        ("clipped_band_swap", lambda watched: specops.hfc(X, X + 1, cutoff=watched(torch.tensor(0.25)))),
        ("binned_filter", lambda watched: specops.frequency_filter(X, watched(MASK))),
        ("upfirdn2d", lambda watched: specops.upfirdn2d(X, watched(torch.ones(3)))),
    ],
    ids=["window", "radius", "cutoff", "mask", "taps"],
)
def test_a_subclass_of_tensors_sees_the_op_wherever_it_is_given(op: str, function: Callable[..., Any]) -> None:
    seen: list[str] = []
    function(lambda inner: Watched(inner, seen))
    assert f"specops.{op}.default" in seen
    assert not [name for name in seen if name.startswith("specops_native.")]


@pytest.mark.parametrize("context", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_call_goes_straight(context: Any) -> None:
    with context():
        assert _torch.undisturbed(X, torch.nn.Parameter(MASK))
        assert _torch.undisturbed(torch.ones(2), X.mT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_dispatch_modes_and_traces_see_the_ops() -> None:
    with Recorder() as recorder:
        specops.hff(X, 3)
    assert "specops.clipped_filter.default" in recorder.seen
    index, _, weight = specops.geometry.coefficient_maps(8, 8, X.dtype, X.device)
    traced = torch.jit.trace(lambda x: unchecked.binned_filter(x, MASK.flatten(), index, weight), (X,))
    assert "specops::binned_filter" in str(traced.graph)


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.quick or sample.small], ids=str)
def test_a_straight_call_and_one_through_the_dispatcher_give_the_same_bits(sample: Sample) -> None:
    """Values, first and second derivatives; the results are no views, so that they may be written to."""

    def results(op: Callable[..., Any]) -> list[Tensor]:
        args = sample.arguments(torch.float32)
        leaves = {id(args[i]): args[i].requires_grad_() for i in sample.leaves}.values()
        out = op(*args)
        outs = [each for each in (out if isinstance(out, tuple) else (out,)) if each.requires_grad]
        first = torch.autograd.grad([each.square().sum() for each in outs], list(leaves), create_graph=True)
        wanted = [each.square().sum() for each in first if each.requires_grad]
        second = torch.autograd.grad(wanted, list(leaves), allow_unused=True)
        with torch.no_grad():
            outs.append(op(*args)[0] if isinstance(out, tuple) else op(*args))
        assert not any(each._is_view() for each in outs)
        return [*outs, *first, *(each for each in second if each is not None)]

    through = getattr(torch.ops.specops, sample.op).default
    for op in (getattr(straight, sample.op), getattr(unchecked, sample.op)):
        for a, b in zip(results(op), results(through), strict=True):
            assert torch.equal(a, b)


@every_function
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled:UserWarning")
def test_hooks_checkpoints_and_threads_work_around_a_call(function: Callable[[Tensor], Tensor]) -> None:
    """The gradient is the same to the bit with each of them, from a graph used twice, and in other threads."""
    cotangent = torch.randn_like(function(X))

    def gradient(run: Callable[[Tensor], Tensor] = function, times: int = 1) -> Tensor:
        x = X.clone().requires_grad_()
        out = run(x)
        for _ in range(times):
            (found,) = torch.autograd.grad(out, x, cotangent, retain_graph=True)
        return found

    expected = gradient()
    packed: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        packed.append(tensor)
        return tensor.clone()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        assert torch.equal(gradient(), expected)
    assert packed
    with torch.autograd.detect_anomaly(check_nan=True):
        assert torch.equal(gradient(), expected)
    assert torch.equal(gradient(lambda x: checkpoint(function, x, use_reentrant=False)), expected)
    assert torch.equal(gradient(times=2), expected)
    with ThreadPoolExecutor(2) as pool:
        assert all(torch.equal(each, expected) for each in pool.map(lambda _: gradient(), range(4)))


@every_function
def test_gradients_of_a_batch_of_cotangents(function: Callable[[Tensor], Tensor]) -> None:
    x = X.clone().requires_grad_()
    out = function(x)
    cotangents = torch.randn(3, *out.shape)
    (batched,) = torch.autograd.grad(out, x, cotangents, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(out, x, cotangent, retain_graph=True)[0] for cotangent in cotangents]
    torch.testing.assert_close(batched, torch.stack(each))


def test_a_call_below_autograd_is_not_recorded() -> None:
    with torch._C._AutoDispatchBelowAutograd():
        assert not specops.radial_spectrum(X.clone().requires_grad_()).requires_grad


@every_function
def test_negated_views_are_taken_by_their_values(function: Callable[[Tensor], Tensor]) -> None:
    view = torch.complex(X, X).conj().imag
    assert view.is_neg()
    torch.testing.assert_close(function(view), function(view.resolve_neg()))


def test_taps_that_change_from_call_to_call_take_no_new_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []
    _sampling.sampling_plan.cache_clear()
    monkeypatch.setattr(_sampling, "check_sampling", lambda *args: planned.append(args))
    x = torch.randn(1, 8, 8)
    for _ in range(9):
        taps = torch.rand(3)
        out = specops.upfirdn2d(x, taps, padding=1, gain=1.75)
        torch.testing.assert_close(out, specops.upfirdn2d(x, torch.outer(taps, taps), padding=1, gain=1.75))
    assert len(planned) == 2


WITHOUT = """
import sys, torch
group, holder, name = sys.argv[1:]
holder = {"torch._C": torch._C, "torch.autograd.function": torch.autograd.function}[holder]
value = getattr(holder, name)
delattr(holder, name)
import specops
setattr(holder, name, value)  # torch itself needs it
assert getattr(specops._torch, group) is None
"""
COMPUTED = """
import torch, specops
x = torch.linspace(-1, 1, 64, dtype=torch.float64).sin().reshape(1, 8, 8).requires_grad_()
with torch.inference_mode():
    specops.hff(x, 3)  # what it keeps must serve a training
out = specops.hff(x, 3)
(first,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
(second,) = torch.autograd.grad(first.square().sum(), x)
result = torch.stack([each.square().sum() for each in (out, first, second)])
"""


@pytest.mark.parametrize(
    ("group", "holder", "name"),
    [
        ("direct", "torch._C", "_dispatch_keys"),
        ("recording", "torch.autograd.function", "_SingleLevelFunction"),
        ("interception", "torch._C", "_len_torch_dispatch_stack"),
    ],
    ids=["direct", "recording", "interception"],
)
def test_a_torch_without_a_private_name_gives_the_same(group: str, holder: str, name: str) -> None:
    here: dict[str, Any] = {}
    exec(COMPUTED, here)
    script = f"{WITHOUT}{COMPUTED}\nprint(result.tolist())"
    command = [sys.executable, "-c", script, group, holder, name]
    home = Path(specops.__file__).parents[1]  # to import this specops
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (str(here["result"].tolist()), 0), done.stderr


def test_this_torch_has_every_private_name() -> None:
    assert _torch.direct
    assert _torch.recording
    assert _torch.interception
    op = torch.ops.specops.binned_filter.default
    assert _torch.bare(op) is not op
    assert not _torch.in_forward_mode()
    with torch.autograd.forward_ad.dual_level():
        assert _torch.in_forward_mode()


def test_this_torch_lets_out_of_a_trace() -> None:
    def traced(x: Tensor) -> Tensor:
        with _torch.outside_jit_trace():
            assert not _torch.in_jit_trace()
            constant = torch.arange(4.0) + 1
        assert _torch.in_jit_trace()
        return x + constant

    program = torch.jit.trace(traced, torch.zeros(4), check_trace=False)
    assert [node.kind() for node in program.graph.nodes() if node.kind().startswith("aten")] == ["aten::add"]
