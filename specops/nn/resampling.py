"""Resampling as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import functional
from specops.functional.options import check_choice
from specops.functional.resampling import UPSAMPLE_MODES


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
