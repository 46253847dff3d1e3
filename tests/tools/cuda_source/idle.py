"""A GPU that does nothing, in the place of the CPU: what calls on GPU tensors cost the host, on any machine."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import cuda_source
from specops import backends
from specops._library import raw_op
from specops.functional import _sampling
from specops.ops import cuda_launch

FAMILIES = ("spectral/cuda/spectral_cuda.cu", "spectral/cuda/around_fft_cuda.cu", "resample/cuda/resample_cuda.cu")


@contextmanager
def idle_gpu() -> Iterator[None]:
    """Inside, ops on CPU tensors take the way of GPU tensors, to raw ops that allocate and launch nothing.

    Nobody writes to what they return. What is chosen by the device of a tensor is chosen as on a GPU.
    """
    for source in FAMILIES:
        cuda_source.register_idle_ops(cuda_source.CSRC / source)
    raw = functools.cache(lambda name: raw_op(f"launch_{name}", "specops_idle"))
    gpu = backends.Backend("cuda", "cpu", lambda: None, backends.BACKENDS["cuda"].families)
    forget_choices()
    with (
        patch.object(cuda_launch, "raw", raw),
        patch.dict(backends.BACKENDS, cuda=gpu),
        patch.object(backends, "forcing", [(gpu, "cuda")]),
        patch.object(backends, "kernel", functools.cache(lambda op, device: gpu.kernel(op))),
    ):
        yield
    forget_choices()


def forget_choices() -> None:
    """Whether there are kernels is asked anew."""
    caches: tuple[Any, ...] = (_sampling._has_kernels, _sampling.sampling_plan)
    for cache in caches:
        cache.cache_clear()
