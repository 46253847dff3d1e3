"""Stateless spectral operations on images [..., H, W]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from specops import geometry, ops
from specops.ops.contract import check_image, compute_dtype, like_layout

SCALES = ("power", "amplitude", "log", "db")
NORMS = ("backward", "ortho", "forward")
UPSAMPLE_MODES = ("zeros", "nearest", "bilinear", "shuffle")


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
    "reduced spectrum" or "radial power spectral density" of the GAN literature; the mean over channels, if wanted, is
    `.mean(-2)` of [..., C, K].

    Args:
        x: real images [..., H, W], any float dtype; half types are computed in float32.
        convention: which coefficients form a bin: see `specops.geometry.radial_bins`.
        scale: s(p): `power` p; `amplitude` √p; `log` ln(p + eps); `db` 10·log10(p + eps).
        norm: scaling of the DFT as in torch.fft: `backward` none, `ortho` 1/√(HW), `forward` 1/(HW).
        window: None, `"hann"` (symmetric, separable) or a tensor [H, W].
        eps: added to the power where the scale is a logarithm.

    Returns:
        [..., K] with K = `radial_bins((H, W), convention=convention).n_bins`; float64 for float64 images, else float32.
        Gradients to x (and a tensor window) of any order. The amplitude of a coefficient that is exactly 0 has the
        gradient 0.

    Raises:
        TypeError: x is not a real floating-point tensor.
        ValueError: x has fewer than two dimensions, or an option is none of those listed.

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
    check_image("x", x)
    _check_choice("scale", scale, SCALES)
    _check_choice("norm", norm, NORMS)
    H, W = x.shape[-2:]
    dtype = compute_dtype(x.dtype)
    index, weight, n_bins = geometry.radial_mean_maps(H, W, convention, dtype, x.device)
    if window is not None:
        x = x.to(dtype) * _window(window, H, W, dtype, x.device)
    factor = {"backward": 1.0, "ortho": 1 / (H * W), "forward": 1 / (H * W) ** 2}[norm]
    if scale == "power":
        profile = ops.binned_cross_spectrum(x, x, index, weight, n_bins)
        return profile if norm == "backward" else profile * factor
    own_bin, ones = geometry.coefficient_maps(H, W, dtype, x.device)
    power = ops.binned_cross_spectrum(x, x, own_bin, ones, H * (W // 2 + 1)) * factor
    terms = _scaled(power, scale, eps) * weight.flatten()
    return terms.new_zeros(*x.shape[:-2], n_bins).index_add(-1, index.flatten(), terms)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    *,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    boundary: str = "zeros",
) -> Tensor:
    """Returns x after zero insertion, padding, FIR filtering and decimation, in that order: [..., Ho, Wo].

    1. Insert up - 1 zeros after each sample along each axis.
    2. Pad (or crop, where negative) the result; samples outside the input come from `boundary`.
    3. Convolve with gain · f, keeping the positions where f lies inside the padded image.
    4. Keep every down-th sample, the first included.

    Args:
        x: real images [..., H, W].
        f: [fh, fw]; or 1-D, applied along both axes; or None for the single tap 1. Gradient.
        up, down: integer factor, or (x, y).
        padding: int, (x, y) or (x0, x1, y0, y1), in samples of the zero-inserted image.
        flip_filter: False convolves, True correlates.
        gain: factor on the result.
        boundary: how the input is extended before step 1: `zeros`, `reflect` (edge sample once), `replicate` or
            `circular`.

    Returns:
        [..., Ho, Wo] in the dtype of x, channels_last where x is; Ho = (H·up + y0 + y1 - fh) // down + 1. Gradients to
        x and f of any order.

    Raises:
        TypeError, ValueError: wrong x or f, a factor below 1, an unknown boundary, a filter larger than the padded
            image.

    Source:
        The operation and its argument order are those known from StyleGAN; scipy.signal.upfirdn is its 1-D form.

    Example:
        >>> import torch, specops
        >>> specops.upfirdn2d(torch.ones(1, 3), torch.tensor([[1.0, 1.0]]), up=(2, 1), padding=(1, 0, 0, 0))
        tensor([[1., 1., 1., 1., 1., 1.]])
    """
    check_image("x", x)
    dtype = compute_dtype(x.dtype)
    up, down, padding = _pair("up", up), _pair("down", down), _four("padding", padding)
    if f is None:
        f = x.new_ones(1, 1, dtype=dtype)
    if not isinstance(f, Tensor) or not f.is_floating_point():
        raise TypeError(f"f must be None or a real floating-point tensor; got {getattr(f, 'dtype', type(f).__name__)}.")
    if f.dim() not in (1, 2):
        raise ValueError(f"f must be [fh, fw] or 1-D; got {list(f.shape)}.")
    f = f.to(dtype)
    if flip_filter:
        f = f.flip(tuple(range(f.dim())))
    if f.dim() == 2:
        return ops.upfirdn2d(x, f * gain if gain != 1 else f, up, down, padding, boundary)
    across = ops.upfirdn2d(x.to(dtype), f.unsqueeze(0), (up[0], 1), (down[0], 1), (*padding[:2], 0, 0), boundary)
    along = (f * gain).unsqueeze(1)
    return ops.upfirdn2d(across, along, (1, up[1]), (1, down[1]), (0, 0, *padding[2:]), boundary).to(x.dtype)


def upsample(x: Tensor, factor: int = 2, *, mode: str) -> Tensor:
    """Returns x enlarged by an integer factor along both axes: [..., H·factor, W·factor].

    Args:
        x: real images [..., H, W].
        factor: integer >= 1.
        mode: `zeros` ("bed of nails": the value at the top left of each factor × factor cell, zeros elsewhere, gain 1);
            `nearest`; `bilinear` (as F.interpolate with align_corners=False); `shuffle` (as F.pixel_shuffle: channels
            [..., C·factor², H, W] become pixels [..., C, H·factor, W·factor]).

    Returns:
        The enlarged images in the dtype of x, channels_last where x is. Gradients of any order.

    Raises:
        TypeError: x is not a real floating-point tensor, or factor not an integer.
        ValueError: factor below 1, unknown mode, channels that `shuffle` cannot divide.

    Source:
        The upsampling operations compared by Schwarz et al. 2021, section 4.

    Example:
        >>> import torch, specops
        >>> specops.upsample(torch.ones(1, 2), mode="zeros")
        tensor([[1., 0., 1., 0.],
                [0., 0., 0., 0.]])
    """
    check_image("x", x)
    _check_choice("mode", mode, UPSAMPLE_MODES)
    if not isinstance(factor, (int, torch.SymInt)) or isinstance(factor, bool):
        raise TypeError(f"factor must be an integer; got {factor!r}.")
    if factor < 1:
        raise ValueError(f"factor must be at least 1; got {factor}.")
    if mode == "zeros":
        return upfirdn2d(x, None, up=factor)
    if mode == "shuffle":
        if x.dim() < 3 or x.shape[-3] % factor**2 != 0:
            raise ValueError(
                f"shuffle needs x [..., C, H, W] with C divisible by {factor**2}; got shape {list(x.shape)}."
            )
        return like_layout(F.pixel_shuffle(x, factor), x)
    planes = x if x.dim() == 4 else x.reshape(-1, 1, *x.shape[-2:])
    align_corners = None if mode == "nearest" else False
    enlarged = F.interpolate(planes, scale_factor=factor, mode=mode, align_corners=align_corners)
    return like_layout(enlarged.reshape(*x.shape[:-2], *enlarged.shape[-2:]), x)


def _scaled(power: Tensor, scale: str, eps: float) -> Tensor:
    if scale == "log":
        return (power + eps).log()
    if scale == "db":
        return 10 * (power + eps).log10()
    zero = power == 0  # √ has no derivative there; the amplitude's subgradient 0 is taken
    return torch.where(zero, 0, torch.where(zero, 1, power).sqrt())


def _window(window: str | Tensor, H: int, W: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    if isinstance(window, Tensor):
        if window.shape != (H, W):
            raise ValueError(f"window must be [{H}, {W}] like the images; got {list(window.shape)}.")
        if window.device != device:
            raise ValueError(f"window must be on {device} like x; got {window.device}.")
        return window.to(dtype)
    if window != "hann":
        raise ValueError(f"window must be None, 'hann' or a tensor [{H}, {W}]; got {window!r}.")
    rows = torch.hann_window(H, periodic=False, dtype=dtype, device=device)
    columns = torch.hann_window(W, periodic=False, dtype=dtype, device=device)
    return rows.unsqueeze(1) * columns


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if len(value) == 2:
        return value[0], value[1]
    raise ValueError(f"{name} must be an integer or (x, y); got {value!r}.")


def _four(name: str, value: int | Sequence[int]) -> tuple[int, int, int, int]:
    if isinstance(value, int):
        return value, value, value, value
    if len(value) == 2:
        return value[0], value[0], value[1], value[1]
    if len(value) == 4:
        return value[0], value[1], value[2], value[3]
    raise ValueError(f"{name} must be an integer, (x, y) or (x0, x1, y0, y1); got {value!r}.")
