"""Which implementation of an op runs: the order per device, a way to force one, and the reasons why others do not.

Every op has a `reference` in pure torch; `cpp`, `cuda` and `triton` replace it where they can run. The choice is made
at each call, below autograd and outside compiled graphs, so that forcing a backend acts on compiled code too.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from specops._library import build_info, note, raw_op, told
from specops._library import no_extension as no_extension

Kernel = Callable[..., Any]

ORDER = {"cpu": ("cpp", "reference"), "cuda": ("cuda", "triton", "reference")}

forcing: list[tuple[object, str]] = []  # what is asked for, by whom; the last one counts


@dataclass(frozen=True, eq=False)
class Backend:
    """One implementation of ops: a module of its name in the folder of each family.

    Attributes:
        name: how it is asked for.
        device: the type of the tensors it runs on; None for any.
        missing: returns why this machine cannot run it, or None where it can.
        families: the package of each op that it has a kernel for.
        kernels: those that were asked for so far.
    """

    name: str
    device: str | None
    missing: Callable[[], str | None]
    families: dict[str, str] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)

    def unavailable(self, op: str) -> str | None:
        """Returns why it cannot run `op` on tensors of its device, or None where it can."""
        return self.missing() if op in self.families else "it has no kernel for this op"

    def kernel(self, op: str) -> Kernel:
        """Returns its implementation of `op`, imported when it is first asked for."""
        if op not in self.kernels:
            self.kernels[op] = self._found(op)
        return self.kernels[op]

    def _found(self, op: str) -> Kernel:
        return getattr(importlib.import_module(f"{self.families[op]}.{self.name}"), op)


class Extension(Backend):
    """The kernels that the compiled library registers with torch, under the names of the ops."""

    def unavailable(self, op: str) -> str | None:
        """As of any backend; a stale extension, built from older sources, lacks the ops added since."""
        reason = super().unavailable(op)
        if reason is None and not hasattr(torch.ops.specops_native, op):
            return "the extension was built before it had this op: build it again (see README, Installation)"
        return reason

    def _found(self, op: str) -> Kernel:
        module = f"{self.families[op]}.{self.name}"  # where raw ops take other arguments than ops
        return getattr(importlib.import_module(module), op) if importlib.util.find_spec(module) else raw_op(op)


class Triton(Backend):
    """Kernels that Triton compiles, from the version on that their family names as OLDEST_TRITON."""

    def unavailable(self, op: str) -> str | None:
        """As of any backend; Triton may be new enough for the kernels of one family and too old for another's."""
        return super().unavailable(op) or no_triton(self.families[op])


def register(op: str, family: str, names: Iterable[str]) -> None:
    """Adds `op` (its bare name), of the package `family`, to the named backends."""
    for name in names:
        BACKENDS[name].families[op] = family


def ops() -> tuple[str, ...]:
    """Returns the names of all ops, in the order of their registration."""
    return tuple(BACKENDS["reference"].families)


def backends_of(op: str) -> tuple[str, ...]:
    """Returns the backends that implement `op`, built or not."""
    return tuple(name for name, backend in BACKENDS.items() if op in backend.families)


def cuda_build() -> str | None:
    """Returns why the extension has no CUDA kernels, or None where it has them."""
    if reason := no_extension():
        return reason
    if build_info()["cuda"]:
        return None
    return f"built without CUDA: {note('_cuda_build.txt') or 'nothing says why'}"


@functools.cache
def no_gpu() -> str | None:
    """Returns why torch has no GPU that the kernels run on (sm_80 or later), or None where it has one."""
    if torch.version.cuda is None:
        return f"no CUDA device: torch {torch.__version__} is built without CUDA"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        reason = str(told[-1].message).splitlines()[0] if told else "no GPU, or no driver for it"
        return f"no CUDA device: {reason}"
    major, minor = torch.cuda.get_device_capability()
    return None if major >= 8 else f"the GPU is sm_{major}{minor}; the kernels are for sm_80 and later"


@functools.cache
def no_driver() -> str | None:
    """Returns why the CUDA runtime that the extension is linked with finds no device, or None where it finds one."""
    missing = no_extension() or told("cuda_missing")
    return f"the extension's CUDA runtime finds no device: {missing}" if missing else None


@functools.cache
def no_triton(family: str) -> str | None:
    """Returns why the Triton kernels of the package `family` cannot be compiled, or None where they can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    version = importlib.import_module("triton").__version__
    oldest = importlib.import_module(family).OLDEST_TRITON
    if tuple(map(int, version.split(".")[:2])) >= oldest:
        return None
    return f"triton {version} is too old: the kernels take {'.'.join(map(str, oldest))} or later"


BACKENDS = {
    each.name: each
    for each in (
        Backend("reference", None, lambda: None),
        Extension("cpp", "cpu", lambda: no_extension()),
        Triton("triton", "cuda", lambda: no_gpu()),
        Backend("cuda", "cuda", lambda: cuda_build() or no_gpu() or no_driver()),
    )
}


def why_not(backend: str, op: str, device: str = "cpu") -> str | None:
    """Returns why `backend` cannot run `op` on tensors of the device type `device`, or None where it can.

    Example:
        >>> import specops
        >>> specops.backends.why_not("cuda", "binned_filter", "cpu")
        'it runs on cuda tensors, not on cpu'
    """
    _check_name(backend)
    if op not in BACKENDS["reference"].families:
        raise ValueError(f"op must be one of {', '.join(ops())}; got {op!r}")
    needed = BACKENDS[backend].device or device
    if device != needed:
        return f"it runs on {needed} tensors, not on {device}"
    return BACKENDS[backend].unavailable(op)


@functools.cache
def preferred(op: str, device: str) -> Backend:
    """Returns the first backend that can run `op` where none is asked for; the reference always can."""
    return next(BACKENDS[name] for name in ORDER.get(device, ("reference",)) if why_not(name, op, device) is None)


def kernel(op: str, device: str) -> Kernel:
    """Returns the implementation of `op` to run on tensors of the device type `device`.

    Raises RuntimeError with the reason where a backend was asked for and cannot run.
    """
    asked = forcing[-1:]
    if not asked:
        return preferred(op, device).kernel(op)
    forced = asked[0][1]
    reason = why_not(forced, op, device)
    if reason is not None:
        raise RuntimeError(f"backend {forced!r} was asked for and cannot run {op}: {reason}")
    return BACKENDS[forced].kernel(op)


@contextmanager
def use(backend: str) -> Iterator[None]:
    """Makes every op run on `backend` inside the block, in all threads; an op that cannot raises with the reason.

    Args:
        backend: `"reference"`, `"cpp"`, `"triton"` or `"cuda"`. The environment variable `SPECOPS_BACKEND` does the
            same for a whole process.

    Example:
        >>> import torch, specops
        >>> with specops.backends.use("reference"):
        ...     specops.radial_spectrum(torch.ones(8, 8)).shape
        torch.Size([6])
    """
    _check_name(backend)
    if torch.compiler.is_compiling():
        raise RuntimeError("specops.backends.use acts while compiled code runs: put it around the call, not inside.")
    request = (object(), backend)
    forcing.append(request)
    try:
        yield
    finally:
        forcing.remove(request)


def report(device: str) -> list[dict[str, str]]:
    """Returns a row per op and backend for tensors on `device`: op, backend and state (in use, or why it is not)."""
    rows = []
    for op in ops():
        for backend in BACKENDS:
            reason = why_not(backend, op, device)
            if reason is None and forcing and forcing[-1][1] != backend:
                reason = f"{forcing[-1][1]} was asked for"
            if reason is None and not forcing and backend != preferred(op, device).name:
                reason = "available, a faster one comes first"
            rows.append({"op": op, "backend": backend, "state": reason or "in use"})
    return rows


def _check_name(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")


def warn_without_extension() -> None:
    """Warns where ops run on the reference for want of the extension, in the name of the line that imports specops."""
    if not forcing and (reason := no_extension()):
        text = f"specops runs on its pure-torch reference, which is slower: {reason}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)  # the caller is specops/__init__.py


def _start() -> None:
    """Reads SPECOPS_BACKEND and loads the extension, before ops are registered."""
    wanted, _ = os.environ.get("SPECOPS_BACKEND"), no_extension()
    if wanted:
        try:
            _check_name(wanted)
        except ValueError as error:
            raise ValueError(f"environment variable SPECOPS_BACKEND: {error}") from None
        forcing.append((object(), wanted))


_start()
