"""Power spectra of images [..., H, W] and their radial profiles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from specops import geometry, ops
from specops._tracing import cached_tensors
from specops.functional._options import check_choice
from specops.functional._plans import planned
from specops.ops._checks import check_dense_image, check_image, check_pair, check_real, number
from specops.ops._layout import compute_dtype, promoted
from specops.ops._reductions import ordered_share, ordered_sum

SCALES = ("power", "amplitude", "log", "db")
NORMS = ("backward", "ortho", "forward")
PROFILE_MODES = ("minmax", "dc")
DECIBELS = 10 / math.log(10)  # per neper of power


def radial_spectrum(
    x: Tensor,
    *,
    convention: str = "schwarz2021",
    scale: str = "power",
    norm: str = "backward",
    window: str | Tensor | None = None,
    eps: float = 1e-8,
) -> Tensor:
    r"""Returns the radial profile of the power spectrum of each image: [..., K].

    `out[..., i]` is the mean of s(|X_k|²) over the coefficients k in bin i, X the DFT of `window · x`. This is the
    "reduced spectrum" or "radial power spectral density" of the GAN literature. `.mean(-2)` of [..., C, K] averages
    over channels.

    Args:
        x: real images [..., H, W], any float dtype; half types are computed in float32.
        convention: which coefficients form a bin: see `specops.geometry.radial_bins`.
        scale: s(p): `power` p; `amplitude` √p; `log` ln(p + eps); `db` 10·log10(p + eps).
        norm: scaling of the DFT as in torch.fft: `backward` none, `ortho` 1/√(HW), `forward` 1/(HW).
        window: None, `"hann"` (symmetric, separable) or a tensor [H, W].
        eps: >= 0, added to the power where the scale is a logarithm.

    Returns:
        [..., K] with K = `radial_bins((H, W), convention=convention).n_bins`; float64 for float64 images, else float32.
        Gradients to x and to a tensor window, of any order. The amplitude of a coefficient has the gradient 0 where it
        is exactly 0.

    Raises:
        TypeError: x is not a real floating-point tensor.
        ValueError: x has fewer than two dimensions, or an option is unknown.

    Source:
        Schwarz, Liao, Geiger 2021, "On the Frequency Bias of Generative Models", section 3 (the default convention).

    Example:
        >>> import torch, specops
        >>> images = torch.ones(8, 3, 64, 64)
        >>> profile = specops.radial_spectrum(images, norm="forward")
        >>> profile.shape
        torch.Size([8, 3, 46])
        >>> float(profile[0, 0, 0]), float(profile[0, 0, 1:].max())
        (1.0, 0.0)
    """
    second = window if isinstance(window, Tensor) else x
    run, (maps, settings) = _profile_plan(x, second, convention, scale, norm, eps)
    if window is not None:
        x = _windowed(x, window)
    if scale == "power":
        profile = run.binned_cross_spectrum(x, x, *maps)
        return profile if norm == "backward" else profile * settings[1]
    profile = run.binned_scaled_power(x, *maps, *settings)
    return profile * DECIBELS if scale == "db" else profile


@planned
def _profile_plan(
    shape: torch.Size, dtype: torch.dtype, device: torch.device, convention: str, scale: str, norm: str, eps: float
) -> tuple[geometry.Maps, tuple[str, float, float]]:
    """Maps, and what `binned_scaled_power` takes after them."""
    H, W = check_dense_image("x", shape, dtype)
    check_choice("scale", scale, SCALES)
    eps = number("eps", eps, least=0)
    kind = "amplitude" if scale == "amplitude" else "log"
    settings = kind, _power_factor(norm, H, W), eps
    return geometry.radial_mean_maps(H, W, convention, compute_dtype(dtype), device), settings


def radial_cross_spectrum(
    x: Tensor,
    y: Tensor,
    *,
    convention: str = "schwarz2021",
    norm: str = "backward",
    window: str | Tensor | None = None,
) -> Tensor:
    r"""Returns the radial profile of the real part of the cross spectrum of each pair of images: [..., K].

    `out[..., i]` is the mean of Re(conj(X_k) Y_k) over the coefficients k in bin i; y = x gives `radial_spectrum(x)`.

    Args:
        x, y: real images [..., H, W] of one shape and device; computed in their promoted dtype.
        convention, norm, window: as in `radial_spectrum`; the window multiplies both.

    Returns:
        [..., K], float64 where one of the images is, else float32. Gradients to x and y of any order.

    Raises:
        TypeError, ValueError: x and y differ in shape or device, or an option is unknown.

    Source:
        van Heel 1987, "Similarity measures between images", equation 1 (its numerator).

    Example:
        >>> import torch, specops
        >>> x = torch.randn(2, 8, 8)
        >>> torch.allclose(specops.radial_cross_spectrum(x, -x), -specops.radial_spectrum(x))
        True
    """
    x, y = check_pair(("x", "y"), x, y)
    H, W = x.shape[-2:]
    factor = _power_factor(norm, H, W)
    index, weight, n_bins = geometry.radial_mean_maps(H, W, convention, compute_dtype(x.dtype), x.device)
    x, y = _windowed(x, window), _windowed(y, window)
    return ops.binned_cross_spectrum(x, y, index, weight, n_bins) * factor


def fourier_ring_correlation(x: Tensor, y: Tensor, *, convention: str = "plain") -> Tensor:
    r"""Returns the correlation of two images per ring of frequencies: [..., K], values in [-1, 1].

    `out[..., i] = Σ Re(conj(X) Y) / sqrt(Σ |X|² · Σ |Y|²)`, sums over the coefficients in bin i; 0 where a sum of
    powers is 0.

    Args:
        x, y: real images [..., H, W] of one shape and device; computed in their promoted dtype.
        convention: as in `radial_spectrum`.

    Returns:
        [..., K], float64 where one of the images is, else float32. Gradients to x and y of any order.

    Raises:
        TypeError, ValueError: x and y differ in shape or device, or the convention is unknown.

    Source:
        Saxton, Baumeister 1982, "The correlation averaging of a regularly arranged bacterial cell envelope protein".

    Example:
        >>> import torch, specops
        >>> x = torch.randn(8, 8)
        >>> specops.fourier_ring_correlation(x, 3 * x).allclose(torch.ones(6))
        True
    """
    x, y = check_pair(("x", "y"), x, y)
    cross = radial_cross_spectrum(x, y, convention=convention)
    amplitudes = [_root(radial_spectrum(image, convention=convention)) for image in (x, y)]
    empty = (amplitudes[0] == 0) | (amplitudes[1] == 0)
    first, second = (torch.where(empty, 1, amplitude) for amplitude in amplitudes)
    return torch.where(empty & ~cross.isnan(), 0, cross / first / second)


def power_spectrum(x: Tensor, *, norm: str = "backward", shift: bool = False) -> Tensor:
    """Returns the power spectrum |DFT(x)|² on the full plane: [..., H, W].

    Args:
        x: real images [..., H, W].
        norm: scaling of the DFT as in torch.fft.
        shift: whether the mean's coefficient moves to the middle, as by torch.fft.fftshift.

    Returns:
        [..., H, W], float64 for float64 images, else float32. Gradients of any order.

    Raises:
        TypeError: x is not a real floating-point tensor.
        ValueError: x has fewer than two dimensions, or an unknown norm.

    Source:
        Definition; the input of `leakage_ratio` (Khayatkhoei and Elgammal 2022).

    Example:
        >>> import torch, specops
        >>> specops.power_spectrum(torch.ones(2, 3))
        tensor([[36.,  0.,  0.],
                [ 0.,  0.,  0.]])
    """
    check_image("x", x)
    H, W = x.shape[-2:]
    half = _half_plane_power(x) * _power_factor(norm, H, W)
    full = half.index_select(-1, geometry.full_plane_index(H, W, x.device)).unflatten(-1, (H, W))
    return torch.fft.fftshift(full, dim=(-2, -1)) if shift else full


def leakage_ratio(real_power: Tensor, fake_power: Tensor) -> Tensor:
    """Returns the share of spectral power that lies at the wrong frequencies: a scalar in [0, 1].

    ½ Σ |p_real - p_fake| with p = P / ΣP: the total variation distance of the two normalised spectra.

    Args:
        real_power, fake_power: mean power spectra [H, W], as of `power_spectrum(images).mean(0)`; not negative.

    Returns:
        A 0-dimensional tensor, float64 where one of the spectra is, else float32. Gradients to both.

    Raises:
        TypeError, ValueError: not two real floating-point tensors [H, W] of one shape and device.

    Source:
        Khayatkhoei, Elgammal 2022, "Spatial Frequency Bias in Convolutional Generative Adversarial Networks", leakage
        ratio.

    Example:
        >>> import torch, specops
        >>> specops.leakage_ratio(torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0]]))
        tensor(0.5000)
    """
    check_image("real_power", real_power)
    check_image("fake_power", fake_power)
    if real_power.dim() != 2 or real_power.shape != fake_power.shape or real_power.device != fake_power.device:
        raise ValueError(
            f"real_power and fake_power must be two mean spectra [H, W] on one device; got {list(real_power.shape)} on "
            f"{real_power.device} and {list(fake_power.shape)} on {fake_power.device}. Average over images first."
        )
    powers = promoted(real_power, fake_power)
    real, fake = (ordered_share(power.to(compute_dtype(power.dtype)).flatten()) for power in powers)
    return ordered_sum((real - fake).abs()) / 2


def normalize_profile(p: Tensor, *, mode: str) -> Tensor:
    """Brings profiles [..., K] to a common scale.

    Args:
        p: profiles [..., K].
        mode: `"minmax"`: (p - min) / (max - min) per profile, 0 for a constant one; `"dc"`: p / p[0].

    Returns:
        [..., K], float64 for float64 profiles, else float32. Gradients of any order.

    Raises:
        TypeError: p is not a real floating-point tensor.
        ValueError: p has no dimension, or an unknown mode.

    Source:
        Min-max: Durall 2020, Jung and Keuper 2021, SSD-GAN 2021.

    Example:
        >>> import torch, specops
        >>> specops.normalize_profile(torch.tensor([4.0, 3.0, 2.0]), mode="minmax")
        tensor([1.0000, 0.5000, 0.0000])
    """
    check_real("p", p)
    if p.dim() < 1 or p.shape[-1] < 1:
        raise ValueError(f"p must be [..., K] with K >= 1; got {list(p.shape)}.")
    check_choice("mode", mode, PROFILE_MODES)
    p = p.to(compute_dtype(p.dtype))
    if mode == "dc":
        return (p / p[..., :1]).contiguous()
    low, high = p.amin(-1, keepdim=True), p.amax(-1, keepdim=True)
    return ((p - low) / torch.where(high == low, 1, high - low)).contiguous()


def _half_plane_power(x: Tensor) -> Tensor:
    """|X|² of every half-plane coefficient, flat: [..., H·(W//2+1)]."""
    H, W = x.shape[-2:]
    index, ones, _ = geometry.coefficient_maps(H, W, compute_dtype(x.dtype), x.device)
    return ops.binned_cross_spectrum(x, x, index, ones, H * (W // 2 + 1))


def _root(power: Tensor) -> Tensor:
    """√power, with the subgradient 0 of the amplitude where it is 0."""
    zero = power == 0
    return torch.where(zero, 0, torch.where(zero, 1, power).sqrt())


def _power_factor(norm: str, H: int, W: int) -> float:
    check_choice("norm", norm, NORMS)
    if norm == "backward":
        return 1.0
    n_pixels = H * W
    return 1 / n_pixels if norm == "ortho" else 1 / n_pixels**2


def _windowed(x: Tensor, window: str | Tensor | None) -> Tensor:
    if window is None:
        return x
    dtype = compute_dtype(x.dtype)
    return x.to(dtype) * _window(window, x.shape[-2], x.shape[-1], dtype, x.device)


def _window(window: str | Tensor, H: int, W: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    if isinstance(window, Tensor):
        if window.shape != (H, W):
            raise ValueError(f"window must be [{H}, {W}] like the images; got {list(window.shape)}.")
        check_real("window", window)
        if window.device != device:
            raise ValueError(f"window must be on {device} like x; got {window.device}.")
        return window.to(dtype)
    if not isinstance(window, str) or window != "hann":
        raise ValueError(f"window must be None, 'hann' or a tensor [{H}, {W}]; got {window!r}.")
    return _hann(H, W, dtype, device)


@cached_tensors
def _hann(H: int, W: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    rows, columns = hann_axes(H, W, dtype, device)
    return rows * columns


def hann_axes(H: int, W: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the factors of the symmetric Hann window of images: [H, 1] and [W]."""
    rows, columns = (torch.hann_window(n, periodic=False, dtype=dtype, device=device) for n in (H, W))
    return rows.unsqueeze(1), columns
