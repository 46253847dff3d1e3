"""Where each Fourier coefficient of an image lies: radial frequencies, bins and weights.

Bins are decided by integers: with k = hypot(ky·n/H, kx·n/W), n = max(H, W), s = min(H, W), the number
D = (2·ky·W)² + (2·kx·H)² is whole and k = √D / (2s), so that floor(k) = b where (2s·b)² <= D < (2s·(b + 1))². A root in
floating point is a guess that these comparisons put right: libraries round even roots differently. Ideal masks compare
D as well (`inside`). So neither depends on the device, nor on whether torch traces.
"""

from __future__ import annotations

import functools
import math
import numbers
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from specops import _torch
from specops._half_plane import bin_sums, multiplicity, own_bins
from specops._tracing import cached_tensors, traced

__all__ = ["BANDS", "CONVENTIONS", "Convention", "RadialBins", "radial_bands", "radial_bins"]

WITHOUT_FLOAT64 = ("mps",)  # device types
MOST_PIXELS = 2**30  # of images that are not square: int64 has to hold 2·(H·W)²
BANDS = ("low", "mid", "high", "corner")
Size = int | tuple[int, int]


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
    "schwarz2021": Convention("Schwarz et al. 2021, On the Frequency Bias of Generative Models", nyquist_twice=True),
    "plain": Convention("every coefficient of the full plane once"),
    "rapsd": Convention("radially averaged power spectral density, as in pysteps", nearest=True),
    "durall2020": Convention("Durall et al. 2020, Watch Your Up-Convolution", from_middle=True, dropped=(1, 1)),
    "jung2021": Convention("Jung, Keuper 2021, Spectral Distribution Aware Image Generation", half_plane=True),
    "ssd2021": Convention("Chen et al. 2021, SSD-GAN", dropped=(1, 2)),
}


@dataclass(frozen=True, eq=False)
class RadialBins:
    """The radial bins of an image size; all tensors float64 (float32 on devices that have none).

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


def radial_bins(size: Size, *, convention: str = "schwarz2021", device: torch.device | str | None = None) -> RadialBins:
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

    On square images `rapsd` has the bins of pysteps, whose power is that of `norm="ortho"` and which leaves out the
    last bin, N/2, of even sides. On others pysteps takes hypot(ky, kx) of the integer frequencies, so that its bins
    are ellipses in cycles per pixel, up to half the longer side; here they are circles, up to half the shorter side.

    Args:
        size: (H, W), each >= 1, or the side of square images.
        convention: a row of the table. The last three reproduce published code on square images; on others they follow
            the formula.
        device: where the tensors are; torch's default device if None.

    Returns:
        RadialBins, cached per size, convention and device: do not modify its tensors.

    Raises:
        ValueError: unknown convention, a side below 1, or a size so small that the convention leaves no bin.
        TypeError: size is neither an integer nor a pair of them.

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
    device = placed(device)
    return _radial_bins(H, W, convention, wide_dtype(device), device)


def radial_bands(size: Size, *, convention: str = "schwarz2021") -> dict[str, slice]:
    """Returns the bins of each band, `low`, `mid`, `high` and `corner`, as slices of profiles [..., K].

    A bin belongs to a band by the least whole radius b that it holds. Bands are the thirds of the radii up to
    Nyquist's, n/2 for n = max(H, W), and what lies beyond. The mean's bin, b = 0, is in no band, nor is the last bin,
    which holds the checkerboard, on many even sizes alone. At 64 x 64, where n/6 = 10.7, n/3 = 21.3 and n/2 = 32:

    | convention | low | mid | high | corner | last bin |
    |---|---|---|---|---|---|
    | `schwarz2021`, `plain`, `jung2021` | 1 … 10 | 11 … 21 | 22 … 32 | 33 … 44 | 45 |
    | `durall2020` (b is its distance), `ssd2021` | 1 … 10 | 11 … 21 | 22 … 32 | 33 … 42 | 43 |
    | `rapsd` | 1 … 10 | 11 … 21 | 22 … 31 | none | 32 |

    Args:
        size: (H, W), or the side of square images.
        convention: as in `radial_bins`.

    Returns:
        A slice per band, in the order of `BANDS`, for tensors and arrays alike; empty where the band has no bin.

    Raises:
        ValueError, TypeError: as `radial_bins`.

    Source:
        The bands of the testbeds after Schwarz, Liao, Geiger 2021, "On the Frequency Bias of Generative Models".

    Example:
        >>> import specops
        >>> bands = specops.geometry.radial_bands(64)
        >>> bands["low"], bands["corner"]
        (slice(1, 11, None), slice(33, 45, None))
    """
    H, W = checked_size(size)
    _check_convention(convention)
    how, n = CONVENTIONS[convention], max(H, W)
    last = _number_of_bins(H, W, how) - 1
    starts = [min(b - how.dropped[0], last) for b in (1, n // 6 + 1, n // 3 + 1, n // 2 + 1)]
    return dict(zip(BANDS, map(slice, starts, [*starts[1:], last]), strict=True))


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


def radii(H: int, W: int, device: torch.device) -> Tensor:
    """Returns the radius k of every half-plane coefficient, in the widest dtype of the device: [H, W//2+1]."""
    return _radii(H, W, wide_dtype(device), device)


def inside(H: int, W: int, radius: float | Tensor, device: torch.device) -> Tensor:
    """Returns where k < radius, by more than 2^-51 of it, on the half plane: bool [H, W//2+1].

    Decided as D < (2s·radius)², by products alone. The margin covers the rounding of a radius that was computed as some
    coefficient's own. It puts no other coefficient outside while D < 2^50, where neighbouring D differ by more.
    """
    reach = 2 * _units(H, W)[2] * radius
    limit = reach * reach * (1 - 2**-50)
    squared = _squared_radii(H, W, device)
    if isinstance(limit, Tensor):
        return squared.to(limit.dtype) < limit.clamp(min=1)  # the mean, D = 0, lies inside of every radius
    return squared < math.ceil(max(1.0, min(limit, 2.0**62)))


def wide_dtype(device: torch.device) -> torch.dtype:
    """Returns float64, or float32 on devices that have no float64."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def _signed(n: int, half: bool, device: torch.device) -> Tensor:
    """Integer frequencies in (-n/2, n/2], in the order of torch.fft; the first n // 2 + 1 of them for a half axis."""
    k = torch.arange(n // 2 + 1 if half else n, device=device)
    return torch.where(2 * k <= n, k, k - n)


def _units(H: int, W: int) -> tuple[int, int, int]:
    """(u, v, s) such that k = hypot(u·ky, v·kx) / s."""
    if H == W:
        return 1, 1, 1
    if not traced() and H * W >= MOST_PIXELS:
        raise ValueError(f"images must have fewer than 2^30 pixels; got {H} x {W}. Cut them into tiles.")
    return W, H, min(H, W)


@functools.partial(cached_tensors, entries=16)
def _squared_radii(H: int, W: int, device: torch.device) -> Tensor:
    """(2s·k)² of the half-plane coefficients: int64 [H, W//2+1]."""
    u, v, _ = _units(H, W)
    return (2 * u * _signed(H, False, device)).square().unsqueeze(1) + (2 * v * _signed(W, True, device)).square()


def _squared_from_middle(H: int, W: int, sign: int, device: torch.device) -> Tensor:
    """Four times the squared distance from the middle of the fftshifted plane to sign·(ky, kx): int64 [H, W//2+1]."""
    ky, kx = sign * _signed(H, False, device), sign * _signed(W, True, device)
    row = torch.where(2 * ky == H, -ky, ky) + H // 2
    column = torch.where(2 * kx == W, -kx, kx) + W // 2
    return (2 * row - (H - 1)).square().unsqueeze(1) + (2 * column - (W - 1)).square()


@cached_tensors
def _radii(H: int, W: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    squared = _squared_radii(H, W, device).to(wide_dtype(device))
    return (squared.sqrt() / (2 * _units(H, W)[2])).to(dtype)


def _plane_weight(H: int, W: int, convention: Convention, device: torch.device) -> Tensor:
    """How many coefficients each half-plane coefficient stands for: int64 [H, W//2+1]."""
    if convention.half_plane:
        return torch.ones(H, W // 2 + 1, dtype=torch.int64, device=device)
    once = multiplicity((H, W), torch.int64, device).expand(H, -1)
    if not convention.nyquist_twice:
        return once
    rows, columns = _signed(H, False, device), _signed(W, True, device)
    return once * (1 + (2 * rows == H).long()).unsqueeze(1) * (1 + (2 * columns == W).long())


def _number_of_bins(H: int, W: int, convention: Convention) -> int:
    """K, in Python's arithmetic, which also holds for the symbolic sizes of traced code."""
    if convention.nearest:
        return min(H, W) // 2 + 1
    if convention.from_middle:
        farthest = _root((H - 1) ** 2 + (W - 1) ** 2) // 2
    else:
        u, v, s = _units(H, W)
        farthest = _root((2 * u * (H // 2)) ** 2 + (2 * v * (W // 2)) ** 2) // (2 * s)
    n_bins = farthest + 1 - sum(convention.dropped)
    if n_bins < 1:
        raise ValueError(f"images of {H} x {W} pixels are too small for this convention: try 'plain'.")
    return n_bins


def _root(n: int) -> int:
    """floor(√n); a symbolic n knows no integer root, and that of a float is right below 2^52."""
    return math.floor(torch.sym_sqrt(n)) if traced() else math.isqrt(n)


def _index(squared: Tensor, unit: int, n_bins: int, convention: Convention) -> Tensor:
    """Bin of each coefficient from (unit · position)², int32; -1 where the convention drops it."""
    half = unit // 2 if convention.nearest else 0

    def start(b: Tensor) -> Tensor:  # of bin b, as a square; a half goes to the even bin
        square = (unit * b - half).clamp(min=0).square()
        return square + b % 2 if convention.nearest else square

    dtype = torch.float64 if not traced() and n_bins >= 2**22 else torch.float32
    guess = ((squared.to(dtype).sqrt() + half) / unit).long()  # at most 1 off
    bins = guess + (squared >= start(guess + 1)).long() - (squared < start(guess)).long()
    index = bins - convention.dropped[0]
    return torch.where((index >= 0) & (index < n_bins), index, -1).int()


def _binning(H: int, W: int, convention: Convention, device: torch.device) -> Maps:
    """Bin and count (int64) of the half-plane coefficients, in one map or two, and K."""
    n_bins = _number_of_bins(H, W, convention)
    weight = _plane_weight(H, W, convention, device)
    if not convention.from_middle:
        return _index(_squared_radii(H, W, device), 2 * _units(H, W)[2], n_bins, convention), weight, n_bins
    squared = torch.stack([_squared_from_middle(H, W, sign, device) for sign in (1, -1)])  # of p, of its conjugate
    return _index(squared, 2, n_bins, convention), torch.stack([torch.ones_like(weight), weight - 1]), n_bins


def _counts(index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    """Coefficients in each bin: int64 [K]."""
    return bin_sums(weight.new_ones(1, 1), index, weight, n_bins)


@cached_tensors
def _radial_bins(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> RadialBins:
    how, wide = CONVENTIONS[convention], wide_dtype(device)
    index, weight, n_bins = _binning(H, W, how, device)
    count = _counts(index, weight, n_bins).to(wide)
    start = -0.5 if how.nearest else float(how.dropped[0])
    edges = start + torch.arange(n_bins + 1, device=device, dtype=wide)
    centers = (edges[:-1] + edges[1:]) / 2
    return RadialBins(
        edges=edges.to(dtype),
        centers=centers.to(dtype),
        mean_radius=(bin_sums(_radii(H, W, wide, device), index, weight.to(wide), n_bins) / count).to(dtype),
        count=count.to(dtype),
        frequency=(centers / max(H, W)).to(dtype),
    )


@cached_tensors
def _radial_mean_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    index, weight, n_bins = _binning(H, W, CONVENTIONS[convention], device)
    count = _counts(index, weight, n_bins)
    return index, weight.to(dtype) / count[index.clamp(min=0)].to(dtype), n_bins


@cached_tensors
def _radial_gain_maps(H: int, W: int, convention: str, dtype: torch.dtype, device: torch.device) -> Maps:
    index, _, n_bins = _binning(H, W, CONVENTIONS[convention], device)
    n_maps = 1 if index.dim() == 2 else index.shape[0]
    weight = (multiplicity((H, W), dtype, device) * (1 / (H * W * n_maps))).expand(index.shape)
    return index, weight.contiguous(), n_bins


@cached_tensors
def coefficient_maps(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the index [H, W//2+1] of one bin per half-plane coefficient; weights 1, for sums; weights for gains."""
    index, ones = own_bins(H, W, dtype, device)
    gain = (multiplicity((H, W), dtype, device) * (1 / (H * W))).expand(H, -1)
    return index, ones, gain.contiguous()


@cached_tensors
def full_plane_index(H: int, W: int, device: torch.device) -> Tensor:
    """Returns, for each coefficient of the full plane, the flat index of itself or its conjugate on the half: [H·W]."""
    ky, kx = torch.arange(H, device=device).unsqueeze(1), torch.arange(W, device=device)
    conjugate = 2 * kx > W
    rows, columns = torch.where(conjugate, (H - ky) % H, ky), torch.where(conjugate, W - kx, kx)
    return (rows * (W // 2 + 1) + columns).flatten()


def placed(device: torch.device | str | None) -> torch.device:
    """Returns the device, torch's default one for None; unlike torch.get_default_device, traceable."""
    return torch.empty(0).device if device is None else torch.device(device)


def checked_size(size: Size) -> tuple[int, int]:
    """Returns (H, W), or raises TypeError or ValueError unless size is that or the side of squares, integers >= 1."""
    sides: Any = (size, size) if _is_integer(size) else size
    if _torch.in_jit_trace() and isinstance(sides, (tuple, list)):  # a trace makes tensors of x.shape
        with _torch.outside_jit_trace():
            sides = [int(n) if isinstance(n, Tensor) else n for n in sides]
    try:
        H, W = sides
    except (TypeError, ValueError):
        H = W = None
    if not (_is_integer(H) and _is_integer(W)):
        raise TypeError(f"size must be a pair of integers (H, W), or the side of square images; got {size!r}.")
    if H < 1 or W < 1:
        raise ValueError(f"size must be (H, W) with H, W >= 1; got {size!r}.")
    H, W = (n if isinstance(n, torch.SymInt) else int(n) for n in (H, W))
    return H, W  # type: ignore[return-value]


def _is_integer(n: object) -> bool:
    return isinstance(n, (numbers.Integral, torch.SymInt)) and not isinstance(n, bool)


def _check_convention(convention: str) -> None:
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}; got {convention!r}.")
