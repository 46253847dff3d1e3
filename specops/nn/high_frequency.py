"""High-frequency filter and confusion as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import functional


class _OfRadius(nn.Module):
    def __init__(self, radius: float, *, kind: str = "ideal", value_range: tuple[float, float] = (-1, 1)) -> None:
        super().__init__()
        functional.hff(torch.zeros(1, 1, device="cpu"), radius, kind=kind, value_range=value_range)
        self.radius, self.kind, self.value_range = radius, kind, value_range

    def extra_repr(self) -> str:
        return f"radius={self.radius}, kind={self.kind!r}, value_range={self.value_range}"


class HFF(_OfRadius):
    """Returns, called with images [..., H, W], these without their high frequencies: `specops.hff`.

    Args:
        radius, kind, value_range: as in `specops.hff`.

    Raises:
        TypeError, ValueError: wrong radius, kind or range.

    Example:
        >>> import specops.nn
        >>> specops.nn.HFF(20.0)
        HFF(radius=20.0, kind='ideal', value_range=(-1, 1))
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.hff(x, self.radius, kind=self.kind, value_range=self.value_range)


class HFC(_OfRadius):
    """Returns, called with (real, fake), real images and fake ones with their high frequencies: `specops.hfc`.

    Args:
        radius, kind, value_range: as in `specops.hfc`.

    Raises:
        TypeError, ValueError: wrong radius, kind or range.

    Example:
        >>> import specops.nn
        >>> specops.nn.HFC(20.0)
        HFC(radius=20.0, kind='ideal', value_range=(-1, 1))
    """

    def forward(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return functional.hfc(real, fake, self.radius, kind=self.kind, value_range=self.value_range)
