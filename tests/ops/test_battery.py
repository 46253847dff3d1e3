"""Every op on every backend that has it on the device of SPECOPS_TEST_DEVICE, through the battery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import battery
import pytest
import torch
from samples import DEVICE, SAMPLES, Sample

from specops import backends

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
HALF, SINGLE, TWO = DTYPES[1:2], DTYPES[2:3], DTYPES[1:3]
CASES = [
    (backend, sample)
    for sample in SAMPLES
    for backend in backends.backends_of(sample.op)
    if backend in backends.ORDER[DEVICE.type]
]


def over(
    dtypes: Sequence[torch.dtype] = (),
    often: Sequence[torch.dtype] = (),
    where: Callable[[str, Sample], bool] = lambda backend, sample: True,
) -> pytest.MarkDecorator:
    """Cases by backend, sample and, if there are any, dtype; slow where it is no quick sample or not in `often`."""
    params = []
    for backend, sample in CASES:
        for dtype in dtypes or (None,) if where(backend, sample) else ():
            quick = sample.quick and (dtype is None or dtype in (often or dtypes))
            name = f"{backend}-{sample}" + f"-{dtype}".replace("torch.", "") * (dtype is not None)
            given = (backend, sample) if dtype is None else (backend, sample, dtype)
            params.append(pytest.param(*given, id=name, marks=() if quick else pytest.mark.slow))
    return pytest.mark.parametrize(("backend", "sample", "dtype") if dtypes else ("backend", "sample"), params)


def is_small(backend: str, sample: Sample) -> bool:
    return sample.small


def is_per_image(backend: str, sample: Sample) -> bool:
    return sample.batched and "sum" not in sample.results


def has_own_transform(backend: str, sample: Sample) -> bool:
    """A library's may round by the size of the batch."""
    return backend == "cpp" and is_per_image(backend, sample)


@pytest.fixture(autouse=True)
def _on_backend(backend: str, sample: Sample) -> Iterator[None]:
    reason = backends.why_not(backend, sample.op, DEVICE.type)
    if reason is not None:
        pytest.skip(reason)
    torch.use_deterministic_algorithms(backend == "reference")  # on a GPU torch's index_add is not, unless asked to be
    with backends.use(backend):
        yield
    torch.use_deterministic_algorithms(False)


@over(DTYPES)
def test_value_against_long_double(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.value_against_long_double(sample, dtype)


@over(where=lambda backend, sample: sample.linear != ())
def test_adjoint(backend: str, sample: Sample) -> None:
    battery.adjoint(sample)


@over(DTYPES)
def test_gradients_against_reference(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.gradients_against_reference(sample, dtype)


@over(where=is_small)
def test_numerical_derivatives(backend: str, sample: Sample) -> None:
    battery.numerical_derivatives(sample)


@over(TWO, often=HALF, where=is_small)
def test_opcheck(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.opcheck(sample, dtype)


@over(DTYPES[1:], often=TWO)
def test_any_layout(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.any_layout(sample, dtype)


@over(HALF, where=lambda backend, sample: sample.batched)
def test_empty_batch(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.empty_batch(sample, dtype)


@over(TWO, often=SINGLE)
def test_fresh_memory(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.fresh_memory(sample, dtype)


@over(TWO, often=HALF, where=is_per_image)
def test_nan_isolation(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.nan_isolation(sample, dtype)


@over(SINGLE, where=has_own_transform)
def test_alone(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.alone(sample, dtype)


@over(TWO, often=SINGLE)
def test_same_bits(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.same_bits(sample, backend, dtype)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@over(where=is_small)
def test_compiled(backend: str, sample: Sample, dynamic: bool) -> None:
    battery.compiled(sample, dynamic)


@over(where=is_small)
def test_exported(backend: str, sample: Sample) -> None:
    battery.exported(sample)


@over(where=is_small)
def test_vmapped(backend: str, sample: Sample) -> None:
    battery.vmapped(sample)


@over(TWO, often=HALF, where=is_small)
def test_autocast(backend: str, sample: Sample, dtype: torch.dtype) -> None:
    battery.autocast(sample, dtype)
