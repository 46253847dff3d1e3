"""The range of values that images are said to have, and whether it is checked."""

from __future__ import annotations

from types import TracebackType

from torch import Tensor

from specops.functional.options import number_pair
from specops.geometry import traced

_checked = False


class check_value_range:  # noqa: N801 - called as torch.set_grad_enabled is
    """Makes `hff` and `hfc` raise ValueError for images with values outside `value_range`, or no longer.

    A look at the values waits for the device of the images, so nobody looks unless asked to. Called, it holds from then
    on and in all threads; in a `with`, until the end of the block. NaN lies outside every range. Nothing is looked at
    where torch traces or transforms (torch.compile, torch.export, torch.func), nor on the meta device.

    Args:
        on: whether values are checked.

    Example:
        >>> import torch, specops
        >>> with specops.functional.check_value_range(True):
        ...     specops.hff(torch.full((8, 8), 255.0), 3)
        Traceback (most recent call last):
        ValueError: x must have values in value_range (-1.0, 1.0); got 255 to 255. Scale it, or give its value_range.
    """

    def __init__(self, on: bool) -> None:
        global _checked
        self.before, _checked = _checked, bool(on)

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        global _checked
        _checked = self.before


def bounds(value_range: object) -> tuple[float, float]:
    """Returns (lo, hi) as floats, or raises TypeError or ValueError."""
    low, high = number_pair("value_range", value_range, "(lo, hi)")
    if not low < high:
        raise ValueError(f"value_range must be (lo, hi) with lo < hi; got {value_range!r}.")
    return low, high


def check_values(name: str, x: Tensor, low: float, high: float) -> None:
    """Raises ValueError unless x has its values in [low, high], if `check_value_range` is on."""
    if not _checked or traced() or x.is_meta or x.numel() == 0:
        return
    least, most = x.detach().aminmax()
    if not bool((least >= low) & (most <= high)):  # compared in the dtype of x, to which its own range was rounded
        raise ValueError(
            f"{name} must have values in value_range ({low}, {high}); got {float(least):g} to {float(most):g}. "
            "Scale it, or give its value_range."
        )
