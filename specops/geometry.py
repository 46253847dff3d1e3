"""Where each Fourier coefficient of an image lies: radial frequencies, bins and weights."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from specops.ops.spectral.reference import bin_sums, multiplicity

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Convention:
    """How a published radial spectrum assigns coefficients to bins.

    Attributes:
        source: the publication.
        nyquist_twice: the Nyquist row and column of an even side count twice, as both -N/2 and +N/2 (the corner four
            times).
        half_plane: only the coefficients of torch.fft.rfft2 count, each once.
        from_middle: instead of k, the distance in pixels from the middle ((H-1)/2, (W-1)/2) of the fftshifted plane,
            which for an even side lies half a pixel off the mean's coefficient.
        nearest: bins are centred on integers (half to even) and end at min(H, W) // 2; else they are floor(k).
        dropped: how many of the first and of the last bins are left out.
    """

    source: str
    nyquist_twice: bool = False
    half_plane: bool = False
    from_middle: bool = False
    nearest: bool = False
    dropped: tuple[int, int] = (0, 0)


CONVENTIONS = {
    "schwarz2021": Convention(
        "Schwarz, Liao, Geiger 2021, On the Frequency Bias of Generative Models", nyquist_twice=True
    ),
    "plain": Convention("every coefficient of the full plane once"),
    "rapsd": Convention("radially averaged power spectral density, as in pysteps", nearest=True),
    "durall2020": Convention(
        "Durall, Keuper, Keuper 2020, Watch Your Up-Convolution", from_middle=True, dropped=(1, 1)
    ),
    "jung2021": Convention("Jung, Keuper 2021, Spectral Distribution Aware Image Generation", half_plane=True),
    "ssd2021": Convention("Chen et al. 2021, SSD-GAN", dropped=(1, 2)),
}


@dataclass(frozen=True, eq=False)
class RadialBins:
    """The radial bins of an image size; all tensors float64.

    Attributes:
        edges: [K+1], in cycles per image of the longer side; bin i holds edges[i] <= k < edges[i+1].
        centers: [K], the middles of the bins.
        mean_radius: [K], mean k of the coefficients in each bin.
        count: [K], coefficients in each bin as the convention counts them.
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
    k = hypot(ky·n/H, kx·n/W), n = max(H, W): cycles along the longer side; for square images hypot(ky, kx).

    | convention | bin | coefficients |
    |---|---|---|
    | `schwarz2021` | floor(k) | full plane, the Nyquist row and column of even sides twice; corners kept |
    | `plain` | floor(k) | full plane, each once; corners kept |
    | `rapsd` | k rounded, half to even | full plane, each once; bins above min(H, W) // 2 dropped |
    | `durall2020` | floor of the distance from ((H-1)/2, (W-1)/2), fftshifted | first and last bin dropped |
    | `jung2021` | floor(k) | half plane, each once |
    | `ssd2021` | floor(k) | full plane, each once; the first and the last two bins dropped |

    Args:
        size: (H, W), each >= 1.
        convention: a row of the table. The last three reproduce published code on square images.
        device: where the tensors are; torch's default device if None.

    Returns:
        RadialBins, cached per size, convention and device: do not modify its tensors.

    Raises:
        ValueError: unknown convention, a side below 1, or a size so small that the convention leaves no bin.
        TypeError: size is not a pair of integers.

    Source:
        The publications that `CONVENTIONS` names.

    Example:
        >>> import specops
        >>> bins = specops.geometry.radial_bins((64, 64))
        >>> bins.n_bins, int(bins.count[0]), float(bins.edges[-1])
        (46, 1, 46.0)
    """
    H, W = checked_size(size)
    _check_convention(convention)
    return _radial_bins(H, W, convention, placed(device))


Maps = tuple[Tensor, Tensor, int]


def radial_mean_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    """Returns index (int32), weight (`dtype`) and K, such that the weighted sums are the means of the bins.

    The maps are [H, W//2+1], but [2, H, W//2+1] for conventions that put a coefficient and its conjugate into different
    bins.
    """
    _check_convention(convention)
    return _radial_mean_maps(H, W, convention, dtype, device)


def radial_gain_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    """Returns maps and K as `radial_mean_maps`, such that the filter by them has one gain per bin."""
    _check_convention(convention)
    return _radial_gain_maps(H, W, convention, dtype, device)


def coefficient_maps(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the index [H, W//2+1] of one bin per half-plane coefficient; weights 1, for sums; weights for gains."""
    return _coefficient_maps(H, W, dtype, device)


def full_plane_index(H: int, W: int, device: torch.device) -> Tensor:
    """Returns, for each coefficient of the full plane, the flat index of itself or its conjugate on the half: [H·W]."""
    return _full_plane_index(H, W, device)


def radii(H: int, W: int, device: torch.device) -> Tensor:
    """Returns the radius k of every half-plane coefficient: float64 [H, W//2+1]."""
    return _radii(H, W, device)


def traced() -> bool:
    """Returns whether torch traces, transforms or intercepts what runs now: tensors then have no values to look at."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0:
        return True
    return torch._C._functorch.peek_interpreter_stack() is not None


def cached_tensors(build: Callable[P, T]) -> Callable[P, T]:
    """Caches what `build` returns, except where torch traces or transforms: there the maps are part of the graph.

    A cached tensor must be a plain one, so nothing is kept that was made under a dispatch mode (fake tensors), a
    functorch transform or inference mode.
    """

    @functools.lru_cache(maxsize=128)
    def kept(*args: P.args, **kwargs: P.kwargs) -> T:
        with torch.inference_mode(False), torch.no_grad():
            return build(*args, **kwargs)

    @functools.wraps(build)
    def lookup(*args: P.args, **kwargs: P.kwargs) -> T:
        if traced():
            return build(*args, **kwargs)
        return kept(*args, **kwargs)  # type: ignore[arg-type]

    return lookup


def _signed(n: int, half: bool, device: torch.device) -> Tensor:
    """Integer frequencies in (-n/2, n/2], in the order of torch.fft; the first n // 2 + 1 of them for a half axis."""
    k = torch.arange(n // 2 + 1 if half else n, device=device, dtype=torch.float64)
    return torch.where(2 * k <= n, k, k - n)


@cached_tensors
def _radii(H: int, W: int, device: torch.device) -> Tensor:
    longest = max(H, W)  # multiplied before the division, integer radii are exact
    return torch.hypot(_signed(H, False, device).unsqueeze(1) * longest / H, _signed(W, True, device) * longest / W)


def _from_middle(H: int, W: int, sign: int, device: torch.device) -> Tensor:
    """Distance from the middle of the fftshifted plane to sign·(ky, kx): float64 [H, W//2+1]."""
    ky, kx = sign * _signed(H, False, device), sign * _signed(W, True, device)
    row = torch.where(2 * ky == H, -ky, ky) + H // 2
    column = torch.where(2 * kx == W, -kx, kx) + W // 2
    return torch.hypot(row.unsqueeze(1) - (H - 1) / 2, column - (W - 1) / 2)


def _plane_weight(H: int, W: int, convention: Convention, device: torch.device) -> Tensor:
    """How many coefficients each half-plane coefficient stands for: float64 [H, W//2+1]."""
    if convention.half_plane:
        return torch.ones(H, W // 2 + 1, dtype=torch.float64, device=device)
    once = multiplicity((H, W), torch.float64, device).expand(H, -1)
    if not convention.nyquist_twice:
        return once
    rows = torch.where(2 * _signed(H, False, device) == H, 2.0, 1.0)
    columns = torch.where(2 * _signed(W, True, device) == W, 2.0, 1.0)
    return once * rows.unsqueeze(1) * columns


def _number_of_bins(H: int, W: int, convention: Convention) -> int:
    """K, in Python's arithmetic, which also holds for the symbolic sizes of traced code."""
    if convention.nearest:
        return min(H, W) // 2 + 1
    longest = max(H, W)
    sides = ((H - 1) / 2, (W - 1) / 2) if convention.from_middle else (H // 2 * longest / H, W // 2 * longest / W)
    n_bins = math.floor(torch.sym_sqrt(sides[0] ** 2 + sides[1] ** 2)) + 1 - sum(convention.dropped)
    if n_bins < 1:
        raise ValueError(f"images of {H} x {W} pixels are too small for this convention: it leaves no bin.")
    return n_bins


def _index(position: Tensor, n_bins: int, convention: Convention) -> Tensor:
    """Bin of each coefficient, int32; -1 where the convention drops it."""
    index = (position.round() if convention.nearest else position.floor()) - convention.dropped[0]
    return torch.where((index >= 0) & (index < n_bins), index, -1).int()


def _binning(H: int, W: int, convention: Convention, device: torch.device) -> Maps:
    """Bin and count (float64) of the half-plane coefficients, in one map or two, and K."""
    n_bins = _number_of_bins(H, W, convention)
    weight = _plane_weight(H, W, convention, device)
    if not convention.from_middle:
        return _index(_radii(H, W, device), n_bins, convention), weight, n_bins
    positions = torch.stack([_from_middle(H, W, sign, device) for sign in (1, -1)])  # of a coefficient, its conjugate
    return _index(positions, n_bins, convention), torch.stack([torch.ones_like(weight), weight - 1]), n_bins


@cached_tensors
def _radial_bins(H: int, W: int, convention: str, device: torch.device) -> RadialBins:
    how = CONVENTIONS[convention]
    index, weight, n_bins = _binning(H, W, how, device)
    radii = _radii(H, W, device)
    count = bin_sums(weight.new_ones(H, W // 2 + 1), index, weight, n_bins)
    start = -0.5 if how.nearest else float(how.dropped[0])
    edges = start + torch.arange(n_bins + 1, device=device, dtype=torch.float64)
    centers = (edges[:-1] + edges[1:]) / 2
    return RadialBins(
        edges=edges,
        centers=centers,
        mean_radius=bin_sums(radii, index, weight, n_bins) / count,
        count=count,
        frequency=centers / max(H, W),
    )


@cached_tensors
def _radial_mean_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    index, weight, n_bins = _binning(H, W, CONVENTIONS[convention], device)
    count = bin_sums(weight.new_ones(H, W // 2 + 1), index, weight, n_bins)
    return index, (weight / count[index.clamp(min=0)]).to(dtype), n_bins


@cached_tensors
def _radial_gain_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    index, _, n_bins = _binning(H, W, CONVENTIONS[convention], device)
    n_maps = 1 if index.dim() == 2 else index.shape[0]
    weight = (multiplicity((H, W), torch.float64, device) / (H * W * n_maps)).expand(index.shape)
    return index, weight.to(dtype).contiguous(), n_bins


@cached_tensors
def _coefficient_maps(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    index = torch.arange(H * (W // 2 + 1), device=device, dtype=torch.int32).reshape(H, W // 2 + 1)
    gain = (multiplicity((H, W), torch.float64, device) / (H * W)).expand(H, -1)
    return index, torch.ones(H, W // 2 + 1, device=device, dtype=dtype), gain.to(dtype).contiguous()


@cached_tensors
def _full_plane_index(H: int, W: int, device: torch.device) -> Tensor:
    ky, kx = torch.arange(H, device=device).unsqueeze(1), torch.arange(W, device=device)
    conjugate = 2 * kx > W
    rows, columns = torch.where(conjugate, (H - ky) % H, ky), torch.where(conjugate, W - kx, kx)
    return (rows * (W // 2 + 1) + columns).flatten()


def placed(device: torch.device | str | None) -> torch.device:
    """Returns the device, torch's default one for None; unlike torch.get_default_device, traceable."""
    return torch.empty(0).device if device is None else torch.device(device)


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns size as (H, W), or raises TypeError or ValueError unless these are integers >= 1."""
    try:
        H, W = size
    except (TypeError, ValueError):
        raise TypeError(f"size must be a pair (H, W); got {size!r}.") from None
    if not all(isinstance(n, (numbers.Integral, torch.SymInt)) and not isinstance(n, bool) for n in (H, W)):
        raise TypeError(f"size must be a pair of integers (H, W); got {size!r}.")
    if H < 1 or W < 1:
        raise ValueError(f"size must be (H, W) with H, W >= 1; got {size!r}.")
    return H, W


def _check_convention(convention: str) -> None:
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}; got {convention!r}.")
