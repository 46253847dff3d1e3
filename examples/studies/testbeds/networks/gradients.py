"""Convolution, LeakyReLU and pixel norm whose gradients, of the first and the second order, do no needless work.

The numbers are those of torch's own up to rounding; derivatives of any order exist.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SLOPE = 0.2
EPSILON = 1e-8
_STRIDE, _DILATION, _OUTPUT_PADDING, _GROUPS = [1, 1], [1, 1], [0, 0], 1

_skip_parameters = False


@contextlib.contextmanager
def of_inputs_alone() -> Iterator[None]:
    """Within it, gradients of `conv2d` to weight and bias are not computed, and come out as None."""
    global _skip_parameters
    before, _skip_parameters = _skip_parameters, True
    try:
        yield
    finally:
        _skip_parameters = before


def conv2d(x: Tensor, weight: Tensor, bias: Tensor, *, padding: int) -> Tensor:
    """`x [n, C, H, W]` convolved with `weight [C', C, k, k]`, plus `bias [C']`."""
    y: Tensor = _Conv.apply(x, weight, bias, padding)  # type: ignore[no-untyped-call]
    return y


def leaky_relu(x: Tensor) -> Tensor:
    """x where positive, 0.2·x elsewhere; writes over `x`."""
    y: Tensor = _LeakyReLU.apply(x)  # type: ignore[no-untyped-call]
    return y


def pixel_norm(x: Tensor) -> Tensor:
    """`x [n, C, H, W]` over the root mean square of its channels: y = x / r with r = sqrt(mean_c x² + 1e-8)."""
    y: Tensor = _PixelNorm.apply(x)  # type: ignore[no-untyped-call]
    return y


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return functional.conv2d(x, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = ctx.needs_input_grad[0]
        of_weight, of_bias = (need and not _skip_parameters for need in ctx.needs_input_grad[1:3])
        if not (of_x and torch.is_grad_enabled()):
            return *_gradients(gradient, x, weight, ctx.padding, of_x, of_weight, of_bias), None
        to_x: Tensor = _ConvInputGradient.apply(gradient, x.detach(), weight, ctx.padding)  # type: ignore[no-untyped-call]
        _, to_weight, to_bias = (
            _gradients(gradient, x, weight, ctx.padding, False, of_weight, of_bias)
            if of_weight or of_bias
            else (None, None, None)
        )
        return to_x, to_weight, to_bias, None


class _ConvInputGradient(torch.autograd.Function):
    """The transposed convolution. torch's own derivative of it to the weight is a convolution with a kernel as large
    as the image, twice as slow as the gradient of a convolution's weight, which it equals.
    """

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, padding: int) -> Tensor | None:
        ctx.save_for_backward(gradient, weight)
        ctx.padding = padding
        return _gradients(gradient, x, weight, padding, True, False, False)[0]

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        to_gradient = conv2d(tangent, weight, weight.new_zeros(len(weight)), padding=ctx.padding)
        to_weight = _gradients(gradient, tangent, weight, ctx.padding, False, True, False)[1]
        return to_gradient, None, to_weight, None


class _LeakyReLU(torch.autograd.Function):
    """The second derivative is not there: torch's own is zeros, sent through all layers below."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        y = functional.leaky_relu_(x, SLOPE)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        to_x: Tensor = _Slope.apply(gradient, y.detach())  # type: ignore[no-untyped-call]
        return to_x


class _Slope(torch.autograd.Function):
    """A gradient times 1 or 0.2 by the sign of y."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return torch.ops.aten.leaky_relu_backward(gradient, y, SLOPE, True)

    @staticmethod
    def backward(ctx: Any, tangent: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return _Slope.apply(tangent, y), None  # type: ignore[no-untyped-call]


class _PixelNorm(torch.autograd.Function):
    """Pixel norm with its gradient in closed form, (g − y · mean_c(g · y)) / r: a third of autograd's passes over x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # Division rather than rsqrt: Adam's first steps amplify a last-bit difference to 1e-3 of the loss.
        root = x.square().mean(dim=1, keepdim=True).add_(EPSILON).sqrt_()
        y = x / root
        ctx.save_for_backward(x, y, root)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, y, root = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of the gradient is asked for
            root = torch.sqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
            return (gradient - y * (gradient * y).mean(dim=1, keepdim=True)) / root
        share = (gradient * y).mean(dim=1, keepdim=True)
        return torch.addcmul(gradient, y, share, value=-1).div_(root)


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, padding: int, of_x: bool, of_weight: bool, of_bias: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Those gradients of a convolution that are asked for."""
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, [len(weight)], _STRIDE, [padding] * 2, _DILATION, False, _OUTPUT_PADDING, _GROUPS,
        [of_x, of_weight, of_bias],
    )  # fmt: skip
