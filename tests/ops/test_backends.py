"""The selector: order, forcing, reasons, and life without the extension."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

import specops
from specops import backends

HOME = Path(specops.__file__).parents[1]  # where a process is to run to import this specops


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=HOME,
        env=os.environ | environment,
        check=False,
    )


def module_of(backend: str, op: str) -> str:
    return f"{backends.BACKENDS[backend].families[op]}.{backend}"


WITHOUT_EXTENSION = """
import torch
def refused(path):
    raise OSError("refused")
torch.ops.load_library = refused
"""


def test_the_extension_is_built() -> None:
    """A build that failed is to fail here too, not to turn half of the tests into skips."""
    if os.environ.get("SPECOPS_BUILD") == "0":
        pytest.skip("SPECOPS_BUILD=0: the extension was left out on purpose")
    assert backends.no_extension() is None, backends.no_extension()


def test_the_cuda_kernels_are_built_where_they_are_asked_for() -> None:
    if backends.no_extension() is not None or os.environ.get("SPECOPS_CUDA") != "1":
        pytest.skip("SPECOPS_CUDA=1 is not set: the CUDA kernels may be left out")
    assert backends.cuda_build() is None, backends.cuda_build()


def test_a_stale_extension_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """One built before an op was added: the op runs on its reference, and cpp, asked for, says why it cannot."""
    op = "binned_filter"
    built = types.SimpleNamespace(**{name: getattr(torch.ops.specops_native, name) for name in backends.ops()})
    delattr(built, op)
    monkeypatch.setattr(torch.ops, "specops_native", built)
    reason = "the extension was built before it had this op: build it again (see README, Installation)"
    assert backends.why_not("cpp", op) == reason
    assert backends.why_not("cpp", "binned_cross_spectrum") is None
    assert backends.preferred.__wrapped__(op, "cpu").name == "reference"
    with (
        backends.use("cpp"),
        pytest.raises(RuntimeError, match="cannot run binned_filter: the extension was built before"),
    ):
        backends.kernel(op, "cpu")


def test_forcing_a_backend_changes_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    for name in ("reference", "cpp"):
        kernel = backends.BACKENDS[name].kernel("binned_cross_spectrum")
        noted = lambda *args, name=name, kernel=kernel: ran.append(name) or kernel(*args)  # noqa: E731
        monkeypatch.setitem(backends.BACKENDS[name].kernels, "binned_cross_spectrum", noted)
    x = torch.randn(2, 8, 8)
    with backends.use("reference"):
        specops.radial_spectrum(x)
        with backends.use("cpp"):
            specops.radial_spectrum(x)
        specops.radial_spectrum(x)
    assert ran == ["reference", "cpp", "reference"]
    # Where nothing is asked for, a call looks up once: another test may have made that call.
    assert backends.kernel("binned_cross_spectrum", "cpu") is noted


def test_overlapping_blocks_end_in_any_order() -> None:
    first, second = backends.use("reference"), backends.use("cpp")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert backends.report("cpu")[-3]["state"] == "in use"
    assert not backends.forcing


def test_a_block_inside_compiled_code_is_refused_and_around_it_acts() -> None:
    def inside(x: torch.Tensor) -> torch.Tensor:
        with backends.use("reference"):
            return specops.radial_spectrum(x)

    torch.compiler.reset()
    with pytest.raises(Exception, match="put it around the call, not inside"):
        torch.compile(inside, fullgraph=True, backend="aot_eager")(torch.ones(4, 4))
    compiled = torch.compile(specops.radial_spectrum, fullgraph=True, backend="aot_eager")
    with backends.use("triton"), pytest.raises(RuntimeError, match="'triton' was asked for"):
        compiled(torch.ones(4, 4))


def test_a_backend_that_cannot_run_raises_with_the_reason() -> None:
    with (
        backends.use("triton"),
        pytest.raises(RuntimeError, match=r"'triton' was asked for.*it runs on cuda tensors, not on cpu"),
    ):
        specops.radial_spectrum(torch.ones(2, 2), scale="log")
    with pytest.raises(ValueError, match="backend must be one of reference, cpp, triton, cuda; got 'gpu'"):
        backends.use("gpu").__enter__()
    with pytest.raises(ValueError, match="op must be one of"):
        backends.why_not("cpp", "fft")
    assert backends.why_not("cpp", "binned_filter", "cuda") == "it runs on cpu tensors, not on cuda"


def test_environment_variable() -> None:
    code = "from specops import backends; print([row['state'] for row in backends.report('cpu')][-4:])"
    forced = python(code, SPECOPS_BACKEND="reference")
    assert forced.stderr == ""
    assert "'in use', 'reference was asked for'" in forced.stdout
    wrong = python("import specops", SPECOPS_BACKEND="gpu")
    assert "environment variable SPECOPS_BACKEND: backend must be one of" in wrong.stderr


def test_without_the_extension_everything_works_with_one_warning() -> None:
    code = """
import torch, specops
for _ in range(2):
    x = torch.randn(2, 8, 8, requires_grad=True)
    specops.radial_spectrum(x).sum().backward()
    specops.upsample(x, mode='zeros').sum().backward()
print(x.grad.shape, specops.backends.why_not('cpp', 'binned_filter'))
"""
    run = python(WITHOUT_EXTENSION + code)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("RuntimeWarning") == 1
    assert "pure-torch reference" in run.stderr
    reason = f"the extension cannot be loaded beside torch {torch.__version__}: refused"
    assert f"torch.Size([2, 8, 8]) {reason}" in run.stdout


def test_without_the_extension_an_asked_for_cpp_raises() -> None:
    run = python(
        WITHOUT_EXTENSION + "import torch, specops; specops.radial_spectrum(torch.ones(4, 4))", SPECOPS_BACKEND="cpp"
    )
    assert run.returncode == 1
    assert "backend 'cpp' was asked for and cannot run binned_cross_spectrum: the extension cannot" in run.stderr


@pytest.mark.slow
def test_import_takes_little_more_than_torch() -> None:
    timed = "import time, torch; start = time.perf_counter(); import specops; print(time.perf_counter() - start)"
    assert min(float(python(timed).stdout) for _ in range(3)) <= 0.3


def test_metrics_are_loaded_when_asked_for() -> None:
    asked = "import sys, specops; print('specops.metrics' in sys.modules, specops.metrics.__name__)"
    assert python(asked).stdout.split() == ["False", "specops.metrics"]
    assert "no attribute 'networks'" in python("import specops; specops.networks").stderr


def test_info() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "specops", "info"], capture_output=True, text=True, cwd=HOME, check=False
    )
    assert run.returncode == 0, run.stderr
    assert f"specops    {specops.__version__}" in run.stdout
    for op in backends.ops():
        assert op in run.stdout
    for backend in ("triton", "cuda"):
        for op in ("binned_filter", "upfirdn2d"):
            reason = backends.why_not(backend, op, "cuda")
            assert reason is None or reason in run.stdout
    assert "CUDA       " in run.stdout


def test_why_there_is_no_gpu_is_said() -> None:
    """Each reason in turn, on any machine."""
    code = """
import torch, types, warnings
from specops import backends
torch.version.cuda = None
print(backends.no_gpu())
backends.no_gpu.cache_clear()
torch.version.cuda = "13.0"
torch.cuda.is_available = lambda: warnings.warn("CUDA initialization: your driver is too old") or False
print(backends.no_gpu())
backends.no_gpu.cache_clear()
torch.cuda.is_available = lambda: False
print(backends.no_gpu())
backends.no_gpu.cache_clear()
torch.cuda.is_available, torch.cuda.get_device_capability = lambda: True, lambda: (7, 5)
print(backends.no_gpu())
backends.no_gpu.cache_clear()
torch.cuda.get_device_capability = lambda: (9, 0)
print(backends.no_gpu())
"""
    said = python(code).stdout.splitlines()
    assert "is built without CUDA" in said[0]
    assert said[1:] == [
        "no CUDA device: CUDA initialization: your driver is too old",
        "no CUDA device: no GPU, or no driver for it",
        "the GPU is sm_75; the kernels are for sm_80 and later",
        "None",
    ]


def test_tensors_on_two_devices_are_refused() -> None:
    x, elsewhere = torch.ones(4, 4), torch.ones(1, 1, device="meta")
    with pytest.raises(TypeError, match="taps must be on cpu like x; got meta"):
        specops.upfirdn2d(x, elsewhere)
    with pytest.raises(ValueError, match=r"must have one shape and device; got .* on cpu and .* on meta"):
        specops.radial_cross_spectrum(x, x.to("meta"))


def test_gpu_tensors_take_the_first_backend_that_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on machines with and without a GPU, CUDA kernels and Triton."""
    for gpu, cuda, triton in itertools.product((True, False), repeat=3):
        monkeypatch.setattr(backends, "no_gpu", lambda gpu=gpu: None if gpu else "no CUDA device")
        monkeypatch.setattr(backends, "no_driver", lambda: None)
        monkeypatch.setattr(backends, "cuda_build", lambda cuda=cuda: None if cuda else "built without CUDA")
        monkeypatch.setattr(backends, "no_triton", lambda _, triton=triton: None if triton else "no triton")
        can_run = [name for name, there in (("cuda", cuda and gpu), ("triton", triton and gpu)) if there]
        for op in backends.ops():
            assert backends.preferred.__wrapped__(op, "cuda").name == (*can_run, "reference")[0]
            for name in can_run:
                with backends.use(name):
                    assert backends.kernel(op, "cuda") is getattr(importlib.import_module(module_of(name, op)), op)


@pytest.mark.parametrize("op", backends.ops())
def test_every_kernel_that_a_backend_names_is_there(op: str) -> None:
    for name in set(backends.backends_of(op)) - {"cpp"}:
        assert callable(getattr(importlib.import_module(module_of(name, op)), op))


@pytest.mark.parametrize(
    ("version", "reasons"),
    [
        (None, {"spectral": "triton is not installed", "resample": "triton is not installed"}),
        (
            "3.5.1",
            {
                "spectral": "triton 3.5.1 is too old: the kernels take 3.7 or later",
                "resample": "triton 3.5.1 is too old: the kernels take 3.6 or later",
            },
        ),
        ("3.6.0", {"spectral": "triton 3.6.0 is too old: the kernels take 3.7 or later"}),
        ("3.7.0", {}),
        ("3.10.1+git", {}),
        ("4.0.0", {}),
    ],
    ids=str,
)
def test_a_triton_too_old_for_a_family_is_said(
    version: str | None, reasons: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: version)
    monkeypatch.setitem(sys.modules, "triton", types.SimpleNamespace(__version__=version))
    monkeypatch.setattr(backends, "no_gpu", lambda: None)
    monkeypatch.setattr(backends, "no_triton", backends.no_triton.__wrapped__)
    for op, family in (("binned_filter", "spectral"), ("upfirdn2d", "resample")):
        assert backends.why_not("triton", op, "cuda") == reasons.get(family)


def test_a_driver_too_old_for_the_kernels_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "no_gpu", lambda: None)
    monkeypatch.setattr(backends, "cuda_build", lambda: None)
    missing = "CUDA driver version is insufficient for CUDA runtime version"
    monkeypatch.setattr(backends, "no_extension", lambda: None)
    monkeypatch.setattr(backends, "told", lambda name: missing)
    monkeypatch.setattr(backends, "no_driver", backends.no_driver.__wrapped__)
    assert backends.why_not("cuda", "upfirdn2d", "cuda") == (
        "the extension's CUDA runtime finds no device: CUDA driver version is insufficient for CUDA runtime version"
    )
    missing = ""
    assert backends.why_not("cuda", "upfirdn2d", "cuda") is None
