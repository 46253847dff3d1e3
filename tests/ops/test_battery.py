"""Every op on every backend that has it on the device of SPECOPS_TEST_DEVICE, through the battery."""

from __future__ import annotations

from collections.abc import Iterator

import battery
import pytest
import torch
from samples import DEVICE, SAMPLES, Sample

from specops import backends

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
CASES = [
    (backend, sample)
    for sample in SAMPLES
    for backend in backends.backends_of(sample.op)
    if backend in backends.ORDER[DEVICE.type]
]
SMALL = [case for case in CASES if case[1].small]
BATCHED = [case for case in CASES if case[1].name.split("-")[0].count("x") != 1]

each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))


def over(cases: list[tuple[str, Sample]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("backend", "sample"), cases, ids=[f"{backend}-{sample}" for backend, sample in cases]
    )


@pytest.fixture(autouse=True)
def _on_backend(backend: str, sample: Sample) -> Iterator[None]:
    reason = backends.why_not(backend, sample.op, DEVICE.type)
    if reason is not None:
        pytest.skip(reason)
    torch.use_deterministic_algorithms(backend == "reference")  # on a GPU torch's index_add is not, unless asked to be
    with backends.use(backend):
        yield
    torch.use_deterministic_algorithms(False)


@each_dtype
@over(CASES)
def test_value_against_long_double(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.value_against_long_double(sample, dtype)


@over(CASES)
def test_adjoint(backend: str, sample: Sample) -> None:
    battery.adjoint(sample)


@each_dtype
@over(CASES)
def test_gradients_against_reference(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.gradients_against_reference(sample, dtype)


@over(SMALL)
def test_numerical_derivatives(backend: str, sample: Sample) -> None:
    battery.numerical_derivatives(sample)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
@over(SMALL)
def test_opcheck(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.opcheck(sample, dtype)


@each_dtype
@over(CASES)
def test_any_layout(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.any_layout(sample, dtype)


@each_dtype
@over(BATCHED)
def test_empty_batch(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.empty_batch(sample, dtype)


@each_dtype
@over(CASES)
def test_inputs_unmodified(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.inputs_unmodified(sample, dtype)


@each_dtype
@over(CASES)
def test_fresh_memory(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.fresh_memory(sample, dtype)


@each_dtype
@over([case for case in BATCHED if case[1].op != "upfirdn2d_filter_correlation"])
def test_nan_isolation(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.nan_isolation(sample, dtype)


@each_dtype
@over(CASES)
def test_same_bits(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.same_bits(sample, backend, dtype)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@over(SMALL)
def test_compiled(backend: str, sample: Sample, dynamic: bool) -> None:
    battery.compiled(sample, dynamic)


@over(SMALL)
def test_exported(backend: str, sample: Sample) -> None:
    battery.exported(sample)


@pytest.mark.parametrize("which", [(True, False), (False, True), (True, True)], ids=["first", "second", "both"])
@over(SMALL)
def test_vmapped(backend: str, sample: Sample, which: tuple[bool, bool]) -> None:
    battery.vmapped(sample, which)


@each_dtype
@over(SMALL)
def test_autocast(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.autocast(sample, dtype)
