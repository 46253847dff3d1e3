r"""Contract of resampling: the three slots of one trilinear form, so gradients of any order close.

With z the image x after zero insertion (`up`), padding and extension (`padding`, `boundary`), `taps` a filter [fh, fw]
and y an image of the output's size,

    T(x, taps, y) = \sum_{b, o} y_o \sum_t taps_t z_{o·down + ([fh, fw] - 1) - t}

    upfirdn2d(x, taps)                  = dT/dy      x [..., H, W],   taps [fh, fw]  -> [..., Ho, Wo]
    upfirdn2d_transpose(y, taps)        = dT/dx      y [..., Ho, Wo], taps [fh, fw]  -> [..., H, W]
    upfirdn2d_filter_correlation(x, y)  = dT/dtaps   x [..., H, W],   y [..., Ho, Wo] -> [fh, fw]

The derivative of each in either argument is one of the other two or itself. `up`, `down` are (x, y), `padding` is
(x0, x1, y0, y1), as in the op that StyleGAN made common; flipping acts on the taps before they come here. 1-D taps are
short for their outer product, of which T is no linear function, and a gain multiplies the filter.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from specops.ops._checks import check_image, number
from specops.ops._layout import batch_first, compute_dtype, memory_format
from specops.ops.registration import register

Pair = Sequence[int]
Factors = tuple[Pair, Pair, Sequence[int]]  # up, down, padding

BOUNDARIES = ("zeros", "reflect", "replicate", "circular")


def output_size(
    size: Sequence[int], taps_size: Sequence[int], up: Sequence[int], down: Sequence[int], padding: Sequence[int]
) -> tuple[int, int]:
    """Returns (Ho, Wo) for an input (H, W); below 1 where the padded image is smaller than the filter."""
    rows = (size[0] * up[1] + padding[2] + padding[3] - taps_size[0]) // down[1] + 1
    columns = (size[1] * up[0] + padding[0] + padding[1] - taps_size[1]) // down[0] + 1
    return rows, columns


def filter_size(taps: Sequence[int]) -> tuple[int, int]:
    """Returns (fh, fw) of taps of a shape, [fh, fw] or 1-D."""
    return taps[0], taps[-1]


def along_axes(up: Pair, down: Pair, padding: Sequence[int]) -> tuple[Factors, Factors]:
    """Returns the factors and paddings of the two passes that 1-D taps may take: along the rows, then the columns."""
    left, right, top, bottom = padding
    return ((up[0], 1), (down[0], 1), (left, right, 0, 0)), ((1, up[1]), (1, down[1]), (0, 0, top, bottom))


def filter_of(taps: Tensor, gain: float) -> Tensor:
    """Returns the filter [fh, fw] of taps, and of 1-D ones their outer product, times the gain."""
    along = taps if gain == 1 else taps * gain
    return along if taps.dim() == 2 else torch.outer(along, taps)


def upfirdn2d(
    x: Tensor,
    taps: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    gain: float = 1.0,
) -> Tensor:
    """Returns x after zero insertion, padding, convolution with the taps and decimation: [..., Ho, Wo].

    The op behind `specops.upfirdn2d`, which takes short forms of the arguments, and flip.

    Args:
        x: real images [..., H, W].
        taps: coefficients of the filter: [fh, fw]; or 1-D, along both axes; float64 for float64 images, else float32.
            Gradient.
        up, down: factors (x, y), >= 1.
        padding: (x0, x1, y0, y1) in samples of the zero-inserted image; negative crops.
        boundary: `zeros`, `reflect`, `replicate` or `circular`.
        gain: factor on the filter; finite.

    Returns:
        [..., Ho, Wo] in the dtype of x, channels_last where x is; Ho = (H·up_y + y0 + y1 - fh) // down_y + 1.

    Raises:
        TypeError, ValueError: shapes, dtypes or values do not fit.

    Example:
        >>> import torch
        >>> from specops.ops import upfirdn2d
        >>> upfirdn2d(torch.ones(1, 2), torch.ones(1, 1), (2, 1), (1, 1), (0, 0, 0, 0), "zeros")
        tensor([[1., 0., 1., 0.]])
    """
    check_image("x", x)
    _check_taps(x, taps)
    check_sampling(x.shape, filter_size(taps.shape), up, down, padding, boundary)
    return _upfirdn2d(x, taps, up, down, padding, boundary, number("gain", gain))


def upfirdn2d_transpose(
    y: Tensor,
    taps: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    size: Sequence[int],
    gain: float = 1.0,
) -> Tensor:
    """Returns the adjoint of `upfirdn2d` in x, applied to y [..., Ho, Wo]: [..., H, W] with (H, W) = `size`.

    <upfirdn2d(x, taps), y> = <x, upfirdn2d_transpose(y, taps)>; arguments as in `upfirdn2d`.

    Example:
        >>> import torch
        >>> from specops.ops import upfirdn2d_transpose
        >>> y = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
        >>> upfirdn2d_transpose(y, torch.ones(1, 1), (2, 1), (1, 1), (0, 0, 0, 0), "zeros", (1, 2))
        tensor([[1., 3.]])
    """
    check_image("y", y)
    _check_taps(y, taps)
    _check_factors(up, down, padding, boundary)
    _check_output(size, y.shape[-2:], filter_size(taps.shape), up, down, padding)
    return _upfirdn2d_transpose(y, taps, up, down, padding, boundary, size, number("gain", gain))


def upfirdn2d_filter_correlation(
    x: Tensor,
    y: Tensor,
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
    taps_size: Sequence[int],
) -> Tensor:
    """Returns the adjoint of `upfirdn2d` in the taps, for x [..., H, W] and y [..., Ho, Wo]: [fh, fw] = `taps_size`.

    <upfirdn2d(x, taps), y> = <taps, upfirdn2d_filter_correlation(x, y)>, summed over all images; arguments as in
    `upfirdn2d`.

    Example:
        >>> import torch
        >>> from specops.ops import upfirdn2d_filter_correlation
        >>> x = torch.tensor([[1.0, 2.0, 3.0]])
        >>> upfirdn2d_filter_correlation(x, torch.ones(1, 2), (1, 1), (1, 1), (0, 0, 0, 0), "zeros", (1, 2))
        tensor([[5., 3.]])
    """
    check_image("x", x)
    check_image("y", y)
    if x.dtype != y.dtype or x.device != y.device or x.shape[:-2] != y.shape[:-2]:
        raise ValueError(
            f"x and y must have one dtype, device and batch; got {list(x.shape)} {x.dtype} on {x.device} and "
            f"{list(y.shape)} {y.dtype} on {y.device}."
        )
    _check_factors(up, down, padding, boundary)
    _check_output(x.shape[-2:], y.shape[-2:], taps_size, up, down, padding)
    return _upfirdn2d_filter_correlation(x, y, up, down, padding, boundary, taps_size)


def hashable(sampling: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns how an op samples with tuples in the place of lists, which torch's dispatcher makes."""
    return tuple(tuple(part) if isinstance(part, list) else part for part in sampling)


def check_sampling(
    shape: Sequence[int],
    taps_size: Sequence[int],
    up: Sequence[int],
    down: Sequence[int],
    padding: Sequence[int],
    boundary: str,
) -> None:
    """Raises ValueError unless images [..., H, W] can be resampled so by taps (fh, fw)."""
    if min(taps_size) < 1:
        raise ValueError(f"taps must be [fh, fw] with at least one tap; got {list(taps_size)}.")
    _check_factors(up, down, padding, boundary)
    if min(output_size(shape[-2:], taps_size, up, down, padding)) < 1:
        raise ValueError(
            f"the filter {list(taps_size)} is larger than the padded image: x {list(shape)}, up {list(up)}, padding "
            f"{list(padding)}. Pad more or use fewer taps."
        )


def _check_taps(x: Tensor, taps: Tensor) -> None:
    if taps.dim() not in (1, 2) or taps.numel() == 0:
        raise ValueError(f"taps must be [fh, fw] or 1-D with at least one tap; got {list(taps.shape)}.")
    if taps.dtype != compute_dtype(x.dtype) or taps.device != x.device:
        raise TypeError(
            f"the filter's taps must be {compute_dtype(x.dtype)} on {x.device} for images of {x.dtype}; got "
            f"{taps.dtype} on {taps.device}. Convert them."
        )


def _check_factors(up: Sequence[int], down: Sequence[int], padding: Sequence[int], boundary: str) -> None:
    for name, factor in (("up", up), ("down", down)):
        if len(factor) != 2 or min(factor) < 1:
            raise ValueError(f"{name} must be two factors (x, y) >= 1; got {factor}.")
    if len(padding) != 4:
        raise ValueError(f"padding must be (x0, x1, y0, y1); got {padding}.")
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be one of {', '.join(BOUNDARIES)}; got {boundary!r}.")


def _check_output(size: Sequence[int], out: Sequence[int], taps_size: Sequence[int], *factors_and_padding: Any) -> None:
    expected = output_size(size, taps_size, *factors_and_padding)
    if tuple(out) != expected:
        raise ValueError(
            f"y must be [..., {expected[0]}, {expected[1]}] for these arguments; got [..., {out[0]}, {out[1]}]."
        )


def _new_image(x: Tensor, size: Sequence[int]) -> Tensor:
    return torch.empty((*x.shape[:-2], *size), dtype=x.dtype, device=x.device, memory_format=memory_format(x))


def _upfirdn2d_fake(x: Tensor, taps: Tensor, *sampling: Any) -> Tensor:
    return _new_image(x, output_size(x.shape[-2:], filter_size(taps.shape), *sampling[:3]))


def _transpose_fake(
    y: Tensor, taps: Tensor, up: Any, down: Any, padding: Any, boundary: str, size: Any, gain: float = 1.0
) -> Tensor:
    return _new_image(y, size)


def _correlation_fake(x: Tensor, y: Tensor, *sampling_and_taps: Any) -> Tensor:
    return x.new_empty(tuple(sampling_and_taps[-1]), dtype=compute_dtype(x.dtype))


Needs = tuple[bool, bool]
Gradients = tuple[Tensor | None, Tensor | None]


def _upfirdn2d_backward(
    needs: Needs,
    grad: Tensor,
    x: Tensor,
    taps: Tensor,
    up: Any,
    down: Any,
    padding: Any,
    boundary: str,
    gain: float = 1.0,
) -> Gradients:
    sampling = up, down, padding, boundary
    grad_x = _upfirdn2d_transpose(grad, taps, *sampling, x.shape[-2:], gain) if needs[0] else None
    return grad_x, _gradient_of_taps(x, grad, taps, gain, *sampling) if needs[1] else None


def _transpose_backward(
    needs: Needs,
    grad: Tensor,
    y: Tensor,
    taps: Tensor,
    up: Any,
    down: Any,
    padding: Any,
    boundary: str,
    _: Any,
    gain: float = 1.0,
) -> Gradients:
    sampling = up, down, padding, boundary
    grad_y = _upfirdn2d(grad, taps, *sampling, gain) if needs[0] else None
    return grad_y, _gradient_of_taps(grad, y, taps, gain, *sampling) if needs[1] else None


def _gradient_of_taps(
    x: Tensor, y: Tensor, taps: Tensor, gain: float, up: Any, down: Any, padding: Any, boundary: str
) -> Tensor:
    """The derivative of <upfirdn2d(x, taps), y>; of 1-D taps as those of the rows and as those of the columns."""
    if taps.dim() == 2:
        found = _upfirdn2d_filter_correlation(x, y, up, down, padding, boundary, taps.shape)
    else:
        across, along = along_axes(up, down, padding)
        wide_x, wide_y, n = x.to(taps.dtype), y.to(taps.dtype), taps.shape[0]
        rows = _upfirdn2d(wide_x, taps.unsqueeze(0), *across, boundary)
        columns = _upfirdn2d_transpose(wide_y, taps.unsqueeze(1), *along, boundary, rows.shape[-2:])
        of_columns = _upfirdn2d_filter_correlation(rows, wide_y, *along, boundary, (n, 1))
        of_rows = _upfirdn2d_filter_correlation(wide_x, columns, *across, boundary, (1, n))
        found = of_columns.squeeze(1) + of_rows.squeeze(0)
    return found if gain == 1 else found * gain


def _jvp(op: str, tangents: tuple[Tensor | None, ...], first: Tensor, taps: Tensor, *rest: Any) -> Tensor:
    """Of the ops that take taps, of whose 1-D ones they are no linear function."""
    call, (tangent, of_taps) = getattr(torch.ops.specops, op).default, tangents[:2]
    if of_taps is not None and taps.dim() == 1:
        of_taps = torch.outer(of_taps, taps) + torch.outer(taps, of_taps)
    terms = [] if tangent is None else [call(tangent, taps, *rest)]
    terms += [] if of_taps is None else [call(first, of_taps, *rest)]
    return sum(terms[1:], terms[0])


def _correlation_backward(needs: Needs, grad: Tensor, x: Tensor, y: Tensor, *sampling_and_taps: Any) -> Gradients:
    sampling = sampling_and_taps[:-1]
    grad_x = _upfirdn2d_transpose(y, grad, *sampling, x.shape[-2:]) if needs[0] else None
    grad_y = _upfirdn2d(x, grad, *sampling) if needs[1] else None
    return grad_x, grad_y


def _vmap(op: str, info: Any, dims: Any, *args: Any) -> tuple[Tensor, int]:
    call = getattr(torch.ops.specops, op).default
    if dims[1] is None and op != "upfirdn2d_filter_correlation":  # one filter for all slices: they are a larger batch
        return call(args[0].movedim(dims[0], 0), *args[1:]), 0
    first, second = (batch_first(t, dim, info.batch_size) for t, dim in zip(args[:2], dims[:2], strict=True))
    return torch.stack([call(a, b, *args[2:]) for a, b in zip(first, second, strict=True)]), 0


_SAMPLING = "int[] up, int[] down, SymInt[] padding, str boundary"
_upfirdn2d = register(
    f"upfirdn2d(Tensor x, Tensor taps, {_SAMPLING}, float gain=1.) -> Tensor",
    upfirdn2d,
    fake=_upfirdn2d_fake,
    backward=_upfirdn2d_backward,
    jvp=functools.partial(_jvp, "upfirdn2d"),
    vmap=functools.partial(_vmap, "upfirdn2d"),
)
_upfirdn2d_transpose = register(
    f"upfirdn2d_transpose(Tensor y, Tensor taps, {_SAMPLING}, SymInt[] size, float gain=1.) -> Tensor",
    upfirdn2d_transpose,
    fake=_transpose_fake,
    backward=_transpose_backward,
    jvp=functools.partial(_jvp, "upfirdn2d_transpose"),
    vmap=functools.partial(_vmap, "upfirdn2d_transpose"),
)
_upfirdn2d_filter_correlation = register(
    f"upfirdn2d_filter_correlation(Tensor x, Tensor y, {_SAMPLING}, SymInt[] taps_size) -> Tensor",
    upfirdn2d_filter_correlation,
    fake=_correlation_fake,
    backward=_correlation_backward,
    vmap=functools.partial(_vmap, "upfirdn2d_filter_correlation"),
)
