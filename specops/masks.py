"""Radial frequency masks on the half plane of torch.fft.rfft2, differentiable in their parameters.

A radius k is in cycles per image along the longer side (see `specops.geometry.radial_bins`), a cutoff in cycles per
pixel: radius = cutoff · max(H, W). The kinds of low-pass, with radius r, width w and order n:

| kind | value at k |
|---|---|
| `ideal` | 1 where k < r (by more than 2^-51 of r), else 0; no gradient |
| `gaussian` | exp(-k² / (2 r²)) |
| `butterworth` | 1 / (1 + (k / r)^(2n)), n = 2 unless given |
| `logistic` | sigmoid((r - k) / w), w = 1 unless given |
| `raised_cosine` | 1 below r - w/2, 0 above r + w/2, half a cosine between; w = 1 unless given |

An ideal radius beyond the corner, hypot(H/2, W/2) for squares, keeps every coefficient.
"""

from __future__ import annotations

import math
import numbers

import torch
from torch import Tensor

from specops import geometry
from specops._tracing import cached_tensors, traced
from specops.ops._layout import compute_dtype

__all__ = ["KINDS", "bandpass", "highpass", "lowpass"]

KINDS = ("ideal", "gaussian", "butterworth", "logistic", "raised_cosine")
Parameter = float | Tensor


def lowpass(
    size: geometry.Size,
    radius: Parameter | None = None,
    *,
    cutoff: Parameter | None = None,
    kind: str = "ideal",
    width: Parameter | None = None,
    order: Parameter | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Returns a mask that keeps low frequencies: [H, W//2+1], values in [0, 1].

    Args:
        size: (H, W) of the images, or the side of square ones.
        radius: in cycles per image, > 0; a number or a tensor with one element, which receives a gradient.
        cutoff: in cycles per pixel, instead of `radius`.
        kind: one of the kinds listed in `specops.masks`.
        width: of the transition in cycles per image, > 0, for `logistic` and `raised_cosine`; number or tensor.
        order: > 0, for `butterworth`; number or tensor.
        device, dtype: of the mask; those of a tensor parameter, or torch's defaults, if None.

    Returns:
        [H, W//2+1], the argument of `specops.frequency_filter`, computed in float64 and rounded once. If all parameters
        are numbers, the CPU computes it, so that every device gets the same mask; a compiled graph computes it on its
        device, where smooth kinds may round differently.

    Raises:
        ValueError: both or none of radius and cutoff, a number <= 0, an unknown kind, a parameter that the kind lacks.
            Values of tensors are checked on the CPU only, and not while torch traces.
        TypeError: a parameter that is neither a number nor a tensor.

    Source:
        Gonzalez, Woods, "Digital Image Processing", chapter 4 (ideal, Gaussian and Butterworth); Li et al. 2021, "Are
        High-Frequency Components Beneficial for Training of Generative Adversarial Networks" (ideal, strict).

    Example:
        >>> import specops
        >>> specops.masks.lowpass((4, 4), 1.2)
        tensor([[1., 1., 0.],
                [1., 0., 0.],
                [0., 0., 0.],
                [1., 0., 0.]])
    """
    mask, dtype = _lowpass(size, radius, cutoff, kind, width, order, device, dtype)
    return mask.to(dtype, copy=True)


def highpass(
    size: geometry.Size,
    radius: Parameter | None = None,
    *,
    cutoff: Parameter | None = None,
    kind: str = "ideal",
    width: Parameter | None = None,
    order: Parameter | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Returns a mask that keeps high frequencies, 1 - `lowpass`: [H, W//2+1]. Arguments as in `lowpass`.

    Raises:
        ValueError, TypeError: as `lowpass`.

    Source:
        Gonzalez, Woods, "Digital Image Processing", chapter 4.

    Example:
        >>> import specops
        >>> specops.masks.highpass((2, 4), cutoff=0.5)
        tensor([[0., 0., 1.],
                [1., 1., 1.]])
    """
    mask, dtype = _lowpass(size, radius, cutoff, kind, width, order, device, dtype)
    return (1 - mask).to(dtype)


def bandpass(
    size: geometry.Size,
    low: Parameter | None = None,
    high: Parameter | None = None,
    *,
    cutoff: tuple[Parameter, Parameter] | None = None,
    kind: str = "ideal",
    width: Parameter | None = None,
    order: Parameter | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Returns a mask that keeps the frequencies between two radii: [H, W//2+1].

    It is `lowpass` at `high` minus `lowpass` at `low`, so that low-pass, band-pass and high-pass add to 1; the ideal
    kind keeps low <= k < high. Arguments as in `lowpass`, `cutoff` being the pair in cycles per pixel; numbers must
    have low < high.

    Raises:
        ValueError: as `lowpass`; low >= high; both or none of (low, high) and cutoff.
        TypeError: as `lowpass`; a cutoff that is not a pair.

    Source:
        Gonzalez, Woods, "Digital Image Processing", chapter 4.

    Example:
        >>> import specops
        >>> specops.masks.bandpass((4, 4), 1, 1.2)
        tensor([[0., 1., 0.],
                [1., 0., 0.],
                [0., 0., 0.],
                [1., 0., 0.]])
    """
    if (low is None) != (high is None) or (low is None) == (cutoff is None):
        raise ValueError("bandpass needs either low and high in cycles per image, or cutoff=(low, high) per pixel.")
    if cutoff is not None and not (isinstance(cutoff, (tuple, list)) and len(cutoff) == 2):
        raise TypeError(f"cutoff must be a pair (low, high) in cycles per pixel; got {cutoff!r}.")
    inner, outer = (low, high) if cutoff is None else cutoff
    _check(kind, {"low": inner, "high": outer, "width": width, "order": order})
    if inner is None or outer is None:
        raise TypeError(f"cutoff must be a pair (low, high) in cycles per pixel; got {cutoff!r}.")
    if all(not isinstance(edge, Tensor) or _readable(edge) for edge in (inner, outer)) and not inner < outer:
        raise ValueError(f"low must be below high; got {inner} and {outer}.")
    device, dtype = _placement({"low": inner, "high": outer, "width": width, "order": order}, device, dtype)
    unit = 1 if cutoff is None else max(geometry.checked_size(size))
    kept, removed = (
        _lowpass(size, _number(edge) * unit, None, kind, width, order, device, dtype)[0] for edge in (outer, inner)
    )
    return (kept - removed).to(dtype)


def _lowpass(
    size: geometry.Size,
    radius: Parameter | None,
    cutoff: Parameter | None,
    kind: str,
    width: Parameter | None,
    order: Parameter | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[Tensor, torch.dtype]:
    """The mask [H, W//2+1], not to be written to, and the dtype that it is to be rounded to."""
    H, W = geometry.checked_size(size)
    parameters = {"radius": radius, "cutoff": cutoff, "width": width, "order": order}
    if (radius is None) == (cutoff is None):
        got = "neither" if radius is None else "both"
        raise ValueError(f"give either radius in cycles per image or cutoff in cycles per pixel; got {got}.")
    _check(kind, parameters)
    device, dtype = _placement(parameters, device, dtype)
    if radius is None:
        assert cutoff is not None
        radius = _number(cutoff) * max(H, W)
    wide = geometry.wide_dtype(device)
    given = (radius, 1.0 if width is None else width, 2.0 if order is None else order)
    values = tuple(value.reshape(()).to(wide) if isinstance(value, Tensor) else float(value) for value in given)
    made = _low if any(isinstance(value, Tensor) for value in values) else _kept
    return made(H, W, kind, values, compute_dtype(dtype) if kind == "ideal" else wide, device), dtype


def _low(H: int, W: int, kind: str, values: tuple[Parameter, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The mask [H, W//2+1] of a radius, width and order, of which kinds without one make no use."""
    if kind == "ideal":
        return geometry.inside(H, W, values[0], device).to(dtype)
    return _smooth(geometry.radii(H, W, device), kind, *values).to(dtype)


_kept = cached_tensors(_low, entries=16)


def _smooth(k: Tensor, kind: str, radius: Parameter, width: Parameter, order: Parameter) -> Tensor:
    if kind == "gaussian":
        return torch.exp(-((k / radius) ** 2) / 2)
    if kind == "logistic":
        return torch.sigmoid((radius - k) / width)
    if kind == "raised_cosine":
        phase = ((k - radius) / width + 0.5).clamp(0, 1)
        return 0.5 + 0.5 * torch.cos(math.pi * phase)
    # 1 / (1 + q^2n) = sigmoid(-2n ln q): no overflow, and finite derivatives; the mean is 1 whatever the parameters
    mean = k == 0
    log_ratio = torch.log(torch.where(mean, 1, k) / radius)
    return torch.where(mean, 1, torch.sigmoid(-2 * order * log_ratio))


def _check(kind: str, parameters: dict[str, Parameter | None]) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    if parameters["width"] is not None and kind not in ("logistic", "raised_cosine"):
        raise ValueError(f"width is a parameter of logistic and raised_cosine; kind is {kind!r}.")
    if parameters["order"] is not None and kind != "butterworth":
        raise ValueError(f"order is a parameter of butterworth; kind is {kind!r}.")
    for name, value in parameters.items():
        if isinstance(value, Tensor):
            if value.numel() != 1 or not value.is_floating_point() or value.layout != torch.strided:
                got = f"{list(value.shape)} {value.dtype} {value.layout}"
                raise ValueError(f"a tensor {name} must hold one real number, dense; got {got}.")
            if _readable(value) and not value.item() > 0:
                raise ValueError(f"{name} must be above 0; got {value.item()}.")
        elif value is not None:
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"{name} must be a number or a tensor; got {type(value).__name__}.")
            if not value > 0:
                raise ValueError(f"{name} must be above 0; got {value}.")
            if name in ("width", "order") and not value < math.inf:
                raise ValueError(f"{name} must be finite; got {value}.")


def _readable(value: Tensor) -> bool:
    """Whether a look at the value waits for no device and breaks no graph."""
    return value.device.type == "cpu" and not traced()


def _number(value: Parameter) -> Parameter:
    """The parameter where products of it lose nothing: a tensor in its compute dtype, or a number of Python's."""
    return value.to(compute_dtype(value.dtype)) if isinstance(value, Tensor) else float(value)


def _placement(
    parameters: dict[str, Parameter | None], device: torch.device | str | None, dtype: torch.dtype | None
) -> tuple[torch.device, torch.dtype]:
    tensors = [value for value in parameters.values() if isinstance(value, Tensor)]
    if device is None and tensors:
        device = tensors[0].device
    if dtype is None:
        dtype = tensors[0].dtype if tensors else torch.get_default_dtype()
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point one of torch; got {dtype!r}.")
    return geometry.placed(device), dtype
