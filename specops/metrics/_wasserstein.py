"""The sliced Wasserstein distance between patches of image pyramids."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from specops import functional, geometry
from specops.functional._options import integer
from specops.metrics._two_sided import SIDES, TwoSided

PATCH = 7  # pixels
SMALLEST = 16  # pixels, of the last level


class SlicedWassersteinDistance(TwoSided):
    """Measures how far patches of generated images are from those of real ones, by scale: a dict of float64 scalars.

    1. Each image becomes a Laplacian pyramid, from its own resolution down to 16 pixels: a level is the image less its
       blurred half, enlarged; the last is what remains.
    2. Patches of 7 × 7 pixels are taken from each level at random positions. Over all patches of a side and level, each
       channel is brought to mean 0 and deviation 1.
    3. The distance of a level is the mean over random directions of the Wasserstein-1 distance of the patches projected
       to them.

    The pixels of an image and `seed` decide its positions, so that values depend neither on batches nor on processes.
    The patches are kept: 75 kB per image and level for RGB with the defaults.

    Args:
        size: (H, W) of the images, or the side of square ones; >= 7.
        channels: C.
        patches_per_image: per level.
        directions, repeats: `directions` random directions are drawn `repeats` times; memory grows with `directions`
            alone.
        seed: of positions and directions, 0 to 2³² - 1.
        options: those of torchmetrics.Metric.

    compute() returns `swd_S` for each level, S the longer side of the level, and their mean `swd`. Published tables
    give 1000 times these values.

    Raises:
        TypeError, ValueError: wrong options; images of another size or number of channels, `real` not a bool.
        RuntimeError: compute() before there are images of both sides.

    Source:
        Karras, Aila, Laine, Lehtinen 2018, "Progressive Growing of GANs", section 5.

    Example:
        >>> import torch
        >>> from specops.metrics import SlicedWassersteinDistance
        >>> distance = SlicedWassersteinDistance(32)
        >>> images = torch.randn(4, 3, 32, 32)
        >>> distance.update(images, real=True)
        >>> distance.update(images, real=False)
        >>> {level: float(value) for level, value in distance.compute().items()}
        {'swd_32': 0.0, 'swd_16': 0.0, 'swd': 0.0}
    """

    higher_is_better = False

    def __init__(
        self,
        size: geometry.Size,
        *,
        channels: int = 3,
        patches_per_image: int = 128,
        directions: int = 128,
        repeats: int = 4,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(size, **options)
        self.channels = integer("channels", channels, least=1)
        self.patches_per_image = integer("patches_per_image", patches_per_image, least=1)
        self.directions, self.repeats = integer("directions", directions, least=1), integer("repeats", repeats, least=1)
        self.seed = integer("seed", seed, least=0, most=2**32 - 1)
        if min(self.size) < PATCH:
            raise ValueError(f"size must be at least {PATCH} x {PATCH} pixels, one patch; got {self.size}.")
        self.levels = _level_sizes(self.size)
        for side in SIDES:
            for level in self.levels:
                self.add_rows(_state(side, level), self.channels * PATCH**2)

    def update(self, images: Tensor, real: bool) -> None:
        """Adds images [..., C, H, W]."""
        side = self.side(real)
        x = self.images(images).float()
        if x.shape[1] != self.channels:
            raise ValueError(f"images must have {self.channels} channels, as this was built for; got {x.shape[1]}.")
        self.note_values(side, x)
        draws = [torch.Generator().manual_seed(key) for key in self._keys(x)]
        for level, band in zip(self.levels, laplacian_pyramid(x, len(self.levels)), strict=True):
            corners = (level[0] - PATCH + 1, level[1] - PATCH + 1)
            rows, columns = (
                torch.stack([torch.randint(n, (self.patches_per_image,), generator=draw) for draw in draws])
                if draws
                else torch.zeros(0, self.patches_per_image, dtype=torch.int64)
                for n in corners
            )
            getattr(self, _state(side, level)).append(_patches(band, rows.to(x.device), columns.to(x.device)))

    def compute(self) -> dict[str, Tensor]:
        """Returns the distances of all images so far, of all processes."""
        draw = torch.Generator().manual_seed(self.seed)
        width = self.channels * PATCH**2
        directions = torch.randn(self.repeats, width, self.directions, generator=draw, dtype=torch.float64)
        directions = (directions / directions.norm(dim=1, keepdim=True)).float().to(self.device)
        values = {}
        for level in self.levels:
            patches = {side: self.rows(_state(side, level)) for side in SIDES}
            self.require({side: len(rows) // self.patches_per_image for side, rows in patches.items()})
            real, fake = (_normalized(rows, self.channels) for rows in patches.values())
            distances = [wasserstein_1(real @ some, fake @ some).mean() for some in directions]
            values[f"swd_{max(level)}"] = torch.stack(distances).mean()
        return {**values, "swd": torch.stack(list(values.values())).mean()}

    def _keys(self, x: Tensor) -> list[int]:
        """A number per image of x [n, C, H, W], from its bits and the seed."""
        bits = x.contiguous().flatten(1).view(torch.int32).long().sum(1)
        return [(key + 0x9E3779B97F4A7C15 * self.seed) % 2**63 for key in bits.tolist()]


def laplacian_pyramid(x: Tensor, n_levels: int) -> list[Tensor]:
    """Returns the levels of the Laplacian pyramid of x [n, C, H, W], the finest first.

    Halving is a filter by [1, 4, 6, 4, 1] / 16 along both axes and every second pixel; enlarging is zero insertion and
    twice that filter. Images are mirrored at their edge pixels.
    """
    f = x.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    levels = []
    for _ in range(n_levels - 1):
        half = functional.upfirdn2d(x, f, down=2, padding=2, boundary="reflect")
        enlarged = functional.upfirdn2d(functional.upsample(half, mode="zeros"), 2 * f, padding=2, boundary="reflect")
        levels.append(x - enlarged[..., : x.shape[-2], : x.shape[-1]])
        x = half
    return [*levels, x]


def wasserstein_1(a: Tensor, b: Tensor) -> Tensor:
    """Returns the Wasserstein-1 distance of each pair of columns of a [n, d] and b [m, d], as samples: [d], float64.

    The integral over q in [0, 1] of |quantile_a(q) - quantile_b(q)|, both constant between multiples of 1/n and 1/m.
    """
    n, m = len(a), len(b)
    a, b = a.sort(0).values, b.sort(0).values
    if n == m:
        return (a - b).abs().mean(0, dtype=torch.float64)
    starts = torch.cat([torch.arange(n, device=a.device) * m, torch.arange(m, device=a.device) * n]).unique()
    widths = torch.diff(starts, append=starts.new_tensor([n * m])).double() / (n * m)
    return ((a[starts // m] - b[starts // n]).abs() * widths.unsqueeze(1)).sum(0)


def _normalized(patches: Tensor, channels: int) -> Tensor:
    """patches [n, C·49] with each channel brought to mean 0 and deviation 1; a constant one to 0."""
    rows = patches.unflatten(1, (channels, -1)).double()
    deviation = rows.std((0, 2), correction=0, keepdim=True)
    rows = (rows - rows.mean((0, 2), keepdim=True)) / torch.where(deviation == 0, 1, deviation)
    return rows.flatten(1).float()


def _patches(band: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Patches of band [n, C, H, W] with their first pixels at rows, columns [n, P]: [n·P, C·49]."""
    windows = band.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
    image = torch.arange(len(band), device=band.device).unsqueeze(1)
    return windows[image, :, rows, columns].reshape(-1, band.shape[1] * PATCH**2)


def _level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    sizes = [size]
    while min(sizes[-1]) >= 2 * SMALLEST:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def _state(side: str, level: tuple[int, int]) -> str:
    return f"{side}_patches_{level[0]}x{level[1]}"
