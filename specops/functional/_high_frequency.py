"""High-frequency filter, confusion and swap: what a discriminator sees of high frequencies."""

from __future__ import annotations

import functools
import numbers
from typing import NamedTuple

import torch
from torch import Tensor

from specops import geometry, masks
from specops._tracing import cached_tensors
from specops.functional._filters import frequency_filter
from specops.functional._options import check_choice, odd_units, warn_of_units
from specops.functional._plans import planned, types_in
from specops.functional._value_range import bounds, check_values
from specops.ops._checks import check_dense_image, check_pair
from specops.ops._layout import compute_dtype

Parameter = masks.Parameter
RADII = 32  # whose gains are kept: a training may change the radius at each step


def hff(
    x: Tensor,
    radius: Parameter | None = None,
    *,
    cutoff: Parameter | None = None,
    kind: str = "ideal",
    value_range: tuple[float, float] = (-1, 1),
) -> Tensor:
    """Removes the high frequencies of the images (High-Frequency Filter): [..., H, W].

    With x' = (x - lo) / (hi - lo) and M the low-pass mask, clip(|IDFT(M · DFT(x'))|, 0, 1), brought back to [lo, hi].

    Args:
        x: real images [..., H, W] with values in `value_range`.
        radius: in cycles per image, > 0, a number or a tensor as in `specops.masks`; below it frequencies are kept.
            A number below 1 gives a warning, since no frequency but the mean lies below it.
        cutoff: in cycles per pixel, instead of `radius`: radius = cutoff · max(H, W). A number from 1 on gives a
            warning, since every frequency lies below it.
        kind: of the low-pass: see `specops.masks`.
        value_range: (lo, hi). Values outside are accepted: the |·| folds them at lo (for (-1, 1), -1.2 becomes -0.8),
            and they are clipped at hi. `specops.functional.check_value_range` makes them an error.

    Returns:
        [..., H, W] in the dtype of x, values in `value_range`. Gradients to x (0 where clipped, the sign of the abs).

    Raises:
        TypeError, ValueError: wrong images, kind, range, radius or cutoff; both or none of the last two.

    Source:
        Li et al. 2021, "Are High-Frequency Components Beneficial for Training of Generative Adversarial Networks", HFF.

    Example:
        >>> import torch, specops
        >>> specops.hff(torch.tensor([[0.5, -0.5], [0.5, -0.5]]), cutoff=0.25)
        tensor([[0., 0.],
                [0., 0.]])
    """
    run, plan = _swap_plan(x, x, radius, cutoff, kind, value_range, types_in(value_range))
    if plan.odd_units:
        warn_of_units(radius, cutoff)
    check_values("x", x, value_range)
    return run.clipped_filter(x, *plan.arguments)[0]


def hfc(
    real: Tensor,
    fake: Tensor,
    radius: Parameter | None = None,
    *,
    cutoff: Parameter | None = None,
    kind: str = "ideal",
    value_range: tuple[float, float] = (-1, 1),
) -> tuple[Tensor, Tensor]:
    """Gives fake images the high frequencies of real ones (High-Frequency Confusion): returns (real, fake).

    With x' = (x - lo) / (hi - lo) and M the low-pass mask, the fake becomes
    clip(|IDFT(M·DFT(fake') + (1 - M)·DFT(real'))|, 0, 1) and the real clip(|real'|, 0, 1), both brought back to
    [lo, hi]. Images are paired by batch index. The filter is linear, so the inner part is
    real' + filter(fake' - real'): one transform and one inverse. The real images come first, as in the published code.

    Args:
        real, fake: images [..., H, W] of one shape and device, values in `value_range`; computed in their promoted
            dtype.
        radius: in cycles per image, > 0, a number or a tensor as in `specops.masks`; below it the fake keeps its own
            frequencies. A number below 1 gives a warning, as in `hff`.
        cutoff: in cycles per pixel, instead of `radius`: radius = cutoff · max(H, W). A number from 1 on gives a
            warning, as in `hff`.
        kind: of the low-pass: see `specops.masks`.
        value_range: (lo, hi). Values outside are folded and clipped, as in `hff`.

    Returns:
        (real, fake), each [..., H, W] in its own dtype. Gradients to both.

    Raises:
        TypeError, ValueError: images of two shapes or devices; wrong kind, range, radius or cutoff; both or none of
            the last two.

    Source:
        Li et al. 2021, "Are High-Frequency Components Beneficial for Training of Generative Adversarial Networks", HFC.

    Example:
        >>> import torch, specops
        >>> real, fake = torch.tensor([[0.5, -0.5]]), torch.tensor([[0.25, 0.25]])
        >>> specops.hfc(real, fake, cutoff=0.25)[1]
        tensor([[ 0.7500, -0.2500]])
    """
    wide_real, wide_fake = check_pair(("real", "fake"), real, fake)
    run, plan = _swap_plan(wide_fake, wide_real, radius, cutoff, kind, value_range, types_in(value_range))
    if plan.odd_units:
        warn_of_units(radius, cutoff)
    check_values("real", real, value_range)
    check_values("fake", fake, value_range)
    confused, _, kept = run.clipped_band_swap(wide_fake, wide_real, *plan.arguments, True)
    if real.dtype == fake.dtype:
        return kept, confused
    return kept.to(real.dtype), confused.to(fake.dtype)


def swap_bands(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Joins the low band of a and the rest of b: [..., H, W].

    The result is the inverse DFT of mask · A + (1 - mask) · B, computed as b + filter(a - b). Nothing is clipped.

    Args:
        a, b: real images [..., H, W] of one shape and device.
        mask: share of a per coefficient, [H, W//2+1] or [H, W] as in `frequency_filter`.

    Returns:
        [..., H, W] in the promoted dtype of a and b. Gradients to a, b and mask of any order.

    Raises:
        TypeError, ValueError: images of two shapes or devices, or a mask of another shape.

    Source:
        Li et al. 2021, the exchange inside HFC.

    Example:
        >>> import torch, specops
        >>> mask = specops.masks.lowpass((1, 2), cutoff=0.25)
        >>> specops.swap_bands(torch.ones(1, 2), torch.tensor([[3.0, 5.0]]), mask)
        tensor([[0., 2.]])
    """
    a, b = check_pair(("a", "b"), a, b)
    dtype = compute_dtype(a.dtype)
    wide_a, wide_b = a.to(dtype), b.to(dtype)
    return (wide_b + frequency_filter(wide_a - wide_b, mask)).to(a.dtype).contiguous()


class _SwapPlan(NamedTuple):
    """What the ops take after images: gain, maps and range; and whether the radius is an odd one."""

    arguments: tuple[Tensor, Tensor, Tensor, float, float]
    odd_units: bool


@functools.partial(planned, entries=RADII)
def _swap_plan(
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    radius: Parameter | None,
    cutoff: Parameter | None,
    kind: str,
    value_range: tuple[float, float],
    *types: object,
) -> _SwapPlan:
    H, W = check_dense_image("x", shape, dtype)
    low, high = bounds(value_range)
    check_choice("kind", kind, masks.KINDS)
    plain = isinstance(radius if cutoff is None else cutoff, numbers.Real) and (radius is None or cutoff is None)
    gain_of = _lowpass_gain if plain else _lowpass_gain.__wrapped__  # type: ignore[attr-defined]
    gain = gain_of(H, W, radius, cutoff, kind, compute_dtype(dtype), device)
    index, _, weight = geometry.coefficient_maps(H, W, compute_dtype(dtype), device)
    return _SwapPlan((gain, index, weight, low, high), odd_units(radius, cutoff) is not None)


@functools.partial(cached_tensors, entries=RADII)
def _lowpass_gain(
    H: int,
    W: int,
    radius: Parameter | None,
    cutoff: Parameter | None,
    kind: str,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    return masks.lowpass((H, W), radius, cutoff=cutoff, kind=kind, device=device, dtype=dtype).flatten()
