"""What is handed to torch's inverse real transform on the CPU, recorded below every caller, C++ too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import torch
from samples import SPECTRAL_OPS, Drawn
from torch import Tensor


@contextmanager
def recorded() -> Iterator[list[tuple[Tensor, int]]]:
    """Gives a list of (half planes, width of the images) that grows by each inverse transform, on one thread.

    As a library may, the transform reads the columns kx = 0 and W/2 for 0 <= ky <= H/2 alone: of half planes that are
    not Hermitian there it makes other images than the mean of both halves.
    """
    calls: list[tuple[Tensor, int]] = []
    n_threads = torch.get_num_threads()

    def inverse(X: Tensor, dim: Sequence[int], normalization: int, width: int) -> Tensor:
        calls.append((X.clone(), width))
        conjugate = _mirrored(X)
        X = X.clone()
        below = X.shape[-2] // 2 + 1
        for kx in edges(width):
            X[..., below:, kx] = conjugate[..., below:, kx]
        whole = torch.cat([X, conjugate[..., 1 : (width + 1) // 2].flip(-1)], -1)
        return torch.ops.aten._fft_c2c(whole, dim, normalization, False).real.contiguous()

    with warnings.catch_warnings(), torch.library._scoped_library("aten", "IMPL") as library:
        warnings.simplefilter("ignore")  # that a kernel of torch's own is overridden
        library.impl("_fft_c2r", inverse, "CPU", allow_override=True)
        torch.set_num_threads(1)
        try:
            yield calls
        finally:
            torch.set_num_threads(n_threads)


def _mirrored(X: Tensor) -> Tensor:
    """conj X(-ky)."""
    return X.flip(-2).roll(1, -2).conj()


def edges(width: int) -> tuple[int, ...]:
    """The columns kx = 0 and W/2."""
    return (0, width // 2) if width % 2 == 0 else (0,)


def check_hermitian(kernels: ModuleType, size: tuple[int, int], dtype: torch.dtype) -> None:
    """The filters of a module hand Hermitian half planes to the inverse transform, whatever bins and gains."""
    generator = torch.Generator().manual_seed(0)
    filters = {op: kind for op, kind in SPECTRAL_OPS.items() if kind.properties.get("profiles")}
    for op, kind in filters.items():
        for variant, arguments in kind.variants.items():
            for bins in ("own", "ragged", "two maps"):
                with recorded() as calls:
                    getattr(kernels, op)(*arguments(Drawn(((2,), size), bins, dtype, generator)))
                assert calls
                for X, width in calls:
                    for kx in edges(width):
                        assert torch.equal(X[..., kx], _mirrored(X)[..., kx]), (op, bins, variant)
