"""The range of values that the caller says images have, and the switch that checks it."""

from __future__ import annotations

import threading
from types import TracebackType

import torch
from torch import Tensor

from specops._tracing import traced
from specops.functional._options import number_pair


class _Thread(threading.local):
    """State of a thread: whether values are checked, and what the end of each open block restores."""

    def __init__(self) -> None:
        self.checked = False
        self.before: list[bool] = []


_thread = _Thread()


class check_value_range:  # noqa: N801 - called as torch.set_grad_enabled is
    """Sets whether `hff` and `hfc` raise ValueError for images with values outside `value_range`, in this thread.

    A call sets it for all that follows; in a `with`, it holds until the end of the block. Each thread has its own
    setting, off at first because a look at values waits for the images' device. NaN lies outside every range. Values
    are not checked where torch traces or transforms (torch.compile, torch.export, torch.func), nor on the meta device.

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
        self.on = bool(on)
        self._replaced: bool | None = _thread.checked
        _thread.checked = self.on

    def __enter__(self) -> None:
        # In `with check_value_range(True):` the call has set it, so a first block brings back what the call replaced.
        _thread.before.append(_thread.checked if self._replaced is None else self._replaced)
        self._replaced = None
        _thread.checked = self.on

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _thread.checked = _thread.before.pop()


def bounds(value_range: object) -> tuple[float, float]:
    """Returns (lo, hi) as floats, or raises TypeError or ValueError."""
    low, high = number_pair("value_range", value_range, "(lo, hi)")
    if not low < high:
        raise ValueError(f"value_range must be (lo, hi) with lo < hi; got {value_range!r}.")
    return low, high


def check_values(name: str, x: Tensor, value_range: tuple[float, float]) -> None:
    """Raises ValueError unless x has its values in the range, if `check_value_range` is on."""
    # Compiled code must not depend on the switch, so that nothing is compiled again when it changes.
    if torch.compiler.is_compiling() or not _thread.checked or traced() or x.is_meta or x.numel() == 0:
        return
    low, high = bounds(value_range)
    least, most = x.detach().aminmax()
    if not bool((least >= low) & (most <= high)):  # compared in the dtype of x, to which its own range was rounded
        raise ValueError(
            f"{name} must have values in value_range ({low}, {high}); got {float(least):g} to {float(most):g}. "
            "Scale it, or give its value_range."
        )
