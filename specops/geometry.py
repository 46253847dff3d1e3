"""Where each Fourier coefficient of an image lies: radial frequencies, bins and weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from specops.ops.spectral.reference import multiplicity

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Convention:
    """How a published radial spectrum assigns coefficients to bins.

    Attributes:
        nyquist_twice: the Nyquist row and column of an even side count twice, as both -N/2 and +N/2 (the corner four
            times).
        source: the publication.
    """

    nyquist_twice: bool
    source: str


CONVENTIONS = {
    "schwarz2021": Convention(True, "Schwarz, Liao, Geiger 2021, On the Frequency Bias of Generative Models"),
    "plain": Convention(False, "every coefficient of the full plane once"),
}


@dataclass(frozen=True, eq=False)
class RadialBins:
    """The radial bins of an image size; all tensors float64.

    Attributes:
        edges: [K+1], in cycles per image of the longer side; bin i holds edges[i] <= k < edges[i+1].
        centers: [K], the middles of the bins.
        mean_radius: [K], mean k of the coefficients in each bin.
        count: [K], full-plane coefficients in each bin.
        frequency: [K], `centers` in cycles per pixel.
    """

    edges: Tensor
    centers: Tensor
    mean_radius: Tensor
    count: Tensor
    frequency: Tensor

    @property
    def n_bins(self) -> int:
        """K."""
        return self.count.shape[0]


def radial_bins(
    size: tuple[int, int], *, convention: str = "schwarz2021", device: torch.device | str | None = None
) -> RadialBins:
    """Returns the radial bins of images [..., H, W].

    With the signed integer frequencies ky in (-H/2, H/2], kx in (-W/2, W/2], the radius of a coefficient is
    k = hypot(ky·n/H, kx·n/W), n = max(H, W): cycles along the longer side; for square images hypot(ky, kx). Its bin is
    floor(k).

    Args:
        size: (H, W), each >= 1.
        convention: `schwarz2021` (full plane, Nyquist row and column of even sides twice, corners kept) or `plain`
            (full plane, each coefficient once, corners kept).
        device: where the tensors are; torch's default device if None.

    Returns:
        RadialBins, cached per size, convention and device: do not modify its tensors.

    Raises:
        ValueError: unknown convention, or a side below 1.
        TypeError: size is not a pair of integers.

    Example:
        >>> import specops
        >>> bins = specops.geometry.radial_bins((64, 64))
        >>> bins.n_bins, int(bins.count[0]), float(bins.edges[-1])
        (46, 1, 46.0)
    """
    H, W = _checked_size(size)
    _check_convention(convention)
    return _radial_bins(H, W, convention, torch.get_default_device() if device is None else torch.device(device))


def radial_mean_maps(
    H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, int]:
    """Returns index (int32), weight (`dtype`) [H, W//2+1] and K, such that weighted sums are means over each bin."""
    _check_convention(convention)
    return _radial_mean_maps(H, W, convention, dtype, device)


def coefficient_maps(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns index and weight [H, W//2+1] of one bin per half-plane coefficient, each with weight 1."""
    return _coefficient_maps(H, W, dtype, device)


def _per_size(build: Callable[P, T]) -> Callable[P, T]:
    """Caches what `build` returns, except where torch traces or transforms: there the maps are part of the graph.

    A cached tensor must be a plain one, so nothing is kept that was made under a dispatch mode (fake tensors), a
    functorch transform or inference mode.
    """
    kept = functools.lru_cache(maxsize=128)(build)

    @functools.wraps(build)
    def lookup(*args: P.args, **kwargs: P.kwargs) -> T:
        if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0:
            return build(*args, **kwargs)
        if torch._C._functorch.peek_interpreter_stack() is not None:
            return build(*args, **kwargs)
        with torch.inference_mode(False), torch.no_grad():
            return kept(*args, **kwargs)  # type: ignore[arg-type]

    return lookup


def _radius(H: int, W: int, device: torch.device) -> Tensor:
    """Radius k of every half-plane coefficient: float64 [H, W//2+1]. Multiplying first keeps integer radii exact."""
    longest = max(H, W)
    ky = torch.arange(H, device=device, dtype=torch.float64)
    ky = torch.where(2 * ky <= H, ky, ky - H)
    kx = torch.arange(W // 2 + 1, device=device, dtype=torch.float64)
    return torch.hypot(ky.unsqueeze(1) * longest / H, kx * longest / W)


def _largest_radius(H: int, W: int) -> float:
    """max k, in Python's arithmetic, which also holds for the symbolic sizes of traced code."""
    longest = max(H, W)
    return math.sqrt((H // 2 * longest / H) ** 2 + (W // 2 * longest / W) ** 2)


def _plane_weight(H: int, W: int, convention: str, device: torch.device) -> Tensor:
    """How many full-plane coefficients each half-plane coefficient stands for: float64 [H, W//2+1]."""
    once = multiplicity((H, W), torch.float64, device).expand(H, -1)
    if not CONVENTIONS[convention].nyquist_twice:
        return once
    rows = torch.where(2 * torch.arange(H, device=device) == H, 2.0, 1.0).double()
    columns = torch.where(2 * torch.arange(W // 2 + 1, device=device) == W, 2.0, 1.0).double()
    return once * rows.unsqueeze(1) * columns


def _bin_sums(index: Tensor, values: Tensor, n_bins: int) -> Tensor:
    return values.new_zeros(n_bins).index_add(0, index.flatten(), values.flatten())


def _binning(H: int, W: int, convention: str, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Bin (int32) and full-plane weight (float64) of every half-plane coefficient [H, W//2+1], and K."""
    index = _radius(H, W, device).floor().int()
    return index, _plane_weight(H, W, convention, device), math.floor(_largest_radius(H, W)) + 1


@_per_size
def _radial_bins(H: int, W: int, convention: str, device: torch.device) -> RadialBins:
    index, weight, n_bins = _binning(H, W, convention, device)
    count = _bin_sums(index, weight, n_bins)
    edges = torch.arange(n_bins + 1, device=device, dtype=torch.float64)
    centers = (edges[:-1] + edges[1:]) / 2
    return RadialBins(
        edges=edges,
        centers=centers,
        mean_radius=_bin_sums(index, weight * _radius(H, W, device), n_bins) / count,
        count=count,
        frequency=centers / max(H, W),
    )


@_per_size
def _radial_mean_maps(
    H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, int]:
    index, weight, n_bins = _binning(H, W, convention, device)
    count = _bin_sums(index, weight, n_bins)
    return index, (weight / count[index]).to(dtype), n_bins


@_per_size
def _coefficient_maps(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    n_coefficients = H * (W // 2 + 1)
    index = torch.arange(n_coefficients, device=device, dtype=torch.int32).reshape(H, W // 2 + 1)
    return index, torch.ones(H, W // 2 + 1, device=device, dtype=dtype)


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    try:
        H, W = size
    except (TypeError, ValueError):
        raise TypeError(f"size must be a pair (H, W); got {size!r}.") from None
    if not all(isinstance(side, (int, torch.SymInt)) and not isinstance(side, bool) for side in (H, W)):
        raise TypeError(f"size must be a pair of integers (H, W); got {size!r}.")
    if H < 1 or W < 1:
        raise ValueError(f"size must be (H, W) with H, W >= 1; got {size!r}.")
    return H, W


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}; got {convention!r}.")
