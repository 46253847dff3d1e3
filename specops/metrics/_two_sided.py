"""The base of all metrics: two sides of images, real and generated, and the check that both have one range."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from specops import geometry
from specops.nn._arguments import check_size

SIDES = ("real", "fake")
FEW = 4  # images, of which the least and greatest value say little about the range of a set


class TwoSided(Metric):
    """A metric that `update(images, real)` feeds with one side at a time, so that a batch has no value of its own.

    It warns once, when it is computed, of sides whose values plainly have two units.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, size: geometry.Size, **options: Any) -> None:
        # A kept value would let a process without new images stay away while the others wait for it.
        super().__init__(**{"compute_with_cache": False, **options})
        self.size = geometry.checked_size(size)
        self._widths: dict[str, int] = {}
        self._has_warned = False
        for side in SIDES:
            none = torch.tensor([torch.inf, -torch.inf, 0], dtype=torch.float32)
            self.add_state(f"{side}_values", default=none, dist_reduce_fx=merged_values)

    def forward(self, images: Tensor, real: bool) -> Any:
        """Updates; returns None, since a value needs both kinds of images: call `compute`."""
        self.update(images, real)

    def add_rows(self, name: str, width: int) -> None:
        """Adds a state of rows [n, width], n growing."""
        self._widths[name] = width
        self.add_state(name, default=[], dist_reduce_fx="cat")

    def rows(self, name: str) -> Tensor:
        """Returns all rows of a state: [n, width]."""
        state = getattr(self, name)
        if isinstance(state, Tensor):
            return state
        return torch.cat(state) if state else torch.zeros(0, self._widths[name], device=self.device)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gathers the states of all processes; a process without images takes part with no rows of the right width."""
        for name in self._widths:
            if isinstance(getattr(self, name), list):
                setattr(self, name, [self.rows(name)])
        super().sync(*args, **kwargs)

    def images(self, images: Tensor) -> Tensor:
        """Returns images [..., C, H, W] as [n, C, H, W] without gradient, or raises TypeError or ValueError."""
        check_size(images, self.size)
        if images.dim() < 3 or images.shape[-3] < 1:
            raise ValueError(f"images must be [..., C, H, W]; got {list(images.shape)}. Add channels: x.unsqueeze(-3).")
        if images.device != self.device:
            raise ValueError(f"images must be on {self.device} like the metric; got {images.device}. Move one of both.")
        return images.detach().reshape(-1, *images.shape[-3:])

    def side(self, real: bool) -> str:
        """Returns "real" or "fake"."""
        if not isinstance(real, bool):
            raise TypeError(f"real must be True for real images, False for generated ones; got {real!r}.")
        return "real" if real else "fake"

    def note_values(self, side: str, images: Tensor) -> None:
        """Adds the least and the greatest value of images [n, C, H, W] and n to the state of a side."""
        if images.numel() > 0:
            n = images.new_full((), images.shape[0], dtype=torch.float32)
            seen = torch.stack([*(value.float() for value in images.aminmax()), n])
            setattr(self, f"{side}_values", merged_values(torch.stack([getattr(self, f"{side}_values"), seen])))

    def compare_values(self) -> None:
        """Warns, once in the life of the metric, of sides whose values plainly have two units."""
        real, fake = (getattr(self, f"{side}_values").tolist() for side in SIDES)
        if self._has_warned or min(real[2], fake[2]) < FEW or not units_differ((real[0], real[1]), (fake[0], fake[1])):
            return
        self._has_warned = True
        warnings.warn(
            f"{type(self).__name__}: real images have values from {real[0]:g} to {real[1]:g}, generated ones from "
            f"{fake[0]:g} to {fake[1]:g}. Bring both to one range before update, as by 2 * x - 1 for [0, 1] and "
            "x / 127.5 - 1 for [0, 255].",
            UserWarning,
            stacklevel=_level_of_user(),
        )

    def require(self, counts: dict[str, int], at_least: int = 1) -> None:
        """Raises RuntimeError unless there were that many images of each side, and compares their values."""
        if min(counts.values()) < at_least:
            raise RuntimeError(
                f"{type(self).__name__} needs at least {at_least} real and {at_least} generated images; got "
                f"{counts['real']} and {counts['fake']}. Call update(images, real=True) and update(images, real=False)."
            )
        self.compare_values()


def merged_values(parts: Tensor) -> Tensor:
    """Returns the least value, the greatest and the number of images of the union of parts [n, 3]: [3]."""
    least, greatest, count = parts.unbind(1)
    return torch.stack([least.amin(), greatest.amax(), count.sum()])


def units_differ(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Returns whether sides with values from a[0] to a[1] and b[0] to b[1] plainly have two units.

    Each must show its unit by a wide range. A blank side shows none, nor does one of little contrast, as of a generator
    that has yet to learn, nor one with values that are not finite.
    """
    units = {_units(*a), _units(*b)}
    return len(units) == 2 and None not in units


def _units(low: float, high: float) -> str | None:
    """Returns the unit that values from low to high plainly have, or None.

    Signed values, as in [-1, 1], reach 0.5 on both sides of 0, and half as far on one side as on the other. Values in
    [0, 1] or [0, 255] begin at 0, give or take 5 % of the greatest, which is 0.5 to 2 or above 64.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    if min(-low, high) >= 0.5 * max(1, -low, high):
        return "signed"
    if abs(low) > 0.05 * high:
        return None
    return "[0, 1]" if 0.5 <= high <= 2 else "[0, 255]" if high > 64 else None


def _level_of_user() -> int:
    """Returns the stack level, for a warning by the caller, of the first frame outside specops and torchmetrics."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("specops", "torchmetrics"):
        frame, level = frame.f_back, level + 1
    return level
