"""High-frequency filter and confusion as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import functional
from specops.functional._options import warn_of_units
from specops.functional._value_range import bounds


class _LowPassed(nn.Module):
    def __init__(
        self,
        radius: float | None = None,
        *,
        cutoff: float | None = None,
        kind: str = "ideal",
        value_range: tuple[float, float] = (-1, 1),
    ) -> None:
        super().__init__()
        warn_of_units(radius, cutoff)
        inside = torch.full((1, 1), sum(bounds(value_range)) / 2, device="cpu")
        functional.hff(inside, radius, cutoff=cutoff, kind=kind, value_range=value_range)
        self.radius, self.cutoff, self.kind, self.value_range = radius, cutoff, kind, value_range

    def extra_repr(self) -> str:
        extent = f"radius={self.radius}" if self.cutoff is None else f"cutoff={self.cutoff}"
        return f"{extent}, kind={self.kind!r}, value_range={self.value_range}"


class HFF(_LowPassed):
    """Removes high frequencies from images [..., H, W], with `specops.hff`.

    Args:
        radius, cutoff, kind, value_range: as in `specops.hff`; numbers.

    Raises:
        TypeError, ValueError: wrong kind, range, radius or cutoff; both or none of the last two.

    Example:
        >>> import specops
        >>> specops.nn.HFF(20.0)
        HFF(radius=20.0, kind='ideal', value_range=(-1, 1))
        >>> specops.nn.HFF(cutoff=0.3125)
        HFF(cutoff=0.3125, kind='ideal', value_range=(-1, 1))
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.hff(x, self.radius, cutoff=self.cutoff, kind=self.kind, value_range=self.value_range)


class HFC(_LowPassed):
    """Gives fake images the high frequencies of real ones, with `specops.hfc`: (real, fake) -> (real, fake).

    Args:
        radius, cutoff, kind, value_range: as in `specops.hfc`; numbers.

    Raises:
        TypeError, ValueError: wrong kind, range, radius or cutoff; both or none of the last two.

    Example:
        >>> import specops
        >>> specops.nn.HFC(20.0)
        HFC(radius=20.0, kind='ideal', value_range=(-1, 1))
    """

    def forward(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return functional.hfc(real, fake, self.radius, cutoff=self.cutoff, kind=self.kind, value_range=self.value_range)
