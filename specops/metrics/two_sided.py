"""What all metrics share: two sides of images, real and generated."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from specops.nn.arguments import check_size, pair_of_sides


class TwoSided(Metric):
    """A metric fed by update(images, real); one batch holds one kind of image, so that it has no value of its own."""

    is_differentiable = False
    full_state_update = False

    def __init__(self, size: int | tuple[int, int], **options: Any) -> None:
        # A kept value would let a process without new images stay away while the others wait for it.
        super().__init__(**{"compute_with_cache": False, **options})
        self.size = pair_of_sides(size)
        self._widths: dict[str, int] = {}

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
        """Gathers the states of all processes; one without images takes part with no rows, of the others' width."""
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
            raise ValueError(f"images must be on {self.device} like the metric; got {images.device}. Move one of them.")
        return images.detach().reshape(-1, *images.shape[-3:])

    def side(self, real: bool) -> str:
        """Returns "real" or "fake"."""
        if not isinstance(real, bool):
            raise TypeError(f"real must be True for real images, False for generated ones; got {real!r}.")
        return "real" if real else "fake"

    def require(self, counts: dict[str, int], at_least: int = 1) -> None:
        """Raises RuntimeError unless there were that many images of each side."""
        if min(counts.values()) < at_least:
            raise RuntimeError(
                f"{type(self).__name__} needs at least {at_least} real and {at_least} generated images; got "
                f"{counts['real']} and {counts['fake']}. Call update(images, real=True) and update(images, real=False)."
            )
