"""Pictures of a set that are looked at once more: outliers, and those whose patches are compared."""

from __future__ import annotations

import copy
import heapq
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from specops.spectra.loading import Framing
from specops.spectra.outcome.comparison import drawn, features_of
from specops.spectra.pixels import Values
from specops.spectra.progress import told
from specops.spectra.sources import Source, UnreadableError, printable
from specops.spectra.sums import Measure, Sums, lot

OUTLIERS = 12
THUMBNAIL = 96  # pixels, the longer side
PATCHED = 512  # pictures of which patches are taken
PATCHES = 32  # of each, per level


@dataclass(frozen=True)
class Outlier:
    """A picture whose profile is far from the reference's: its name, how far, and the bytes of a small JPEG of it."""

    name: str
    distance: float
    thumbnail: bytes


@dataclass(frozen=True)
class Closeup:
    """Outliers of a set, the furthest first, and its sliced Wasserstein distances from the reference, by level."""

    outliers: list[Outlier]
    swd: dict[str, float]


def closeups(
    sources: Sequence[Source], sets: Sequence[Sums], framing: Framing, measure: Measure, limit: int | None, swd: bool
) -> list[Closeup]:
    """Returns that of each set, which has at least one image; of pictures that cannot be read once more, nothing."""
    made: list[Closeup] = []
    real = _metric(measure) if swd else None
    for source, sums in told("closer look", list(zip(sources, sets, strict=True))):
        distances = outliers(sums, sets[0])
        patched = heapq.nsmallest(PATCHED, sums.kept, key=lot) if swd else []
        metric = copy.deepcopy(real) if made else real
        thumbnails: dict[int, bytes] = {}
        for number, values in values_of(source, framing, measure, limit, {*distances, *patched}):
            if number in distances:
                thumbnails[number] = thumbnail(values)
            if metric is not None and number in patched:
                metric.update(_colour(values), real=not made)
        found = [
            Outlier(printable(sums.kept[number][0]), distance, thumbnails[number])
            for number, distance in distances.items()
            if number in thumbnails
        ]
        made.append(Closeup(found, _computed(metric) if metric is not None and made else {}))
    return made


def _metric(measure: Measure) -> Any:
    from specops.metrics import SlicedWassersteinDistance

    return SlicedWassersteinDistance(measure.size, patches_per_image=PATCHES, sync_on_compute=False)


def _computed(metric: Any) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two ranges of values: all pictures have one here
        return {level: float(value) for level, value in metric.compute().items()}


def _colour(values: Values) -> Tensor:
    return torch.from_numpy(values).expand(1, 3, -1, -1)


def values_of(
    source: Source, framing: Framing, measure: Measure, limit: int | None, numbers: set[int]
) -> Iterator[tuple[int, Values]]:
    """Yields the values of chosen pictures that can be read, by number."""
    left = len(numbers)
    for number, item in source.items(limit):
        if left == 0:
            return
        if number not in numbers:
            continue
        left -= 1
        try:
            values = framing.applied(item).values
        except UnreadableError:
            continue
        if values.shape[1:] == measure.size:
            yield number, values


def outliers(sums: Sums, reference: Sums) -> dict[int, float]:
    """Returns, by number, the distance of the kept images whose profiles are furthest from the reference's.

    The root of the mean square of the log profile's bins, each in standard deviations over the reference.
    """
    real = features_of(reference)
    centre, scale = real.mean(axis=0), np.maximum(real.std(axis=0), 1e-6)
    distances = np.sqrt((((features_of(sums) - centre) / scale) ** 2).mean(axis=1))
    numbers = drawn(sums)
    furthest = sorted(range(len(numbers)), key=lambda i: (-distances[i], numbers[i]))[:OUTLIERS]
    return {numbers[i]: float(distances[i]) for i in furthest}


def thumbnail(values: Values) -> bytes:
    """Returns a small JPEG of values [C, H, W] in [-1, 1]."""
    pixels = np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()
