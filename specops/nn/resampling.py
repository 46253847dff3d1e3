"""Resampling as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import functional
from specops.functional.options import check_choice, integer
from specops.functional.resampling import DOWNSAMPLE_MODES, UPSAMPLE_MODES, blurred, check_taps
from specops.ops.contract import check_image
from specops.ops.resample.contract import BOUNDARIES

SHORT_NAMES = {"zero": "zeros", "refl": "reflect", "repl": "replicate"}


class Upsample(nn.Module):
    """Returns, called with images [..., H, W], these enlarged: `specops.upsample`.

    Args:
        factor, mode: as in `specops.upsample`.

    Raises:
        TypeError, ValueError: wrong factor or mode.

    Example:
        >>> import specops.nn
        >>> specops.nn.Upsample(mode="bilinear")
        Upsample(factor=2, mode='bilinear')
    """

    def __init__(self, factor: int = 2, *, mode: str) -> None:
        super().__init__()
        check_choice("mode", mode, UPSAMPLE_MODES)
        functional.upsample(torch.zeros(1, 1, device="cpu"), factor, mode="nearest")
        self.factor, self.mode = factor, mode

    def forward(self, x: Tensor) -> Tensor:
        return functional.upsample(x, self.factor, mode=self.mode)

    def extra_repr(self) -> str:
        return f"factor={self.factor}, mode={self.mode!r}"


class Downsample(nn.Module):
    """Returns, called with images [..., H, W], these reduced: `specops.downsample`.

    Args:
        factor, mode, taps: as in `specops.downsample`.

    Raises:
        TypeError, ValueError: wrong factor, mode or taps.

    Example:
        >>> import specops.nn
        >>> specops.nn.Downsample(mode="blur")
        Downsample(factor=2, mode='blur', taps=3)
    """

    def __init__(self, factor: int = 2, *, mode: str, taps: int = 3) -> None:
        super().__init__()
        check_choice("mode", mode, DOWNSAMPLE_MODES)
        functional.downsample(torch.zeros(1, 1, device="cpu"), factor, mode="blur", taps=taps)
        self.factor, self.mode, self.taps = factor, mode, taps

    def forward(self, x: Tensor) -> Tensor:
        return functional.downsample(x, self.factor, mode=self.mode, taps=self.taps)

    def extra_repr(self) -> str:
        taps = f", taps={self.taps}" if self.mode == "blur" else ""
        return f"factor={self.factor}, mode={self.mode!r}{taps}"


class BlurPool(nn.Module):
    """Returns, called with images [..., C, H, W], these blurred by a binomial filter and subsampled.

    Args:
        channels: C, checked at each call.
        filt_size: taps of the filter, 1 to 7.
        stride: factor, >= 1.
        pad_type: how edges are extended: `reflect`, `replicate`, `zeros` (also `zero`) or `circular`.

    Raises:
        TypeError, ValueError: wrong arguments, or images of another number of channels.

    Source:
        Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"; the arguments are its layer's.

    Example:
        >>> import torch, specops.nn
        >>> specops.nn.BlurPool(3)(torch.ones(1, 3, 9, 8)).shape
        torch.Size([1, 3, 5, 4])
    """

    def __init__(self, channels: int, filt_size: int = 4, stride: int = 2, pad_type: str = "reflect") -> None:
        super().__init__()
        check_choice("pad_type", pad_type, (*BOUNDARIES, *SHORT_NAMES))
        boundary = SHORT_NAMES.get(pad_type, pad_type)
        check_taps(filt_size)
        functional.downsample(torch.zeros(1, 1, device="cpu"), stride, mode="stride")
        self.channels = integer("channels", channels, least=1)
        self.filt_size, self.stride, self.pad_type = filt_size, stride, boundary

    def forward(self, x: Tensor) -> Tensor:
        check_image("x", x)
        if x.dim() < 3 or x.shape[-3] != self.channels:
            raise ValueError(f"x must be [..., {self.channels}, H, W]; got shape {list(x.shape)}.")
        return blurred(x, self.filt_size, self.stride, self.pad_type)

    def extra_repr(self) -> str:
        return f"{self.channels}, filt_size={self.filt_size}, stride={self.stride}, pad_type={self.pad_type!r}"
